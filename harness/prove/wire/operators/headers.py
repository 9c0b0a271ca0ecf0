"""Headers changed, left out or added: the six of HTTPMutator, and any other by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from urllib.parse import urlsplit

from harness.prove.wire.operators.operator import (
    ArgumentError,
    Mutation,
    NoArgs,
    Operator,
    edit_header,
    fixed,
    header_facet,
)
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_SOURCE = "HTTPMutator, mutation operators: Header Mutation Operators"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MEDIA_TYPES = (
    "application/json",
    "application/xml",
    "text/plain",
    "text/html",
    "text/css",
    "text/javascript",
    "application/x-www-form-urlencoded",
)
_CHARSETS = ("UTF-8", "utf-8", "UTF8", "utf8", "UTF-16", "utf-16", "UTF-32", "utf-32", "ISO-8859-15", "latin9")
_MILLISECONDS = (10**12, 10**13)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderNameArgs:
    """A header's name."""

    header: str

    def __post_init__(self) -> None:
        _check_name(self.header)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderValueArgs:
    """A header's name and the value that it gets."""

    header: str
    value: str

    def __post_init__(self) -> None:
        _check_name(self.header)
        if re.search(r"[\r\n\0]", self.value):
            raise ArgumentError("value", "a header's value holds no line break")


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ArgumentError("header", f"{name!r} is no header's name (RFC 9110, 5.1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondHeaderArgs(HeaderValueArgs):
    """A header's name, and the value of its line more: after those that are there, or before them."""

    first: bool = False


@dataclass(frozen=True, slots=True)
class _ContentType:
    """A `Content-Type` in its parts; `media` is "" where it was taken out."""

    media: str
    charset: str | None
    others: tuple[str, ...]

    def written(self) -> str | None:
        """The header's value; None if nothing is left of it."""
        charset = () if self.charset is None else (f"charset={self.charset}",)
        return "; ".join(part for part in (self.media, *charset, *self.others) if part) or None


def _parts(value: str) -> _ContentType:
    media, *parameters = (part.strip() for part in value.split(";"))
    charset, others = None, []
    for part in parameters:
        name, equals, content = part.partition("=")
        if equals and name.strip().lower() == "charset" and charset is None:
            charset = content.strip()
        elif part:
            others.append(part)
    return _ContentType(media, charset, tuple(others))


def _content_type(
    name: str, does: str, edit: Callable[[_ContentType, Random], _ContentType | None]
) -> Operator[NoArgs]:
    def make(_args: NoArgs, chance: Random) -> Mutation:
        seed = chance.getrandbits(64)

        def edited(value: str) -> str | None:
            parts = edit(_parts(value), Random(seed))  # noqa: S311 - no secret: a mutant to be repeated
            return value if parts is None else parts.written()

        return Mutation(answer=lambda _request, answer: edit_header(answer, "Content-Type", edited))

    facet = fixed(header_facet("Content-Type"))
    return Operator(name=name, does=does, args=NoArgs, facet=facet, make=make, source=_SOURCE)


def _other_media(parts: _ContentType, chance: Random) -> _ContentType:
    media = chance.choice([one for one in _MEDIA_TYPES if one != parts.media.lower()])
    return replace(parts, media=media)


def _no_media(parts: _ContentType, _chance: Random) -> _ContentType | None:
    return replace(parts, media="") if parts.media else None


def _other_charset(parts: _ContentType, chance: Random) -> _ContentType:
    return replace(parts, charset=chance.choice([one for one in _CHARSETS if one != parts.charset]))


def _no_charset(parts: _ContentType, _chance: Random) -> _ContentType | None:
    return None if parts.charset is None else replace(parts, charset=None)


def _other_location(_args: NoArgs, chance: Random) -> Mutation:
    # stands for the clock's milliseconds, which the paper appends; from the seed, so that a mutant can be repeated
    number = chance.randrange(*_MILLISECONDS)

    def edited(value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError:
            return value
        return parts._replace(path=f"{parts.path}/{number}").geturl()

    return Mutation(answer=lambda _request, answer: edit_header(answer, "Location", edited))


def _drop(name: str) -> Mutation:
    return Mutation(answer=lambda _request, answer: edit_header(answer, name, lambda _value: None))


def _replace(args: HeaderValueArgs, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: edit_header(answer, args.header, lambda _value: args.value))


def _add(args: HeaderValueArgs, _chance: Random) -> Mutation:
    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        return answer.having(args.header, args.value) if answer.header(args.header) is None else None

    return Mutation(answer=change)


def _repeat(args: SecondHeaderArgs, _chance: Random) -> Mutation:
    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if answer.header(args.header) is None:
            return None
        line = ((args.header, args.value),)
        return replace(answer, headers=(*line, *answer.headers) if args.first else (*answer.headers, *line))

    return Mutation(answer=change)


_LOCATION = fixed(header_facet("Location"))

OPERATORS: tuple[Operator[Any], ...] = (
    _content_type("CTC", "Another media type in Content-Type.", _other_media),
    _content_type("CTD", "No media type in Content-Type, its parameters alone.", _no_media),
    _content_type("CPC", "Another charset in Content-Type, or one where there was none.", _other_charset),
    _content_type("CPD", "No charset in Content-Type.", _no_charset),
    Operator(
        name="LHC",
        does="Location leads to a path below the right one.",
        args=NoArgs,
        facet=_LOCATION,
        make=_other_location,
        source=_SOURCE,
    ),
    Operator(
        name="LHD",
        does="No Location.",
        args=NoArgs,
        facet=_LOCATION,
        make=lambda _args, _chance: _drop("Location"),
        source=_SOURCE,
    ),
    Operator(
        name="drop-header",
        does="A header is left out.",
        args=HeaderNameArgs,
        facet=lambda args: header_facet(args.header),
        make=lambda args, _chance: _drop(args.header),
    ),
    Operator(
        name="replace-header",
        does="A header that is there has another value.",
        args=HeaderValueArgs,
        facet=lambda args: header_facet(args.header),
        make=_replace,
    ),
    Operator(
        name="add-header",
        does="A header that is not there is added.",
        args=HeaderValueArgs,
        facet=lambda args: header_facet(args.header),
        make=_add,
    ),
    Operator(
        name="repeat-header",
        does="A header that is there comes once more, with another value.",
        args=SecondHeaderArgs,
        facet=lambda args: header_facet(args.header),
        make=_repeat,
        source="RFC 9110, 5.3",
    ),
)
