"""Cached against uncached: a row a path, its ratio with interval, the noise floor and the demand, on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.model import Evidence, Outcome, Threshold
from harness.report.findings import first_text, interval_of
from harness.report.html.svg import Scale, element, figure, log_ticks
from harness.report.sources import is_superseded
from harness.report.text import number, one_line

CHECK, CONTROL = "cache.ratio", "cache.noise"

_WIDTH = 420.0


@dataclass(frozen=True, slots=True)
class RatioRow:
    """One measured ratio candidate/base: under 1 is quicker with the cache."""

    subject: str
    value: float
    low: float
    high: float
    n: int
    method: str
    line: int
    control: bool

    @property
    def words(self) -> str:
        """The ratio as a release manager says it, as far as its interval carries."""
        if self.control:
            return "the same thing twice: only noise"
        if self.high < 1 and self.low > 0:
            return f"{number(1 / self.high, 2)} to {number(1 / self.low, 2)} times as fast with the cache"
        if self.low > 1:
            return f"{number(self.low, 2)} to {number(self.high, 2)} times as slow with the cache"
        return "no difference was shown"


def ratio_rows(evidence: Sequence[Evidence]) -> tuple[RatioRow, ...]:
    """Measured ratios with an interval, then the A/A controls; other lines have nothing to draw."""
    rows = []
    for line in evidence:
        interval = interval_of(line)
        if line.check not in {CHECK, CONTROL} or line.outcome is not Outcome.MEASURED or is_superseded(line):
            continue
        if interval is None or line.value is None or not 0 < interval[0] <= line.value <= interval[1]:
            continue
        rows.append(
            RatioRow(
                subject=one_line(line.subject, 120),
                value=line.value,
                low=interval[0],
                high=interval[1],
                n=line.n,
                method=one_line(first_text(line, "method"), 160),
                line=line.seq,
                control=line.check == CONTROL,
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.control, row.subject)))


def ratio_scale(rows: Sequence[RatioRow], demand: Threshold | None) -> Scale:
    """One logarithmic scale for all rows; it always holds 1, "no difference"."""
    values = [edge for row in rows for edge in (row.low, row.high)] + ([demand.value] if demand else [])
    low, high = min(1.0, *values), max(1.0, *values)
    room = max(0.06, 0.06 * math.log10(high / low))
    return Scale(low / 10**room, high * 10**room, 4.0, _WIDTH - 4.0, log=True)


def ratio_figure(row: RatioRow, scale: Scale, demand: Threshold | None) -> Markup:
    """One row's drawing; rows stand under each other, so lines of 1 and of the demand run through."""
    height, middle = 36.0, 18.0
    parts = [element("line", x1=scale(1.0), x2=scale(1.0), y1=0, y2=height, class_="f-axis")]
    if demand is not None:
        limit = scale(demand.value)
        accepted = (scale.start, limit) if demand.op in {"<", "<="} else (limit, scale.stop)
        parts += [
            element(
                "rect", x=accepted[0], y=0, width=max(0.0, accepted[1] - accepted[0]), height=height, class_="f-ok"
            ),
            element("line", x1=limit, x2=limit, y1=0, y2=height, class_="f-limit"),
        ]
    start, stop = scale(row.low), scale(row.high)
    style = "f-control" if row.control else "f-bar"
    parts += [
        element("rect", x=start, y=middle - 3, width=max(3.0, stop - start), height=6, rx=3, class_=style),
        element("circle", cx=scale(row.value), cy=middle, r=4.5, class_="f-hollow" if row.control else "f-dot"),
    ]
    label = f"{row.subject}: ratio {number(row.value)}, interval {number(row.low)} to {number(row.high)}"
    return figure(_WIDTH, height, label, *parts, class_="ratio")


def ratio_axis(scale: Scale, demand: Threshold | None) -> Markup:
    """The scale under the rows."""
    values = [value for value in log_ticks(scale.low, scale.high) if value != 1]
    marks = [(1.0, "1 = no difference")] + (
        [(demand.value, f"must be {demand.op} {number(demand.value)}")] if demand else []
    )
    taken = [scale(value) for value, _ in marks]
    parts = [
        element("text", number(value), x=scale(value), y=12, text_anchor="middle", class_="f-text")
        for value in values
        if all(abs(scale(value) - at) > 66 for at in taken)
    ]
    for order, (value, words) in enumerate(marks):
        at = scale(value)
        anchor = "end" if at > _WIDTH * 0.75 else "start" if at < _WIDTH * 0.25 else "middle"
        parts.append(element("text", words, x=at, y=12 + 15 * order, text_anchor=anchor, class_="f-text"))
    return figure(_WIDTH, 32.0, "scale of the ratios", *parts, class_="ratio")
