"""Answers that come late: some, all, or those in a stall."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random

from harness.prove.wire.operators.operator import Mutation, Operator, fixed

_FACET = fixed("latency")
_MOST_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Milliseconds, and how many answers there are for a late one."""

    ms: float
    every: int = 1

    def __post_init__(self) -> None:
        _check_ms("ms", self.ms)
        if self.every < 1:
            raise ValueError(f"every: a number from 1 was expected, not {self.every}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long a stall lasts, and how often one begins."""

    pause_ms: float = 500.0
    every_ms: float = 5000.0

    def __post_init__(self) -> None:
        _check_ms("pause_ms", self.pause_ms)
        _check_ms("every_ms", self.every_ms)
        if self.pause_ms >= self.every_ms:
            raise ValueError("pause_ms: must be shorter than every_ms, or nothing is ever answered")


def _check_ms(name: str, value: float) -> None:
    if not 0 < value <= _MOST_MS:
        raise ValueError(f"{name}: milliseconds from above 0 to {_MOST_MS:.0f} were expected, not {value:g}")


def _late(args: Late, chance: Random) -> Mutation:
    numbers = count(chance.randrange(args.every))

    def delay(_now: float) -> float:
        return args.ms / 1000 if next(numbers) % args.every == args.every - 1 else 0.0

    return Mutation(delay_s=delay)


def _stall(args: Pauses, _chance: Random) -> Mutation:
    def delay(now: float) -> float:
        return max(0.0, args.pause_ms - (now * 1000) % args.every_ms) / 1000

    return Mutation(delay_s=delay)


OPERATORS: tuple[Operator[Late] | Operator[Pauses], ...] = (
    Operator(name="late", does="Every answer, or one of so many, comes late.", args=Late, facet=_FACET, make=_late),
    Operator(
        name="stall",
        does="For a while in each period nothing is answered.",
        args=Pauses,
        facet=_FACET,
        make=_stall,
        source="Tene, How NOT to Measure Latency",
    ),
)
