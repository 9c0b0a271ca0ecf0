"""Where the time went: each phase of the run as a bar that begins where the one before it ended."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.model import RunRecord
from harness.report.html.svg import Scale, element, figure
from harness.report.text import one_line, seconds


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase."""

    name: str
    took: str
    waited: str
    share: float
    figure: Markup


def phase_rows(facts: RunRecord) -> tuple[PhaseRow, ...]:
    """All phases in their order."""
    phases = [phase for phase in facts.phases if phase.seconds >= 0]
    total = sum(phase.seconds for phase in phases)
    if total <= 0:
        return ()
    scale = Scale(0.0, total, 0.0, 600.0)
    rows, begun = [], 0.0
    for phase in phases:
        name = one_line(phase.name, 80)
        waited = min(max(0.0, phase.waited), phase.seconds)
        ended = begun + phase.seconds
        rows.append(
            PhaseRow(
                name=name,
                took=seconds(phase.seconds),
                waited=seconds(waited) if waited else "",
                share=phase.seconds / total,
                figure=figure(
                    600.0,
                    14.0,
                    f"{name}: {seconds(phase.seconds)} of {seconds(total)}",
                    element("rect", x=0, y=6.5, width=600, height=1, class_="f-grid-fill"),
                    element(
                        "rect",
                        x=scale(begun),
                        y=1,
                        width=max(2.0, scale(ended) - scale(begun)),
                        height=12,
                        rx=2,
                        class_="f-phase",
                    ),
                    element(
                        "rect",
                        x=scale(begun),
                        y=1,
                        width=scale(begun + waited) - scale(begun),
                        height=12,
                        class_="f-waited",
                    ),
                    class_="phase",
                ),
            )
        )
        begun = ended
    return tuple(rows)
