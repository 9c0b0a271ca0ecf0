"""First stage: of everything that was observed, what is ruled on, and by which criterion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model import RED, Criterion, Evidence, Outcome, last_attempt, worst


@dataclass(frozen=True, slots=True)
class FinalOutcome:
    """One observation as it is ruled on: the deciding line, its outcome after retries, and all lines behind it."""

    line: Evidence
    outcome: Outcome
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FinalAttempts:
    """All observations after retries; `lost` are failed attempts whose repetition left no line."""

    outcomes: tuple[FinalOutcome, ...]
    lost: tuple[Evidence, ...]


def final_attempts(evidence: Iterable[Evidence]) -> FinalAttempts:
    """Of the lines of one (test, check, subject) only the last attempt is ruled on; measured ones also go by statistic.

    Where one attempt left several lines (a test that passed and whose teardown failed), the worst is its outcome.
    """
    groups: dict[tuple[object, ...], list[Evidence]] = {}
    for line in sorted(evidence, key=lambda line: line.seq):
        groups.setdefault(line.attempt_of, []).append(line)
    outcomes: list[FinalOutcome] = []
    lost: list[Evidence] = []
    for lines in groups.values():
        if not lines[-1].superseded:
            outcomes += _of_last_attempt(lines)
        elif lines[-1].outcome in RED:
            lost.append(lines[-1])
    outcomes.sort(key=lambda final: final.line.seq)
    return FinalAttempts(outcomes=tuple(outcomes), lost=tuple(lost))


def select(criterion: Criterion, outcomes: Iterable[FinalOutcome]) -> tuple[FinalOutcome, ...]:
    """What the criterion looks at, whatever others look at."""
    return tuple(final for final in outcomes if criterion.select.matches(final.line))


def select_all(criteria: Sequence[Criterion], outcomes: Sequence[FinalOutcome]) -> tuple[tuple[FinalOutcome, ...], ...]:
    """What each criterion looks at, in their order; those over the rest look at what all others leave."""
    firsts = [criterion.select for criterion in criteria if not criterion.select.rest]
    left = [final for final in outcomes if not any(each.matches(final.line) for each in firsts)]
    return tuple(select(criterion, left if criterion.select.rest else outcomes) for criterion in criteria)


def _of_last_attempt(lines: Sequence[Evidence]) -> tuple[FinalOutcome, ...]:
    final = last_attempt(lines)
    if lines[-1].outcome is Outcome.MEASURED:
        return tuple(FinalOutcome(line=line, outcome=line.outcome, seqs=(line.seq,)) for line in final)
    deciding = worst(final)
    outcome = deciding.outcome
    if outcome not in RED and any(line.outcome in RED for line in lines if line not in final):
        outcome = Outcome.FLAKY
    return (FinalOutcome(line=deciding, outcome=outcome, seqs=tuple(line.seq for line in lines)),)
