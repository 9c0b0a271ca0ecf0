"""Rollbacks that were drilled: the steps of each level drawn after one another, all on one scale of seconds."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.report.html.svg import Scale, element, figure
from harness.report.rollbacks import RollbackRow
from harness.report.text import number

_WIDTH, _HEIGHT = 420.0, 34.0


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
