"""What caches and browsers are told, told wrong, and answers given again that a cache would not give (RFC 9111)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from harness.probes.headers import split_list
from harness.prove.wire.operators.headers import HeaderNameArgs
from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, edit_header, fixed, header_facet
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_CONDITIONS = ("if-none-match", "if-modified-since")
_LOGIN = ("Authorization", "Cookie")
_NEGOTIATED = ("Accept", "Origin", "Range")
_OK = 200
_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryMemberArgs:
    """A member of Vary, such as Origin."""

    member: str


def _vary(args: VaryMemberArgs, _chance: Random) -> Mutation:
    def edited(value: str) -> str | None:
        members = split_list([value])
        kept = [one for one in members if one.lower() != args.member.lower()]
        return value if len(kept) == len(members) else ", ".join(kept) or None

    return Mutation(answer=lambda _request, answer: edit_header(answer, "Vary", edited))


def _freeze(args: HeaderNameArgs, _chance: Random) -> Mutation:
    first: dict[tuple[str, str], str] = {}

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        value = answer.header(args.header)
        if value is None:
            return None
        frozen = first.setdefault((request.method, request.target), value)
        return None if frozen == value else edit_header(answer, args.header, lambda _value: frozen)

    return Mutation(answer=change)


def _unconditional(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest) -> ProxiedRequest | None:
        headers = tuple(pair for pair in request.headers if pair[0].lower() not in _CONDITIONS)
        return None if headers == request.headers else replace(request, headers=headers)

    return Mutation(request=change)


def _always_unchanged(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        tag = request.header("If-None-Match")
        if tag is None or answer.status != 200:
            return None
        kept = answer.without("Content-Type").having("ETag", tag)
        return replace(kept, status=304, body=b"")

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKeyArgs:
    """Whether the query is part of the key."""

    query: bool = True


class _Store:
    """First answers by key, so many at most."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], ProxiedAnswer] = {}

    def first(self, key: tuple[str, ...], answer: ProxiedAnswer) -> ProxiedAnswer | None:
        """The first good answer of that key; this one, if it is good and there was none."""
        if key not in self._kept and answer.status == _OK and len(self._kept) < _MOST:
            self._kept[key] = answer
        return self._kept.get(key)


def _header_values(request: ProxiedRequest, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(request.header(name) or "" for name in names)


def _instead(request: ProxiedRequest, answer: ProxiedAnswer, kept: ProxiedAnswer | None) -> ProxiedAnswer | None:
    """The kept answer, if a client that gets it would see another thing; a cache still answers 304 where it fits."""
    if kept is None or (kept.status, kept.body) == (answer.status, answer.body):
        return None
    tag = request.header("If-None-Match")
    return None if answer.status == 304 and tag == kept.header("ETag") else kept


def _stale(args: CacheKeyArgs, _chance: Random) -> Mutation:
    store = _Store()

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        # a cache in front keeps nothing that was asked for with credentials (RFC 9111, 3.5)
        if request.method != "GET" or request.header("Authorization") is not None:
            return None
        url = request.target if args.query else request.path
        key = (url, *_header_values(request, _LOGIN), *_header_values(request, _NEGOTIATED))
        return _instead(request, answer, store.first(key, answer))

    return Mutation(answer=change)


def _anothers(_args: NoArgs, _chance: Random) -> Mutation:
    store = _Store()
    owners: dict[str, tuple[str, ...]] = {}

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if request.method != "GET":
            return None
        login = _header_values(request, _LOGIN)
        kept = store.first((request.target,), answer)
        owner = owners.setdefault(request.target, login) if kept is not None else login
        return None if owner == login else _instead(request, answer, kept)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
    Operator(
        name="vary-drop",
        does="Vary lacks a member.",
        args=VaryMemberArgs,
        facet=fixed(header_facet("Vary")),
        make=_vary,
        source="RFC 9111, 4.1",
    ),
    Operator(
        name="freeze-header",
        does="A header keeps the value that it first had at that URL.",
        args=HeaderNameArgs,
        facet=lambda args: header_facet(args.header),
        make=_freeze,
    ),
    Operator(
        name="ignore-conditional",
        does="Who has the representation already gets it again.",
        args=NoArgs,
        facet=fixed("cache"),
        make=_unconditional,
        asks=True,
        source="RFC 9110, 13.1.2",
    ),
    Operator(
        name="always-unchanged",
        does="Whoever asks whether something changed is told that it did not.",
        args=NoArgs,
        facet=fixed("cache"),
        make=_always_unchanged,
        source="RFC 9110, 15.4.5",
    ),
    Operator(
        name="stale",
        does="The first answer to a URL comes again for ever, as from a cache in front.",
        args=CacheKeyArgs,
        facet=fixed("cache"),
        make=_stale,
        source="RFC 9111, 4.2.4",
    ),
    Operator(
        name="anothers-answer",
        does="Whoever asks for a URL gets what the first one got, with another login too.",
        args=NoArgs,
        facet=fixed("cache"),
        make=_anothers,
        source="RFC 9111, 3.5",
    ),
)
