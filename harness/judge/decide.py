"""Last stages: which rulings somebody took upon himself, all of them in one word, and what holds that word back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from harness.judge.select import FinalAttempts
from harness.judge.wording import first_few
from harness.model import (
    RED,
    Criterion,
    Decision,
    HeldBack,
    HoldBackKind,
    Outcome,
    Policy,
    Record,
    Ruling,
    Status,
    Waiver,
)
from harness.model.quoting import one_line

_LONGEST = timedelta(days=90)
"""From the run's end to a waiver's expiry."""

_WAIVABLE = frozenset({Status.FAIL, Status.INCONCLUSIVE, Status.NOT_RUN})
_MANY = 5


def waive(ruling: Ruling, criterion: Criterion, waivers: Sequence[Waiver], *, target: str, end: str | None) -> Ruling:
    """The ruling, waived if a waiver for exactly this criterion and target is in force at the run's end."""
    if ruling.status not in _WAIVABLE:
        return ruling
    refused: list[str] = []
    for waiver in waivers:
        if waiver.criterion != criterion.id or waiver.target not in (None, target):
            continue
        refusal = _refusal(waiver, criterion, end)
        if refusal is not None:
            refused.append(f"the waiver of {waiver.owner or 'nobody'} is not in force: {refusal}")
            continue
        reason = (
            f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason} "
            f"(else {ruling.status.value}: {ruling.reason})"
        )
        return replace(ruling, status=Status.WAIVED, reason=reason, waiver=waiver)
    return replace(ruling, reason="; ".join([ruling.reason, *refused]))


def _refusal(waiver: Waiver, criterion: Criterion, end: str | None) -> str | None:
    """Why the waiver does not count; None if it does. The run's end is the only clock."""
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
    if expires > ended + _LONGEST:
        return f"it expires on {waiver.expires}, more than {_LONGEST.days} days after the run"
    return None


def decide(rulings: Sequence[Ruling], held_back: Sequence[HeldBack]) -> Decision:
    """NO-GO if a required criterion failed; GO only if every one is proven, waived or not applicable and nothing else
    speaks against the run.
    """
    required = {ruling.status for ruling in rulings if ruling.required}
    if Status.FAIL in required:
        return Decision.NO_GO
    if held_back or required & {Status.INCONCLUSIVE, Status.NOT_RUN}:
        return Decision.INCONCLUSIVE
    return Decision.GO


def score(rulings: Sequence[Ruling]) -> float:
    """The proven share: weight of required criteria that passed, of all that apply, 0 to 100. Waived is not proven."""
    counted = [ruling for ruling in rulings if ruling.required and ruling.status is not Status.NOT_APPLICABLE]
    if not counted:
        return 0.0
    heaviest = max(ruling.weight for ruling in counted)
    total = sum(ruling.weight / heaviest for ruling in counted)
    proven = sum(ruling.weight / heaviest for ruling in counted if ruling.status is Status.PASS)
    return round(100 * proven / total, 1)


def held_back(
    record: Record, policy: Policy, criteria: Sequence[Criterion], attempts: FinalAttempts, selected: Iterable[int]
) -> tuple[HeldBack, ...]:
    """Why the run is at best INCONCLUSIVE, beside its criteria.

    `criteria` are those that exist for this target, `selected` the numbers of all lines that one of them looks at.
    """
    return (
        *_integrity(record),
        *_emptiness(record, policy, criteria, attempts),
        *_build(record, policy),
        *_strays(attempts, frozenset(selected)),
        *_silent_tests(record, attempts),
    )


def _integrity(record: Record) -> Iterator[HeldBack]:
    problems = record.integrity.problems
    if not problems:
        problems = tuple(_foreign_or_unfinished(record))
    for problem in problems:
        yield HeldBack(HoldBackKind.INTEGRITY, problem)


def _foreign_or_unfinished(record: Record) -> Iterator[str]:
    if record.integrity.state != "finished":
        yield f"the run is {record.integrity.state}, not finished"
    others = sorted({line.run for line in record.evidence if line.run != record.run})
    if others:
        yield f"evidence of another run: {', '.join(one_line(run, 60) for run in others)}"


def _emptiness(
    record: Record, policy: Policy, criteria: Sequence[Criterion], attempts: FinalAttempts
) -> Iterator[HeldBack]:
    """What makes a run prove less than it seems to."""
    if not any(one.outcome is Outcome.PASS for one in attempts.outcomes):
        yield HeldBack(HoldBackKind.NOTHING_PASSED, "no check passed in this run")
    if not any(one.required and one.id != "startup" and one.needs not in record.absent for one in criteria):
        text = f"policy {policy.name} requires nothing of target {record.target} beside its start"
        yield HeldBack(HoldBackKind.NOTHING_REQUIRED, text)
    if record.narrowed:
        yield HeldBack(HoldBackKind.NARROWED, f"the run was narrowed by {one_line(record.narrowed)}")


def _build(record: Record, policy: Policy) -> Iterator[HeldBack]:
    if policy.clean_build and record.build.kind == "unknown":
        yield HeldBack(HoldBackKind.BUILD_UNKNOWN, "the build is unknown, and the policy demands a clean one")
    elif policy.clean_build and record.build.dirty:
        text = f"the build {record.build.id} has uncommitted changes, and the policy demands a clean one"
        yield HeldBack(HoldBackKind.BUILD_DIRTY, text)


def _strays(attempts: FinalAttempts, selected: frozenset[int]) -> Iterator[HeldBack]:
    """What went wrong and nobody asked about; files that could not be collected whoever asks."""
    strays: dict[tuple[str, str], list[int]] = {}
    for one in attempts.outcomes:
        line = one.line
        if one.outcome in RED and (line.check == "collection" or line.seq not in selected):
            strays.setdefault((line.check, one.outcome.value), []).append(line.seq)
    for (check, outcome), seqs in strays.items():
        if check == "collection":
            text = f"{len(seqs)} test files could not be collected (evidence {_numbers(seqs)})"
            yield HeldBack(HoldBackKind.COLLECTION_ERROR, text)
        else:
            text = f"{check}: {outcome}, and no criterion looks at it (evidence {_numbers(seqs)})"
            yield HeldBack(HoldBackKind.UNCLAIMED_FAILURE, text)
    if attempts.lost:
        seqs = [line.seq for line in attempts.lost]
        text = f"failed attempts were to be repeated, and no repetition left a line (evidence {_numbers(seqs)})"
        yield HeldBack(HoldBackKind.LOST_ATTEMPT, text)


def _silent_tests(record: Record, attempts: FinalAttempts) -> Iterator[HeldBack]:
    heard = {one.line.test for one in attempts.outcomes}
    silent = [test for test in record.collected if test not in heard]
    if silent:
        shown = first_few([one_line(test, 120) for test in silent], _MANY)
        yield HeldBack(HoldBackKind.MISSING_LINE, f"{len(silent)} collected tests left no evidence: {shown}")


def _numbers(seqs: Sequence[int]) -> str:
    return ", ".join(str(seq) for seq in seqs[:_MANY]) + (", …" if len(seqs) > _MANY else "")
