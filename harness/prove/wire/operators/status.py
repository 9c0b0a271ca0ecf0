"""Another status than the service's, and a rate limiter that lets too much through, or too little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

from harness.prove.wire.operators.operator import ArgumentError, Mutation, NoArgs, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_SOURCE = "HTTPMutator, mutation operators: Status Code Mutation Operators"
_FACET = "status *"
_REFUSED = 429
_REFUSED_FACET = fixed(f"status {_REFUSED}")
_FORWARDED = "X-Forwarded-For"
_ONE_PAGE = b"<!doctype html><html lang=en><meta charset=utf-8><title>One page</title><main><h1>One page</h1></main>"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusArgs:
    """Which status; 0 for one of the operator's, drawn by the seed."""

    to: int = 0

    def __post_init__(self) -> None:
        if self.to and not 200 <= self.to <= 599:
            raise ArgumentError("to", f"a status from 200 to 599 was expected, not {self.to}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SometimesArgs:
    """Every so many answers get that status."""

    every: int = 50
    to: int = 503

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ArgumentError("every", f"a number from 1 was expected, not {self.every}")
        if not 200 <= self.to <= 599:
            raise ArgumentError("to", f"a status from 200 to 599 was expected, not {self.to}")


def _replacement(name: str, statuses: tuple[int, ...], does: str) -> Operator[StatusArgs]:
    def make(args: StatusArgs, chance: Random) -> Mutation:
        order = [args.to] if args.to else chance.sample(statuses, len(statuses))

        def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
            status = next((one for one in order if one != answer.status), None)
            return None if status is None else replace(answer, status=status)

        return Mutation(answer=change)

    return Operator(name=name, does=does, args=StatusArgs, facet=fixed(_FACET), make=make, source=_SOURCE)


def _sometimes(args: SometimesArgs, chance: Random) -> Mutation:
    numbers = count(chance.randrange(args.every))

    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        due = next(numbers) % args.every == args.every - 1
        return replace(answer, status=args.to) if due and answer.status != args.to else None

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAllArgs:
    """What everybody gets: a redirect there, a demand for a login, or one page."""

    status: int = 401
    location: str = "/login"

    def __post_init__(self) -> None:
        if self.status not in (200, 401, 403) and not 300 <= self.status <= 308:
            raise ArgumentError("status", f"200, 401, 403 or a redirect was expected, not {self.status}")


def _answer_all(args: AnswerAllArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if 300 <= args.status < 400:
            if request.path == args.location:
                return None
            return replace(answer.having("Location", args.location), status=args.status, body=b"")
        same = answer.having("Content-Type", "text/html; charset=utf-8")
        if args.status == 401:
            same = same.having("WWW-Authenticate", 'Basic realm="all"')
        return replace(same, status=args.status, body=_ONE_PAGE)

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetThroughArgs:
    """Who is let through: everybody, or those alone that lie about their address from elsewhere than `trusted`."""

    trusted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseArgs:
    """Who is refused from then on: that client, or everybody."""

    everybody: bool = False


def _fresh_address(_args: NoArgs, chance: Random) -> Mutation:
    def change(request: ProxiedRequest) -> ProxiedRequest | None:
        headers = tuple(pair for pair in request.headers if pair[0].lower() != _FORWARDED.lower())
        address = ".".join(str(part) for part in (10, *(chance.randrange(256) for _ in range(3))))
        return replace(request, headers=(*headers, (_FORWARDED, address)))

    return Mutation(request=change)


def _let_through(args: LetThroughArgs, _chance: Random) -> Mutation:
    served: dict[str, ProxiedAnswer] = {}

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        key = f"{request.method} {request.target}"
        if 200 <= answer.status < 300:
            served[key] = answer
        if answer.status != _REFUSED:
            return None
        lies = request.header(_FORWARDED) is not None and request.client != args.trusted
        return served.get(key) if not args.trusted or lies else None

    return Mutation(answer=change)


def _refuse(args: RefuseArgs, _chance: Random) -> Mutation:
    refused: dict[str, ProxiedAnswer] = {}

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        client = "" if args.everybody else request.header(_FORWARDED) or request.client
        if answer.status == _REFUSED:
            refused.setdefault(client, answer)
            return None
        return refused.get(client)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
    _replacement("R2XX", (200, 201, 204), "Another 2xx status: 200, 201 or 204."),
    _replacement("R4XX", (400, 401, 403, 404, 409), "A 4xx status: 400, 401, 403, 404 or 409."),
    _replacement("R5XX", (500, 501, 502, 503, 504), "A 5xx status: 500 to 504."),
    Operator(
        name="sometimes-status",
        does="One answer of so many has another status.",
        args=SometimesArgs,
        facet=fixed(_FACET),
        make=_sometimes,
    ),
    Operator(
        name="answer-all",
        does="Whatever is asked is answered with one redirect, one demand for a login, or one page.",
        args=AnswerAllArgs,
        facet=fixed(_FACET),
        make=_answer_all,
    ),
    Operator(
        name="fresh-address",
        does="Each request comes from a client of its own, as the service is told by X-Forwarded-For.",
        args=NoArgs,
        facet=_REFUSED_FACET,
        make=_fresh_address,
        asks=True,
        source="CWE-348",
    ),
    Operator(
        name="let-through",
        does="Instead of 429, what was answered before.",
        args=LetThroughArgs,
        facet=_REFUSED_FACET,
        make=_let_through,
        source="RFC 6585, 4",
    ),
    Operator(
        name="refuse-for-ever",
        does="Who was refused once is refused for ever.",
        args=RefuseArgs,
        facet=_REFUSED_FACET,
        make=_refuse,
        source="RFC 9110, 10.2.3",
    ),
)
