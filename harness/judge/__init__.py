"""The judge: evidence and a policy in, a verdict out. Pure: no file, no clock, no environment.

Its stages are select, rule, waive and decide; each can be read and tested alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.decide import decide, held_back, score, waive
from harness.judge.rule import rule, ruling
from harness.judge.select import FinalOutcome, final_attempts, select_all
from harness.judge.todo import things_to_do
from harness.model import Criterion, Policy, Record, Ruling, Status, Verdict, Waiver
from harness.model.quoting import one_line
from harness.model.verdict_record import verdict_document

__all__ = ["judge", "verdict_document"]


def judge(policy: Policy, waivers: Sequence[Waiver], record: Record) -> Verdict:
    """Rule on a run: every criterion that exists for its target, then the run as a whole."""
    criteria = tuple(one for one in policy.criteria if one.target in (None, record.target))
    attempts = final_attempts(record.evidence)
    rulings: list[Ruling] = []
    claimed = select_all(criteria, attempts.outcomes)
    for criterion, selected in zip(criteria, claimed, strict=True):
        found = _rule(criterion, selected, record, policy)
        rulings.append(waive(found, criterion, waivers, target=record.target, end=record.end))
    demanding = [one for one, found in zip(criteria, rulings, strict=True) if not found.unlock]
    seen = {one.line.seq for selected in claimed for one in selected}
    against = held_back(record, policy, demanding, attempts, seen)
    return Verdict(
        schema=1,
        run=record.run,
        target=record.target,
        policy=policy.name,
        verdict=decide(rulings, against),
        score=score(rulings),
        build=record.build,
        criteria=tuple(rulings),
        held_back=against,
        evidence_sha256=record.integrity.evidence_sha256,
        todo=things_to_do(criteria, rulings, claimed),
    )


def _rule(criterion: Criterion, selected: Sequence[FinalOutcome], record: Record, policy: Policy) -> Ruling:
    try:
        return rule(criterion, selected, absent=record.absent, max_flaky=policy.max_flaky)
    except Exception as error:  # noqa: BLE001 - a criterion that crashes proves nothing, and stays in the score
        what = f"the criterion could not be applied: {type(error).__name__}: {one_line(error)}"
        return ruling(criterion, Status.INCONCLUSIVE, what, n=len(selected))
