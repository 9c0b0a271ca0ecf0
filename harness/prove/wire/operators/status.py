"""Another status than the service's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from random import Random

from harness.prove.wire.operators.operator import Mutation, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_SOURCE = "HTTPMutator, docs/mutation-operators.md, Status Code Mutation Operators"
_FACET = "status *"


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Which status; 0 for one of the operator's, drawn by the seed."""

    to: int = 0

    def __post_init__(self) -> None:
        if self.to and not 200 <= self.to <= 599:
            raise ValueError(f"to: a status from 200 to 599 was expected, not {self.to}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sometimes:
    """Every so many answers get that status."""

    every: int = 50
    to: int = 503

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every: a number from 1 was expected, not {self.every}")
        if not 200 <= self.to <= 599:
            raise ValueError(f"to: a status from 200 to 599 was expected, not {self.to}")


def _replacement(name: str, statuses: tuple[int, ...], does: str) -> Operator[To]:
    def make(args: To, chance: Random) -> Mutation:
        order = [args.to] if args.to else chance.sample(statuses, len(statuses))

        def change(_request: Request, answer: Answer) -> Answer | None:
            status = next((one for one in order if one != answer.status), None)
            return None if status is None else replace(answer, status=status)

        return Mutation(answer=change)

    return Operator(name=name, does=does, args=To, facet=fixed(_FACET), make=make, source=_SOURCE)


def _sometimes(args: Sometimes, chance: Random) -> Mutation:
    numbers = count(chance.randrange(args.every))

    def change(_request: Request, answer: Answer) -> Answer | None:
        due = next(numbers) % args.every == args.every - 1
        return replace(answer, status=args.to) if due and answer.status != args.to else None

    return Mutation(answer=change)


OPERATORS = (
    _replacement("R2XX", (200, 201, 204), "Another 2xx status: 200, 201 or 204."),
    _replacement("R4XX", (400, 401, 403, 404, 409), "A 4xx status: 400, 401, 403, 404 or 409."),
    _replacement("R5XX", (500, 501, 502, 503, 504), "A 5xx status: 500 to 504."),
    Operator(
        name="sometimes-status",
        does="One answer of so many has another status.",
        args=Sometimes,
        facet=fixed(_FACET),
        make=_sometimes,
    ),
)
