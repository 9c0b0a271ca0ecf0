"""First stage: of everything that was observed, what is ruled on, and by which criterion (DESIGN 4.2, 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.model import Criterion, Evidence, Outcome

RED = frozenset({Outcome.FAIL, Outcome.ERROR})
_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.SKIP, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class Settled:
    """One observation as it is ruled on: the deciding line, its outcome after retries, and all lines behind it."""

    line: Evidence
    outcome: Outcome
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """All observations after retries; `lost` are failed attempts whose repetition left no line."""

    observed: tuple[Settled, ...]
    lost: tuple[Evidence, ...]


def settle(evidence: Iterable[Evidence]) -> Settlement:
    """Of the lines of one (test, check, subject) only the last is ruled on; measured lines also go by statistic.

    Lines without a test were not attempts of anything: each stands for itself. Where one attempt left several lines
    (a test that passed and whose teardown failed), the worst of them is its outcome.
    """
    groups: dict[tuple[object, ...], list[Evidence]] = {}
    for line in sorted(evidence, key=lambda line: line.seq):
        groups.setdefault(_group(line), []).append(line)
    observed: list[Settled] = []
    lost: list[Evidence] = []
    for lines in groups.values():
        if not _superseded(lines[-1]):
            observed += _last_attempt(lines)
        elif lines[-1].outcome in RED:
            lost.append(lines[-1])
    observed.sort(key=lambda settled: settled.line.seq)
    return Settlement(observed=tuple(observed), lost=tuple(lost))


def select(criterion: Criterion, observed: Iterable[Settled]) -> tuple[Settled, ...]:
    """What the criterion looks at."""
    wanted = criterion.select
    return tuple(
        settled
        for settled in observed
        if (wanted.suite is None or settled.line.suite == wanted.suite)
        and (wanted.subject is None or fnmatchcase(settled.line.subject, wanted.subject))
        and any(fnmatchcase(settled.line.check, pattern) for pattern in wanted.checks)
    )


def _group(line: Evidence) -> tuple[object, ...]:
    if line.test is None:
        return (line.seq,)
    if line.outcome is Outcome.MEASURED:
        return (line.test, line.check, line.subject, str(line.detail.get("statistic")))
    return (line.test, line.check, line.subject)


def _superseded(line: Evidence) -> bool:
    return line.detail.get("superseded") is True


def _last_attempt(lines: Sequence[Evidence]) -> tuple[Settled, ...]:
    last = lines[-1]
    attempt = last.detail.get("attempt")
    final = [
        line
        for line in lines
        if line is last or (attempt is not None and line.detail.get("attempt") == attempt and not _superseded(line))
    ]
    if last.outcome is Outcome.MEASURED:
        return tuple(Settled(line=line, outcome=line.outcome, seqs=(line.seq,)) for line in final)
    worst = min(final, key=lambda line: _WORST_FIRST.index(line.outcome))
    earlier = [line for line in lines if line not in final]
    outcome = worst.outcome
    if outcome not in RED and any(line.outcome in RED for line in earlier):
        outcome = Outcome.FLAKY
    return (Settled(line=worst, outcome=outcome, seqs=tuple(line.seq for line in lines)),)
