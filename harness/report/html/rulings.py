"""Criteria as the page shows them: the ruling, beside it the demand drawn to scale, and the way to its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from harness.model import Criterion, Evidence, Ruling, Status
from harness.report.findings import STATUS_WORDS, first_text, texts
from harness.report.html.interval import interval_figure
from harness.report.html.lines import TROUBLE
from harness.report.sources import RunFiles
from harness.report.text import one_line, plain

_LINKS = 12
_QUOTES = ". First: "
"""Between the judge's own words and those of the first observation."""
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
    first: First | None
    waiver: WaiverView | None


@dataclass(frozen=True, slots=True)
class Area:
    """Criteria of one area."""

    name: str
    rulings: tuple[RulingView, ...]


def ruling_views(run: RunFiles) -> Mapping[str, RulingView]:
    """All criteria of the verdict by id."""
    if run.verdict is None:
        return {}
    lines = {line.seq: line for line in run.evidence}
    criteria = {each.id: each for each in run.policy.criteria} if run.policy is not None else {}
    return {each.id: _view(each, criteria.get(each.id), lines) for each in run.verdict.criteria}


def areas(views: Sequence[RulingView]) -> tuple[Area, ...]:
    """Criteria by area, areas by name."""
    ordered = sorted(views, key=lambda view: view.area)
    return tuple(Area(name, tuple(group)) for name, group in groupby(ordered, key=lambda view: view.area))


def _view(ruling: Ruling, criterion: Criterion | None, lines: Mapping[int, Evidence]) -> RulingView:
    demand = criterion.demand if criterion is not None else None
    figure = None
    if ruling.interval is not None and demand is not None:
        figure = interval_figure(ruling.interval, demand, _value(ruling, demand.stat, lines))
    reason, said = _reason(ruling)
    shown = _worst_first(ruling.evidence, lines)
    trouble = [seq for seq in shown if seq in lines and lines[seq].outcome in TROUBLE]
    links = tuple(trouble or shown)[:_LINKS]
    first = _first(lines[trouble[0]]) if trouble else None
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
        figure=figure,
        n=ruling.n,
        reason=reason,
        said=_own_words(first.message) if said and first is not None else said,
        links=links,
        more_links=len(shown) - len(links),
        first=first,
        waiver=_waiver(ruling),
    )


def _reason(ruling: Ruling) -> tuple[str, str]:
    """The judge's words, and what they quote. A waived ruling's quotation stands inside its words and stays there."""
    text = plain(ruling.reason, 1_200)
    words, quotes, said = text.partition(_QUOTES)
    return (f"{words}.", said) if quotes and ruling.waiver is None else (text, "")


def _own_words(message: str) -> str:
    """A failed assertion's own message where it has one, without pytest's account of the expression."""
    own, _, _ = message.removeprefix("AssertionError: ").partition("\nassert ")
    return one_line(own, 400)


def _value(ruling: Ruling, statistic: str, lines: Mapping[int, Evidence]) -> float | None:
    """The measured value of the interval in the ruling, where exactly one line carries both."""
    values = [
        line.value
        for seq in ruling.evidence
        if (line := lines.get(seq)) is not None
        and line.detail.get("statistic") == statistic
        and line.detail.get("interval") == list(ruling.interval or ())
    ]
    return values[0] if len(values) == 1 else None


def _worst_first(numbers: Sequence[int], lines: Mapping[int, Evidence]) -> tuple[int, ...]:
    def rank(seq: int) -> tuple[int, int]:
        line = lines.get(seq)
        return (TROUBLE.index(line.outcome) if line is not None and line.outcome in TROUBLE else len(TROUBLE), seq)

    return tuple(sorted(numbers, key=rank))


def _first(line: Evidence) -> First | None:
    message = plain(first_text(line, "message", "reason"), 2_000)
    curl = tuple(plain(text, 2_000) for text in texts(line, "curl")[-1:])
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
