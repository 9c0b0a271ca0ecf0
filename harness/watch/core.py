"""The watch itself: answers and readings in, alerts out. The time is an argument, and never goes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.model import Figure, Slo, WatchRules
from harness.watch.alerts import AlertBook, AlertChange, Condition
from harness.watch.baseline import Baseline, deviations
from harness.watch.burn import ALL, BurnRates, Series
from harness.watch.figures import FigureWatch, Increases, MetricsReading, Selector
from harness.watch.rota import Probe

KEPT = 2000
"""Answers of each path by which its quantiles and deviations are told."""


@dataclass(slots=True)
class PathCounts:
    """What one path answered since this watch began."""

    total: int = 0
    bad: int = 0
    refused: int = 0
    why: str = ""
    """What its last bad answer was,"""
    curl: str = ""
    """and the request as a command."""
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Of the newest good ones, in ms."""
    newest: deque[bool] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Of the newest ones, which were bad."""

    def add(self, probe: Probe, *, is_timed: bool) -> None:
        """Count an answer; the time of one that is not timed says nothing."""
        if probe.outcome == "refused":
            self.refused += 1
            return
        is_bad = probe.outcome == "bad"
        self.total += 1
        self.newest.append(is_bad)
        if is_bad:
            self.bad, self.why, self.curl = self.bad + 1, probe.why, probe.curl
        elif is_timed:
            self.latencies.append(probe.ms)


@dataclass(slots=True, kw_only=True)
class Watcher:
    """Holds one service to its objectives, its figures to their bounds, and its latency to a baseline."""

    rules: WatchRules
    figures: Mapping[str, Figure]
    name_alert: Callable[[], str]
    requests: str = ""
    baseline: Baseline | None = None
    rates: BurnRates = field(init=False)
    book: AlertBook = field(init=False)
    figure_watches: dict[str, FigureWatch] = field(init=False)
    paths: dict[str, PathCounts] = field(default_factory=dict)
    fired: dict[str, str] = field(default_factory=dict)
    """Alerts of this watch, with what was wrong."""
    shown: dict[str, set[str]] = field(default_factory=dict)
    """Alert -> all places where it showed in this watch."""
    peak_rps: float | None = None
    answered: bool = False
    """Has the service given any whole answer?"""
    _served: Increases = field(init=False)

    def __post_init__(self) -> None:
        """Windows are as long as the rules say."""
        hold_s = self.rules.hold_s * self.rules.scale
        self.rates = BurnRates(self.rules)
        self.book = AlertBook(pause_s=hold_s, name=self.name_alert)
        self.figure_watches = {name: FigureWatch(name, figure, hold_s) for name, figure in self.figures.items()}
        self._served = Increases(hold_s)

    def set_paths(self, paths: Iterable[str]) -> None:
        """These are asked from now on. What is asked no more neither burns nor shows an alert."""
        wanted = dict.fromkeys(paths)
        gone = [path for path in self.paths if path not in wanted]
        for path in gone:
            del self.paths[path]
        self.book.forget(gone)
        for key in [key for key in self.rates.series if key[1] not in wanted and key[1] != ALL]:
            del self.rates.series[key]
        for path in wanted:
            self.paths.setdefault(path, PathCounts())

    def answer(self, probe: Probe, *, is_timed: bool = True) -> None:
        """Count an answer. A refusal is no event: there is nothing that was good or bad.

        Where this machine itself stood still an answer that seems slow says nothing; one that is quick does.
        """
        counts = self.paths.get(probe.path)
        if counts is None:
            return
        self.answered = self.answered or probe.answered
        counts.add(probe, is_timed=is_timed)
        if probe.outcome == "refused":
            return
        for slo in self.rules.slo:
            bad = _fails(slo, probe, is_timed=is_timed)
            if bad is not None:
                for subject in (probe.path,) if probe.confirms else (probe.path, ALL):
                    self.rates.add(slo, subject, probe.at, 1, int(bad))

    def read(self, at: float, readings: tuple[tuple[str, MetricsReading], ...]) -> None:
        """Take in what the service tells of itself."""
        for figure in self.figure_watches.values():
            figure.read(at, readings)
        if self.requests:
            selector = Selector.parse(self.requests)
            for place, reading in readings:
                counted = reading.total(selector)
                if counted is not None:
                    self._served.add(at, (place, reading.process), counted, 0.0)
            rate = self._served.rate()
            self.peak_rps = rate if self.peak_rps is None else max(self.peak_rps, rate or 0.0)

    def look(self, now: float, *, final: bool = False) -> tuple[AlertChange, ...]:
        """What there is to tell now. The last time nothing waits for a window to pass."""
        conditions = [
            *self.rates.conditions(now, is_active=self.book.is_active, final=final),
            *(figure.condition(now, final=final) for figure in self.figure_watches.values()),
            *self._deviations(),
        ]
        changes = self.book.update(conditions, now)
        for change in changes:
            if change.event == "fired":
                self.fired[change.alert] = change.text
        for name, alert in self.book.open.items():
            self.shown.setdefault(name, set()).update(alert.active)
            if final:
                # one of an earlier watch that has not ended by now is as much of this one
                self.fired.setdefault(name, alert.text)
        return changes

    def has_shown(self, alert: str, place: str) -> bool:
        """Did an alert of this watch show there?"""
        return alert in self.fired and place in self.shown.get(alert, ())

    def silent(self, now: float) -> Iterator[Series]:
        """Objectives at places from which nothing came for a whole short window: nothing is known of them."""
        shortest = min(rule.short_s for rule in self.rules.burn) * self.rules.scale
        for series in self.rates.series.values():
            if not series.windows[shortest].counts(now).total:
                yield series

    def _deviations(self) -> Iterator[Condition]:
        if self.baseline is not None:
            latencies = {path: tuple(counts.latencies) for path, counts in self.paths.items()}
            counts = {path: (sum(each.newest), len(each.newest)) for path, each in self.paths.items()}
            yield from deviations(self.baseline, latencies, counts, self.rules)


def _fails(slo: Slo, probe: Probe, *, is_timed: bool) -> bool | None:
    """Does the answer miss the objective? None where it says nothing of it."""
    is_bad = probe.outcome == "bad"
    if slo.below_ms is None:
        return is_bad
    is_slow = probe.ms > slo.below_ms
    return None if is_bad or (is_slow and not is_timed) else is_slow
