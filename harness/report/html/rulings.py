"""Criteria as the page shows them: the ruling, beside it the demand drawn to scale, and the way to its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from harness.model import Criterion, Evidence, Interval, Ruling, Status, Threshold
from harness.model.quoting import own_words
from harness.report.findings import STATUS_WORDS
from harness.report.html.found import FindingView
from harness.report.html.lines import TROUBLE
from harness.report.html.svg import Scale, element, figure
from harness.report.sources import RunFiles
from harness.report.text import number, one_line, plain

_LINKS = 12
_FINDINGS = 5
_FIGURE_WIDTH, _FIGURE_HEIGHT = 240.0, 44.0
_MIDDLE = 15.0
_ICONS = {status: status.value.replace("_", "-") for status in Status}


@dataclass(frozen=True, slots=True)
class WaiverView:
    """Who waived what until when."""

    owner: str
    reason: str
    expires: str
    link: str
    """An address to open, or a text that is none."""
    is_address: bool


@dataclass(frozen=True, slots=True)
class First:
    """What the first line that went wrong says, and how to repeat its request."""

    message: str
    curl: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulingView:
    """One criterion, ready to print."""

    id: str
    anchor: str
    area: str
    status: str
    icon: str
    required: bool
    requires: str
    measured: str
    threshold: str
    figure: Markup | None
    n: int
    reason: str
    said: str
    """What the first observation behind the reason said for itself, where the reason quotes it."""
    links: tuple[int, ...]
    more_links: int
    findings: tuple[FindingView, ...]
    more_findings: int
    first: First | None
    """Where no finding says it: a flake."""
    waiver: WaiverView | None


@dataclass(frozen=True, slots=True)
class Area:
    """Criteria of one area."""

    name: str
    rulings: tuple[RulingView, ...]


def ruling_views(run: RunFiles, found: Mapping[int, FindingView]) -> Mapping[str, RulingView]:
    """All criteria of the verdict by id; `found` are the findings, by line."""
    if run.verdict is None:
        return {}
    lines = {line.seq: line for line in run.evidence}
    criteria = {each.id: each for each in run.policy.criteria} if run.policy is not None else {}
    return {each.id: _view(each, criteria.get(each.id), lines, found) for each in run.verdict.criteria}


def areas(views: Sequence[RulingView]) -> tuple[Area, ...]:
    """Criteria by area, areas by name."""
    ordered = sorted(views, key=lambda view: view.area)
    return tuple(Area(name, tuple(group)) for name, group in groupby(ordered, key=lambda view: view.area))


def _view(
    ruling: Ruling, criterion: Criterion | None, lines: Mapping[int, Evidence], found: Mapping[int, FindingView]
) -> RulingView:
    reason, said = _reason(ruling, lines)
    shown = _worst_first(ruling.evidence, lines)
    trouble = [seq for seq in shown if seq in lines and lines[seq].outcome in TROUBLE]
    links = tuple(trouble or shown)[:_LINKS]
    findings = tuple({found[seq].anchor: found[seq] for seq in trouble if seq in found}.values())
    first = _first(lines[trouble[0]]) if trouble and not findings else None
    return RulingView(
        id=one_line(ruling.id, 120),
        anchor=f"c-{ruling.id}",
        area=one_line(ruling.area, 60),
        status=STATUS_WORDS[ruling.status],
        icon=_ICONS[ruling.status],
        required=ruling.required,
        requires=plain(ruling.requires, 600),
        measured=one_line(ruling.measured, 400),
        threshold=one_line(ruling.threshold, 200),
        figure=_figure(ruling, criterion, lines),
        n=ruling.n,
        reason=plain(reason, 1_200),
        said=one_line(said, 400),
        links=links,
        more_links=len(shown) - len(links),
        findings=findings[:_FINDINGS],
        more_findings=max(0, len(findings) - _FINDINGS),
        first=first,
        waiver=_waiver(ruling),
    )


def _reason(ruling: Ruling, lines: Mapping[int, Evidence]) -> tuple[str, str]:
    """The reason in our own words, and what the first observation behind it says, where the reason quotes that."""
    quoted = lines.get(ruling.first) if ruling.first is not None and ruling.waiver is None else None
    return (ruling.reason, "") if quoted is None else (f"{own_words(ruling, quoted)}.", quoted.says)


def _figure(ruling: Ruling, criterion: Criterion | None, lines: Mapping[int, Evidence]) -> Markup | None:
    demand = criterion.demand if criterion is not None else None
    if ruling.interval is None or demand is None:
        return None
    return _interval_figure(ruling.interval, demand, _value(ruling, demand.stat, lines))


def _value(ruling: Ruling, statistic: str, lines: Mapping[int, Evidence]) -> float | None:
    """The measured value of the interval in the ruling, where exactly one line carries both."""
    values = [
        line.value
        for seq in ruling.evidence
        if (line := lines.get(seq)) is not None and line.statistic == statistic and line.interval == ruling.interval
    ]
    return values[0] if len(values) == 1 else None


def _worst_first(numbers: Sequence[int], lines: Mapping[int, Evidence]) -> tuple[int, ...]:
    def rank(seq: int) -> tuple[int, int]:
        line = lines.get(seq)
        return (TROUBLE.index(line.outcome) if line is not None and line.outcome in TROUBLE else len(TROUBLE), seq)

    return tuple(sorted(numbers, key=rank))


def _first(line: Evidence) -> First | None:
    message = plain(line.says, 2_000)
    curl = tuple(plain(text, 2_000) for text in line.curl[-1:])
    return First(message, curl) if message or curl else None


def _waiver(ruling: Ruling) -> WaiverView | None:
    waiver = ruling.waiver
    if waiver is None:
        return None
    link = one_line(waiver.link, 400)
    return WaiverView(
        owner=one_line(waiver.owner, 120),
        reason=plain(waiver.reason, 800),
        expires=one_line(waiver.expires, 40),
        link=link,
        is_address=link.startswith(("https://", "http://")),
    )


def _interval_figure(interval: Interval, demand: Threshold, value: float | None) -> Markup:
    """The accepted side is shaded, the threshold is a line, the interval a bar and the value a dot."""
    low, high = interval
    scale = _scale(low, high, demand.value)
    limit = scale(demand.value)
    start, stop = scale(low), scale(high)
    upwards = demand.op in {">", ">="}
    accepted = (limit, _FIGURE_WIDTH) if upwards else (0.0, limit)
    label = (
        f"interval {number(low)} to {number(high)}, demanded {demand.op} {number(demand.value)} {demand.unit}".strip()
    )
    parts = [element("rect", x=0, y=4, width=_FIGURE_WIDTH, height=22, rx=3, class_="f-track")]
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
    return figure(_FIGURE_WIDTH, _FIGURE_HEIGHT, label, *parts, class_="interval")


def _scale(low: float, high: float, limit: float) -> Scale:
    """The range holds interval and threshold with room beside both; it begins at 0 where that is near."""
    least, most = min(low, limit), max(high, limit)
    span = (most - least) or abs(most) or 1.0
    start = least - 0.15 * span
    if least >= 0 and start < 0.35 * most:
        start = 0.0
    return Scale(start, most + 0.15 * span, 0.0, _FIGURE_WIDTH)


def _caption(at: float, words: str) -> Markup:
    anchor = "start" if at < 40 else "end" if at > _FIGURE_WIDTH - 40 else "middle"
    return element("text", words, x=min(_FIGURE_WIDTH, max(0.0, at)), y=42, text_anchor=anchor, class_="f-text")
