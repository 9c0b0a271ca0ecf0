"""A measured interval drawn to scale against what was demanded."""

from __future__ import annotations

from markupsafe import Markup

from harness.model import Threshold
from harness.report.html.svg import Scale, element, figure
from harness.report.text import number

_WIDTH, _HEIGHT = 240.0, 44.0
_MIDDLE = 15.0


def interval_figure(interval: tuple[float, float], demand: Threshold, value: float | None) -> Markup:
    """The accepted side is shaded, the threshold is a line, the interval a bar and the value a dot."""
    low, high = interval
    scale = _scale(low, high, demand.value)
    limit = scale(demand.value)
    start, stop = scale(low), scale(high)
    upwards = demand.op in {">", ">="}
    accepted = (limit, _WIDTH) if upwards else (0.0, limit)
    label = (
        f"interval {number(low)} to {number(high)}, demanded {demand.op} {number(demand.value)} {demand.unit}".strip()
    )
    parts = [element("rect", x=0, y=4, width=_WIDTH, height=22, rx=3, class_="f-track")]
    if demand.op != "==":
        parts.append(
            element(
                "rect", x=accepted[0], y=4, width=max(0.0, accepted[1] - accepted[0]), height=22, rx=3, class_="f-ok"
            )
        )
    parts += [
        element("line", x1=limit, x2=limit, y1=0, y2=30, class_="f-limit"),
        element("rect", x=start, y=_MIDDLE - 3, width=max(3.0, stop - start), height=6, rx=3, class_="f-bar"),
        element("line", x1=start, x2=start, y1=_MIDDLE - 6, y2=_MIDDLE + 6, class_="f-cap"),
        element(
            "line", x1=max(stop, start + 3), x2=max(stop, start + 3), y1=_MIDDLE - 6, y2=_MIDDLE + 6, class_="f-cap"
        ),
    ]
    if value is not None and low <= value <= high:
        parts.append(element("circle", cx=scale(value), cy=_MIDDLE, r=4, class_="f-dot"))
    parts.append(_caption(limit, f"limit {number(demand.value)}"))
    return figure(_WIDTH, _HEIGHT, label, *parts, class_="interval")


def _scale(low: float, high: float, limit: float) -> Scale:
    """The range holds interval and threshold with room beside both; it begins at 0 where that is near."""
    least, most = min(low, limit), max(high, limit)
    span = (most - least) or abs(most) or 1.0
    start = least - 0.15 * span
    if least >= 0 and start < 0.35 * most:
        start = 0.0
    return Scale(start, most + 0.15 * span, 0.0, _WIDTH)


def _caption(at: float, words: str) -> Markup:
    anchor = "start" if at < 40 else "end" if at > _WIDTH - 40 else "middle"
    return element("text", words, x=min(_WIDTH, max(0.0, at)), y=42, text_anchor=anchor, class_="f-text")
