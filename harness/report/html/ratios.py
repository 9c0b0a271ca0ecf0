"""Cached against uncached: a row a path, its ratio with interval, the noise beside it and the demand, on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.model import Evidence, Outcome, Threshold
from harness.report.html.svg import Scale, element, figure, log_ticks
from harness.report.text import number, one_line, signs

CHECK, CONTROL = "cache.ratio", "cache.noise"

_WIDTH, _HEIGHT = 420.0, 60.0
_ROOM = 74.0
"""Pixels that a labelled mark of the scale keeps free on either side."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measured ratio with its interval; under 1 is quicker with the cache."""

    value: float
    low: float
    high: float
    n: int
    method: str
    line: int
    medians: str
    """The two medians in words, where the line tells them."""


@dataclass(frozen=True, slots=True)
class RatioRow:
    """What was measured of one path: with the cache against without, and the same thing against itself."""

    subject: str
    ratio: Ratio | None
    noise: Ratio | None

    @property
    def words(self) -> str:
        """The ratio as a release manager says it, as far as its interval carries."""
        if self.ratio is None:
            return "only the control was measured"
        low, high = self.ratio.low, self.ratio.high
        if high < 1:
            return f"{number(1 / high, 2)} to {number(1 / low, 2)} times as fast with the cache"
        if low > 1:
            return f"{number(low, 2)} to {number(high, 2)} times as slow with the cache"
        return "no difference was shown"


def ratio_rows(evidence: Sequence[Evidence]) -> tuple[RatioRow, ...]:
    """A row a path, by name. Lines without a usable interval have nothing to draw; they stand under evidence."""
    found: dict[str, dict[str, Ratio]] = {}
    for line in evidence:
        ratio = _ratio(line)
        if ratio is not None:
            found.setdefault(one_line(line.subject, 120), {})[line.check] = ratio
    return tuple(RatioRow(subject, ratios.get(CHECK), ratios.get(CONTROL)) for subject, ratios in sorted(found.items()))


def _ratio(line: Evidence) -> Ratio | None:
    interval = line.interval
    if line.check not in {CHECK, CONTROL} or line.outcome is not Outcome.MEASURED or line.superseded:
        return None
    if interval is None or line.value is None or not 0 < interval[0] <= line.value <= interval[1]:
        return None
    return Ratio(line.value, *interval, line.n, one_line(line.method, 160), line.seq, _medians(line))


def _medians(line: Evidence) -> str:
    match line.medians_ms:
        case {"cached": cached, "uncached": uncached}:
            return f"{number(cached)} ms with, {number(uncached)} ms without"
    return ""


def ratio_scale(rows: Sequence[RatioRow], demand: Threshold | None) -> Scale:
    """One logarithmic scale for all rows; it always holds 1, "no difference"."""
    ratios = [each for row in rows for each in (row.ratio, row.noise) if each is not None]
    values = [edge for each in ratios for edge in (each.low, each.high)]
    if demand is not None and demand.value > 0:
        values.append(demand.value)
    low, high = min(1.0, *values), max(1.0, *values)
    room = 0.08 * math.log10(high / low) or 0.05
    return Scale(low / 10**room, high * 10**room, 0.0, _WIDTH, log=True)


def ratio_figure(row: RatioRow, scale: Scale, demand: Threshold | None) -> Markup:
    """One row's drawing. Rows stand on each other, so the lines of "no difference" and of the demand run through."""
    middle = _HEIGHT / 2
    parts: list[Markup] = []
    label = row.subject
    if demand is not None:
        limit = scale(demand.value)
        accepted = (scale.start, limit) if demand.op in {"<", "<="} else (limit, scale.stop)
        parts.append(
            element("rect", x=accepted[0], y=0, width=accepted[1] - accepted[0], height=_HEIGHT, class_="f-ok")
        )
    if row.noise is not None:
        start, stop = scale(row.noise.low), scale(row.noise.high)
        parts.append(element("rect", x=start, y=0, width=max(2.0, stop - start), height=_HEIGHT, class_="f-noise"))
        label += f"; noise {number(row.noise.low)} to {number(row.noise.high)}"
    parts.append(_upright(scale(1.0), "f-axis"))
    if demand is not None:
        parts.append(_upright(scale(demand.value), "f-limit"))
    if row.ratio is not None:
        start, stop = scale(row.ratio.low), scale(row.ratio.high)
        parts += [
            element("rect", x=start, y=middle - 3, width=max(3.0, stop - start), height=6, rx=3, class_="f-bar"),
            element("circle", cx=scale(row.ratio.value), cy=middle, r=5, class_="f-dot"),
        ]
        label += f": ratio {number(row.ratio.value)}, {number(row.ratio.low)} to {number(row.ratio.high)}"
    return figure(_WIDTH, _HEIGHT, label, *parts, class_="ratio")


def ratio_axis(scale: Scale, demand: Threshold | None) -> Markup:
    """The scale under the rows: "no difference", the demand, and round values where there is room for them."""
    marks = [(1.0, "1, no difference")]
    if demand is not None:
        marks.append((demand.value, f"must be {signs(demand.op)} {number(demand.value)}"))
    taken = [scale(value) for value, _ in marks]
    parts = [
        element("text", number(value), x=scale(value), y=13, text_anchor="middle", class_="f-text")
        for value in log_ticks(scale.low, scale.high)
        if all(abs(scale(value) - at) > _ROOM for at in taken)
    ]
    for order, (value, words) in enumerate(marks):
        at = scale(value)
        anchor = "end" if at > _WIDTH * 0.8 else "start" if at < _WIDTH * 0.2 else "middle"
        parts.append(element("text", words, x=at, y=13 + 16 * order, text_anchor=anchor, class_="f-text"))
    return figure(_WIDTH, 34.0, "scale of the ratios", *parts, class_="ratio")


def _upright(at: float, style: str) -> Markup:
    return element("line", x1=at, x2=at, y1=0, y2=_HEIGHT, class_=style)
