"""What failed within a budget: no reason for a NO-GO, and still to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge.select import FinalOutcome
from harness.model import SEVERITIES, Criterion, Evidence, Outcome, Ruling, Status, ToDo
from harness.model.quoting import account


def things_to_do(
    criteria: Sequence[Criterion], rulings: Sequence[Ruling], selected: Sequence[Sequence[FinalOutcome]]
) -> tuple[ToDo, ...]:
    """Each check that a budget tolerated, the gravest first. What fails a required criterion is told there."""
    told = set(_told(criteria, rulings))
    found: dict[str, dict[int, Evidence]] = {}
    for criterion, lines in zip(criteria, selected, strict=True):
        for one in lines if criterion.budget is not None else ():
            if one.outcome is Outcome.FAIL and one.line.seq not in told:
                found.setdefault(one.line.check, {})[one.line.seq] = one.line
    done = [_to_do(tuple(lines.values())) for lines in found.values()]
    return tuple(sorted(done, key=lambda each: (-SEVERITIES.index(each.severity), each.check)))


def _told(criteria: Sequence[Criterion], rulings: Sequence[Ruling]) -> Iterator[int]:
    """The lines of what fails a required criterion."""
    for criterion, ruling in zip(criteria, rulings, strict=True):
        if criterion.budget is None and ruling.required and ruling.status is Status.FAIL:
            yield from ruling.evidence


def _to_do(lines: Sequence[Evidence]) -> ToDo:
    first = lines[0]
    return ToDo(
        check=first.check,
        severity=first.severity,
        subjects=tuple(dict.fromkeys(line.subject for line in lines)),
        message=account(first),
        remedy=first.remedy,
        evidence=tuple(line.seq for line in lines),
    )
