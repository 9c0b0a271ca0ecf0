"""Rollbacks that were drilled: a row a level, its steps drawn after one another on one scale of seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from harness.model import Evidence, Outcome
from harness.report.html.svg import Scale, element, figure
from harness.report.text import number, one_line

_WIDTH, _HEIGHT = 420.0, 34.0
_FIGURES = ("noticed", "recovered", "failed", "down", "rpo")


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


def rollback_figure(row: RollbackRow, rows: Sequence[RollbackRow]) -> Markup:
    """One level's steps, each a bar that begins where the one before ended."""
    scale = Scale(0.0, max(each.seconds for each in rows) or 1.0, 0.0, _WIDTH)
    parts: list[Markup] = []
    begun = 0.0
    for place, (step, took) in enumerate(row.steps):
        start, stop = scale(begun), scale(begun + took)
        told = element("title", f"{step}: {number(took)} s")
        parts.append(
            element(
                "rect",
                told,
                x=start,
                y=4,
                width=max(1.0, stop - start),
                height=_HEIGHT - 8,
                class_="f-noise" if place % 2 else "f-bar",
            )
        )
        begun += took
    words = ", ".join(f"{step} {number(took)} s" for step, took in row.steps)
    return figure(_WIDTH, _HEIGHT, f"rollback of level {row.level}: {words}", *parts, class_="ratio")
