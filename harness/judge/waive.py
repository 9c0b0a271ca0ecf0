"""Third stage: which rulings somebody took upon himself (DESIGN 4.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from harness.model import Criterion, Ruling, Status, Waiver

LONGEST = timedelta(days=90)
"""From the run's end to a waiver's expiry."""

_WAIVABLE = frozenset({Status.FAIL, Status.INCONCLUSIVE, Status.NOT_RUN})


def waive(ruling: Ruling, criterion: Criterion, waivers: Sequence[Waiver], *, target: str, end: str | None) -> Ruling:
    """The ruling, waived if a waiver for exactly this criterion and target is in force at the run's end."""
    if ruling.status not in _WAIVABLE:
        return ruling
    refused: list[str] = []
    for waiver in waivers:
        if waiver.criterion != criterion.id or waiver.target not in (None, target):
            continue
        refusal = _refusal(waiver, criterion, end)
        if refusal:
            refused.append(f"the waiver of {waiver.owner or 'nobody'} is not in force: {refusal}")
            continue
        reason = (
            f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason} "
            f"(else {ruling.status.value}: {ruling.reason})"
        )
        return replace(ruling, status=Status.WAIVED, reason=reason, waiver=waiver)
    return replace(ruling, reason="; ".join([ruling.reason, *refused]))


def _refusal(waiver: Waiver, criterion: Criterion, end: str | None) -> str:
    """Why the waiver does not count; "" if it does. The run's end is the only clock."""
    if not criterion.waivable:
        return "the criterion cannot be waived"
    if not waiver.owner.strip() or not waiver.reason.strip():
        return "it needs an owner and a reason"
    try:
        ended = date.fromisoformat((end or "")[:10])
    except ValueError:
        return "the run has no end to judge its expiry by"
    try:
        expires = date.fromisoformat(waiver.expires)
    except ValueError:
        return f"{waiver.expires!r} is no date"
    if expires < ended:
        return f"it expired on {waiver.expires}"
    if expires > ended + LONGEST:
        return f"it expires on {waiver.expires}, more than {LONGEST.days} days after the run"
    return ""
