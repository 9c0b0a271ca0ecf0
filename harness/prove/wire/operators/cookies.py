"""Cookies without their guards (RFC 6265bis)."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from harness.config.toml_reader import nearest
from harness.prove.wire.operators.operator import Mutation, Operator, edit_header, fixed, header_facet
from harness.proxy.exchange import ProxiedAnswer as Answer

_HEADER = "Set-Cookie"
_ATTRIBUTES = ("Domain", "Expires", "HttpOnly", "Max-Age", "Path", "SameSite", "Secure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """Which attribute, of which cookies (a glob over their names)."""

    attribute: str
    cookie: str = "*"

    def __post_init__(self) -> None:
        if self.attribute.lower() not in (one.lower() for one in _ATTRIBUTES):
            raise ValueError(f"attribute: unknown {self.attribute!r}; {nearest(self.attribute, _ATTRIBUTES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """Which attribute gets which value."""

    attribute: str
    value: str
    cookie: str = "*"

    def __post_init__(self) -> None:
        if self.attribute.lower() not in (one.lower() for one in _ATTRIBUTES):
            raise ValueError(f"attribute: unknown {self.attribute!r}; {nearest(self.attribute, _ATTRIBUTES)}")
        if any(sign in self.value for sign in ";\r\n"):
            raise ValueError("value: an attribute's value holds no semicolon or line break")


def _edited(answer: Answer, attribute: str, cookie: str, put: tuple[str, ...]) -> Answer | None:
    """The answer with that attribute of the cookies taken out and `put` in its place; None if none has it."""

    def edit(line: str) -> str:
        pair, *rest = line.split(";")
        if not fnmatchcase(pair.partition("=")[0].strip(), cookie):
            return line
        kept = [part for part in rest if part.partition("=")[0].strip().lower() != attribute.lower()]
        return line if kept == rest else ";".join([pair, *kept, *put])

    return edit_header(answer, _HEADER, edit)


def _strip(args: Attribute, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: _edited(answer, args.attribute, args.cookie, ()))


def _replace(args: Valued, _chance: Random) -> Mutation:
    put = (f" {args.attribute}={args.value}",)
    return Mutation(answer=lambda _request, answer: _edited(answer, args.attribute, args.cookie, put))


OPERATORS: tuple[Operator[Attribute] | Operator[Valued], ...] = (
    Operator(
        name="cookie-strip",
        does="Cookies lack an attribute.",
        args=Attribute,
        facet=fixed(header_facet(_HEADER)),
        make=_strip,
        source="RFC 6265bis, 5.6",
    ),
    Operator(
        name="cookie-replace",
        does="An attribute of cookies has another value.",
        args=Valued,
        facet=fixed(header_facet(_HEADER)),
        make=_replace,
        source="RFC 6265bis, 5.6",
    ),
)
