"""The plain words of a ruling: what decided, on what, and against which demand."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.select import FinalOutcome
from harness.model import Outcome, Threshold
from harness.model.quoting import one_line

_MANY = 3


def named(lines: Sequence[FinalOutcome]) -> str:
    """The observations by check and subject, the first few of them."""
    return first_few([one_line(f"{one.line.check} on {one.line.subject}", 100) for one in lines], _MANY)


def first_few(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def counts(lines: Sequence[FinalOutcome]) -> str:
    """`11 pass, 1 fail`."""
    numbers = [(outcome, sum(one.outcome is outcome for one in lines)) for outcome in Outcome]
    return ", ".join(f"{number} {outcome.value}" for outcome, number in numbers if number) or "nothing"


def with_unit(value: float, unit: str) -> str:
    """A number as people read it, six significant digits at most, and its unit."""
    return f"{value:.6g} {unit}".rstrip()


def demanded(demand: Threshold | None, budget: int | None = None) -> str:
    """The threshold in words."""
    if budget is not None:
        return f"at most {budget} checks fail"
    if demand is None:
        return "all pass"
    return f"{demand.stat} {demand.op} {with_unit(demand.value, demand.unit)}"
