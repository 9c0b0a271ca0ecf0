"""The plain words of a ruling: what decided, on what, and what the instrument said."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.select import Settled
from harness.model import Evidence, Outcome, Threshold

_MANY = 3
_LIMIT = 300


def one_line(text: object, limit: int = _LIMIT) -> str:
    """Text of unknown origin on one line, without control characters, bounded."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(text))
    joined = " ".join(clean.split())
    return joined if len(joined) <= limit else f"{joined[: limit - 1]}…"


def named(lines: Sequence[Settled]) -> str:
    """The observations by check and subject, the first few of them."""
    names = [one_line(f"{one.line.check} on {one.line.subject}", 100) for one in lines[:_MANY]]
    return ", ".join(names) + (f" and {len(lines) - _MANY} more" if len(lines) > _MANY else "")


def told(line: Evidence) -> str:
    """What the evidence says for itself: its reason, then its message."""
    reason, message = one_line(line.detail.get("reason", "")), one_line(line.detail.get("message", ""))
    if not reason or reason in message:
        return message
    return f"{reason}; {message}" if message and message not in reason else reason


def because(words: str, lines: Sequence[Settled]) -> str:
    """`words`: which observations, and what the first of them says."""
    said = told(lines[0].line)
    return f"{words}: {named(lines)}" + (f". First: {said}" if said else "")


def counts(lines: Sequence[Settled]) -> str:
    """`11 pass, 1 fail`."""
    numbers = [(outcome, sum(one.outcome is outcome for one in lines)) for outcome in Outcome]
    return ", ".join(f"{number} {outcome.value}" for outcome, number in numbers if number) or "nothing"


def number(value: float) -> str:
    """A number as people read it, six significant digits at most."""
    return f"{value:.6g}"


def with_unit(value: float, unit: str) -> str:
    """A number and its unit."""
    return f"{number(value)} {unit}".rstrip()


def demanded(demand: Threshold | None) -> str:
    """The threshold in words."""
    if demand is None:
        return "all pass"
    return f"{demand.stat} {demand.op} {with_unit(demand.value, demand.unit)}"
