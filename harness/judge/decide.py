"""Last stage: all rulings in one word, and what keeps the run from a better one (DESIGN 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.judge.select import RED, Settlement
from harness.judge.wording import one_line
from harness.model import Criterion, Decision, HeldBack, HoldBackKind, Outcome, Policy, Record, Ruling, Status

_MANY = 5


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
    record: Record, policy: Policy, criteria: Sequence[Criterion], settlement: Settlement, selected: Iterable[int]
) -> tuple[HeldBack, ...]:
    """Why the run is at best INCONCLUSIVE, beside its criteria.

    `criteria` are those that exist for this target, `selected` the numbers of all lines that one of them looks at.
    """
    return (
        *_integrity(record, settlement),
        *_demands(record, policy, criteria),
        *_strays(settlement, frozenset(selected)),
        *_silent_tests(record, settlement),
    )


def _integrity(record: Record, settlement: Settlement) -> Iterable[HeldBack]:
    problems = record.integrity.problems
    yield from (HeldBack(HoldBackKind.INTEGRITY, problem) for problem in problems)
    if record.integrity.state != "finished" and not problems:
        yield HeldBack(HoldBackKind.INTEGRITY, f"the run is {record.integrity.state}, not finished")
    others = sorted({line.run for line in record.evidence if line.run != record.run})
    if others and not problems:
        yield HeldBack(
            HoldBackKind.INTEGRITY, f"evidence of another run: {', '.join(one_line(run, 60) for run in others)}"
        )
    if not any(one.outcome is Outcome.PASS for one in settlement.observed):
        yield HeldBack(HoldBackKind.NOTHING_PASSED, "no check passed in this run")


def _demands(record: Record, policy: Policy, criteria: Sequence[Criterion]) -> Iterable[HeldBack]:
    applying = [one for one in criteria if one.required and one.id != "startup" and one.needs not in record.absent]
    if not applying:
        yield HeldBack(
            HoldBackKind.NOTHING_REQUIRED,
            f"policy {policy.name} requires nothing of target {record.target} beside its start",
        )
    if record.narrowed:
        yield HeldBack(HoldBackKind.NARROWED, f"the run was narrowed by {one_line(record.narrowed)}")
    if policy.clean_build and record.build.kind == "unknown":
        yield HeldBack(HoldBackKind.BUILD_UNKNOWN, "the build is unknown, and the policy demands a clean one")
    elif policy.clean_build and record.build.dirty:
        yield HeldBack(
            HoldBackKind.BUILD_DIRTY,
            f"the build {record.build.id} has uncommitted changes, and the policy demands a clean one",
        )


def _strays(settlement: Settlement, selected: frozenset[int]) -> Iterable[HeldBack]:
    """What went wrong and nobody asked about; files that could not be collected whoever asks."""
    strays: dict[tuple[str, str], list[int]] = {}
    for one in settlement.observed:
        line = one.line
        if one.outcome in RED and (line.check == "collection" or line.seq not in selected):
            strays.setdefault((line.check, one.outcome.value), []).append(line.seq)
    for (check, outcome), seqs in strays.items():
        if check == "collection":
            yield HeldBack(
                HoldBackKind.COLLECTION_ERROR,
                f"{len(seqs)} test files could not be collected (evidence {_numbers(seqs)})",
            )
        else:
            yield HeldBack(
                HoldBackKind.UNCLAIMED_FAILURE,
                f"{check}: {outcome}, and no criterion looks at it (evidence {_numbers(seqs)})",
            )
    if settlement.lost:
        seqs = [line.seq for line in settlement.lost]
        yield HeldBack(
            HoldBackKind.LOST_ATTEMPT,
            f"failed attempts were to be repeated, and no repetition left a line (evidence {_numbers(seqs)})",
        )


def _silent_tests(record: Record, settlement: Settlement) -> Iterable[HeldBack]:
    heard = {one.line.test for one in settlement.observed}
    silent = [test for test in record.collected if test not in heard]
    if silent:
        shown = ", ".join(one_line(test, 120) for test in silent[:_MANY])
        more = f" and {len(silent) - _MANY} more" if len(silent) > _MANY else ""
        yield HeldBack(HoldBackKind.MISSING_LINE, f"{len(silent)} collected tests left no evidence: {shown}{more}")


def _numbers(seqs: Sequence[int]) -> str:
    return ", ".join(str(seq) for seq in seqs[:_MANY]) + (", …" if len(seqs) > _MANY else "")
