"""What a watch tells while it runs, to whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model import AlertSeverity, ProgressEvent, WatchRules
from harness.watch.burn import ALL, Series
from harness.watch.core import Watcher
from harness.watch.delivery import AlertMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStatus:
    """One objective at one place. Burn rates are of the rule that begins an alert first; None without data."""

    slo: str
    subject: str
    total: int
    bad: int
    long_burn: float | None
    short_burn: float | None
    budget_used: float | None
    state: Literal["no data", "well", "burning", "ticket", "page"]
    """`burning` is not told yet: the window has not passed, or the events are too few to be sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureStatus:
    """A figure as it was last; None for no data."""

    name: str
    value: float | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus:
    """How things stand."""

    at: str
    seconds: float
    answers: int
    refused: int
    series: tuple[SeriesStatus, ...]
    figures: tuple[FigureStatus, ...]
    alerts: dict[str, AlertSeverity]
    undelivered: int
    peak_rps: float | None


@dataclass(frozen=True, slots=True)
class WatchAdvanced(ProgressEvent):
    """A few seconds more."""

    status: WatchStatus


@dataclass(frozen=True, slots=True)
class WatchBegan(ProgressEvent):
    """The watch of a service began, or its paths became known."""

    target: str
    url: str
    paths: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class AlertTold(ProgressEvent):
    """An alert began, got worse or better, or ended."""

    message: AlertMessage


def series_status(watcher: Watcher, rules: WatchRules, now: float) -> tuple[SeriesStatus, ...]:
    """All objectives at all places, each objective's whole first."""
    first = max(rules.burn, key=lambda rule: rule.burn)
    found: list[SeriesStatus] = []
    for (name, subject), series in sorted(
        watcher.rates.series.items(), key=lambda pair: (pair[0][0], pair[0][1] != ALL, pair[0][1])
    ):
        long, short = watcher.rates.burns(series, first, now)
        found.append(
            SeriesStatus(
                slo=name,
                subject=subject,
                total=series.total,
                bad=series.bad,
                long_burn=long,
                short_burn=short,
                budget_used=watcher.rates.budget_used(series, now),
                state=_state(watcher, series, None if long is None or short is None else min(long, short)),
            )
        )
    return tuple(found)


def _state(
    watcher: Watcher, series: Series, burn: float | None
) -> Literal["no data", "well", "burning", "ticket", "page"]:
    alert = watcher.book.open.get(series.slo.name)
    if alert is not None and series.subject in alert.active:
        return alert.severity
    if burn is None:
        return "no data"
    return "burning" if burn >= 1 else "well"
