"""The preflight table and the System Readiness Score, as preflight recorded them: the page computes no score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import Evidence
from harness.report.text import amount, one_line, seconds

SCORE_CHECK = "preflight.score"


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """One readiness check."""

    check: str
    subject: str
    outcome: str
    value: str
    took: str
    says: str
    remedy: str
    seq: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """All of preflight; `score` is None where none was recorded."""

    rows: tuple[PreflightRow, ...]
    score: float | None
    score_says: str


def preflight_part(evidence: Sequence[Evidence]) -> Preflight:
    """What the lines of suite `preflight` say."""
    lines = [line for line in evidence if line.suite == "preflight" and not line.superseded]
    score = next((line for line in reversed(lines) if line.check == SCORE_CHECK), None)
    return Preflight(
        rows=tuple(_row(line) for line in lines if line.check != SCORE_CHECK),
        score=score.value if score is not None else None,
        score_says=one_line(score.says, 400) if score is not None else "",
    )


def _row(line: Evidence) -> PreflightRow:
    return PreflightRow(
        check=one_line(line.title or line.check.removeprefix("preflight."), 80),
        subject=one_line(line.subject, 200),
        outcome=line.outcome.value,
        value="" if line.value is None else amount(line.value, one_line(line.unit, 20)),
        took=seconds(line.seconds) if line.seconds is not None else "",
        says=one_line(line.says, 400),
        remedy=one_line(line.remedy, 400),
        seq=line.seq,
    )
