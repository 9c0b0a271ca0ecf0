"""Rollbacks that were drilled, from a run's evidence: a row a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.model import Evidence, Outcome
from harness.report.text import number, one_line

_FIGURES = ("noticed", "alerted", "recovered", "failed", "down", "rpo")


@dataclass(slots=True)
class RollbackRow:
    """What was measured of one level."""

    level: str
    figures: dict[str, float] = field(default_factory=dict)
    """By the last word of the check: `recovered` and `down` in seconds, `failed` in requests, `rpo` in rows."""
    steps: list[tuple[str, float]] = field(default_factory=list)
    """With their seconds, in the order in which they were done."""
    lines: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(took for _, took in self.steps)

    @property
    def words(self) -> str:
        """How long it took, and what it cost."""
        told = [
            f"{number(self.figures[word])} {unit}"
            for word, unit in (
                ("recovered", "s until recovered"),
                ("failed", "requests failed"),
                ("down", "s without service"),
                ("rpo", "acknowledged rows lost"),
                ("noticed", "s until it was noticed"),
                ("alerted", "s until the alert"),
            )
            if word in self.figures
        ]
        return ", ".join(told)


def rollback_rows(evidence: Sequence[Evidence]) -> tuple[RollbackRow, ...]:
    """A row a level, as they were drilled."""
    rows: dict[str, RollbackRow] = {}
    for line in evidence:
        word = line.check.removeprefix("rollback.")
        if line.outcome is not Outcome.MEASURED or line.superseded or line.value is None:
            continue
        level, _, step = line.subject.partition(" ")
        if word in _FIGURES and word != line.check:
            row = rows.setdefault(level, RollbackRow(one_line(level, 60)))
            row.figures[word] = line.value
            row.lines.append(line.seq)
        elif word == "step" and word != line.check:
            rows.setdefault(level, RollbackRow(one_line(level, 60))).steps.append((one_line(step, 40), line.value))
    return tuple(rows.values())
