"""Answers that were given before, given again: what a cache does when its key leaves something out."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_LOGIN = ("Authorization", "Cookie")
_NEGOTIATED = ("Accept", "Origin", "Range")
_OK = 200
_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Whether the query is part of the key."""

    query: bool = True


class _Store:
    """First answers by key, so many at most."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Answer] = {}

    def first(self, key: tuple[str, ...], answer: Answer) -> Answer | None:
        """The first good answer of that key; this one, if it is good and there was none."""
        if key not in self._kept and answer.status == _OK and len(self._kept) < _MOST:
            self._kept[key] = answer
        return self._kept.get(key)


def _values(request: Request, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(request.header(name) or "" for name in names)


def _instead(request: Request, answer: Answer, kept: Answer | None) -> Answer | None:
    """The kept answer, if a client that gets it would see another thing; a cache still answers 304 where it fits."""
    if kept is None or (kept.status, kept.body) == (answer.status, answer.body):
        return None
    tag = request.header("If-None-Match")
    return None if answer.status == 304 and tag == kept.header("ETag") else kept


def _stale(args: Key, _chance: Random) -> Mutation:
    store = _Store()

    def change(request: Request, answer: Answer) -> Answer | None:
        # a cache in front keeps nothing that was asked for with credentials (RFC 9111, 3.5)
        if request.method != "GET" or request.header("Authorization") is not None:
            return None
        url = request.target if args.query else request.path
        key = (url, *_values(request, _LOGIN), *_values(request, _NEGOTIATED))
        return _instead(request, answer, store.first(key, answer))

    return Mutation(answer=change)


def _anothers(_args: NoArgs, _chance: Random) -> Mutation:
    store = _Store()
    owners: dict[str, tuple[str, ...]] = {}

    def change(request: Request, answer: Answer) -> Answer | None:
        if request.method != "GET":
            return None
        login = _values(request, _LOGIN)
        kept = store.first((request.target,), answer)
        owner = owners.setdefault(request.target, login) if kept is not None else login
        return None if owner == login else _instead(request, answer, kept)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Key] | Operator[NoArgs], ...] = (
    Operator(
        name="stale",
        does="The first answer to a URL comes again for ever, as from a cache in front.",
        args=Key,
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
