"""A rate limiter that lets too much through, or too little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_REFUSED = 429
_FACET = fixed(f"status {_REFUSED}")
_FORWARDED = "X-Forwarded-For"


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """Who is let through: everybody, or those alone that lie about their address from elsewhere than `trusted`."""

    trusted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who is refused from then on: that client, or everybody."""

    everybody: bool = False


def _fresh_address(_args: NoArgs, chance: Random) -> Mutation:
    def change(request: Request) -> Request | None:
        headers = tuple(pair for pair in request.headers if pair[0].lower() != _FORWARDED.lower())
        address = ".".join(str(part) for part in (10, *(chance.randrange(256) for _ in range(3))))
        return replace(request, headers=(*headers, (_FORWARDED, address)))

    return Mutation(request=change)


def _let_through(args: Let, _chance: Random) -> Mutation:
    served: dict[str, Answer] = {}

    def change(request: Request, answer: Answer) -> Answer | None:
        key = f"{request.method} {request.target}"
        if 200 <= answer.status < 300:
            served[key] = answer
        if answer.status != _REFUSED:
            return None
        lies = request.header(_FORWARDED) is not None and request.client != args.trusted
        return served.get(key) if not args.trusted or lies else None

    return Mutation(answer=change)


def _refuse(args: Who, _chance: Random) -> Mutation:
    refused: dict[str, Answer] = {}

    def change(request: Request, answer: Answer) -> Answer | None:
        client = "" if args.everybody else request.header(_FORWARDED) or request.client
        if answer.status == _REFUSED:
            refused.setdefault(client, answer)
            return None
        return refused.get(client)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[NoArgs] | Operator[Let] | Operator[Who], ...] = (
    Operator(
        name="fresh-address",
        does="Each request comes from a client of its own, as the service is told by X-Forwarded-For.",
        args=NoArgs,
        facet=_FACET,
        make=_fresh_address,
        asks=True,
        source="CWE-348",
    ),
    Operator(
        name="let-through",
        does="Instead of 429, what was answered before.",
        args=Let,
        facet=_FACET,
        make=_let_through,
        source="RFC 6585, 4",
    ),
    Operator(
        name="refuse-for-ever",
        does="Who was refused once is refused for ever.",
        args=Who,
        facet=_FACET,
        make=_refuse,
        source="RFC 9110, 10.2.3",
    ),
)
