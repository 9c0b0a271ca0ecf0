"""Figures that a service tells of itself: read from Prometheus' text format, and held against their bounds."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.config.watch_rules import SAMPLE
from harness.model import Figure
from harness.watch.alerts import Condition

RULE = "bounds"
_FEWEST_READINGS = 3
"""One reading out of bounds is an accident, and so are two."""
_MOST_PROCESSES = 64
_STARTED = "process_start_time_seconds"
_LABEL = re.compile(r'(?<!\w)([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_OPENMETRICS = "application/openmetrics-text"


class UnreadMetricsError(Exception):
    """What was answered is no text in Prometheus' format."""


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """All samples of one place at one moment: name -> labels and value."""

    samples: Mapping[str, tuple[tuple[Mapping[str, str], float], ...]]

    @property
    def process(self) -> float:
        """When the process began that told them; 0 where it does not say. Its counters count from then."""
        return self.total(Selector(_STARTED)) or 0.0

    def total(self, selector: Selector) -> float | None:
        """The sum of the samples that are selected; None if there is none."""
        found = [
            value
            for labels, value in self.samples.get(selector.name, ())
            if selector.labels.items() <= labels.items() and math.isfinite(value)
        ]
        return math.fsum(found) if found else None


@dataclass(frozen=True, slots=True)
class Selector:
    """Samples by name, and by labels where some are given."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Selector:
        """As a profile has it, which was checked when it was read."""
        found = SAMPLE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} names no sample")
        pairs = _LABEL.findall(found["labels"] or "")
        return cls(found["name"], {key: _ESCAPED.sub(_unescaped, value) for key, value in pairs})


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def read_metrics(body: bytes, content_type: str = "") -> MetricsReading:
    """What a body says. Raises `UnreadMetricsError` for one that is no such text, and for one without a sample."""
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as openmetrics

    parse = openmetrics if content_type.startswith(_OPENMETRICS) else parser
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    try:
        for family in parse.text_string_to_metric_families(body.decode("utf-8")):
            for sample in family.samples:
                samples.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
    except Exception as error:
        first = " ".join(body[:60].decode("utf-8", "backslashreplace").split())
        raise UnreadMetricsError(f"no text in the format of Prometheus, it begins with {first!r}") from error
    if not samples:
        raise UnreadMetricsError("no sample is in it")
    return MetricsReading({name: tuple(each) for name, each in samples.items()})


@dataclass(frozen=True, slots=True)
class _Step:
    """By how much the counters of one place grew between two readings."""

    at: float
    place: str
    seconds: float
    counted: float
    over: float


@dataclass(slots=True)
class Increases:
    """What counters grew by over the last while, whichever process of a place answered."""

    seconds: float
    _last: dict[tuple[str, float], tuple[float, float, float]] = field(default_factory=dict)
    """Place and process -> when it was read, and what it counted."""
    _steps: deque[_Step] = field(default_factory=deque)

    def add(self, at: float, source: tuple[str, float], counted: float, over: float) -> None:
        """Take in a reading. One that is below the last is of a counter that began anew: it says nothing yet."""
        before = self._last.pop(source, None)
        self._last[source] = (at, counted, over)
        if len(self._last) > _MOST_PROCESSES:
            self._last.pop(next(iter(self._last)))
        if before is not None and counted >= before[1] and over >= before[2]:
            self._steps.append(_Step(at, source[0], at - before[0], counted - before[1], over - before[2]))
        while self._steps and self._steps[0].at < at - self.seconds:
            self._steps.popleft()

    def share(self) -> float | None:
        """The growth as a share of the other counter's; None where that did not grow."""
        base = math.fsum(step.over for step in self._steps)
        return math.fsum(step.counted for step in self._steps) / base if base > 0 else None

    def rate(self) -> float | None:
        """The growth a second, of all places together; None before there were two readings."""
        grown: dict[str, tuple[float, float]] = {}
        for step in self._steps:
            counted, seconds = grown.get(step.place, (0.0, 0.0))
            grown[step.place] = (counted + step.counted, seconds + step.seconds)
        rates = [counted / seconds for counted, seconds in grown.values() if seconds > 0]
        return math.fsum(rates) if rates else None


@dataclass(slots=True)
class FigureWatch:
    """One figure over time. `hold_s`: for so long it must be out of its bounds, half as long within them again."""

    name: str
    figure: Figure
    hold_s: float
    value: float | None = None
    """What it was last; None for no data."""
    readings: int = 0
    _increases: Increases = field(init=False)
    _changed: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Place -> the last value, and since when."""
    _is_out: bool = False
    _since: float = 0.0
    """Since when it is in or out of its bounds."""
    _run: int = 0
    """Readings since then."""

    def __post_init__(self) -> None:
        """Growth is told over the time that decides."""
        self._increases = Increases(self.hold_s)

    def read(self, at: float, readings: Iterable[tuple[str, MetricsReading]]) -> None:
        """Take in what all places told at that time."""
        self.value = self._value(at, tuple(readings))
        if self.value is None:
            self._run = 0
            return
        self.readings += 1
        is_out = self.problem is not None
        if is_out != self._is_out or not self._run:
            self._is_out, self._since, self._run = is_out, at, 0
        self._run += 1

    @property
    def problem(self) -> str | None:
        """What is wrong with the value; None if nothing is, or if there is none."""
        value, figure = self.value, self.figure
        if value is not None and figure.at_least is not None and value < figure.at_least:
            return f"{self.name} is {value:.4g}, at least {figure.at_least:g} is well"
        if value is not None and figure.at_most is not None and value > figure.at_most:
            return f"{self.name} is {value:.4g}, at most {figure.at_most:g} is well"
        return None

    def condition(self, now: float, *, final: bool = False) -> Condition:
        """What the figure says; the last time nothing waits for `hold_s` to pass."""
        state: Literal["bad", "unclear", "good"] = "unclear"
        text = self.problem or ""
        if self._run and self._is_out and self._run >= _FEWEST_READINGS:
            state = "bad" if final or now - self._since >= self.hold_s else "unclear"
        elif self._run and not self._is_out and now - self._since >= self.hold_s / 2:
            state = "good"
        return Condition(
            alert=self.name, subject=self.name, rule=RULE, severity=self.figure.severity, state=state, text=text
        )

    def _value(self, at: float, readings: tuple[tuple[str, MetricsReading], ...]) -> float | None:
        told = [*self._told(readings)]
        if self.figure.read == "rate":
            for source, counted, base in told:
                self._increases.add(at, source, counted, base)
            return self._increases.rate() if self._over is None else self._increases.share()
        if self.figure.read == "stale_s":
            for (place, _), counted, _ in told:
                if self._changed.get(place, (None, at))[0] != counted:
                    self._changed[place] = (counted, at)
            # a place that tells nothing any more grows stale too
            return self._worst([at - since for _, since in self._changed.values()])
        return self._worst([counted / base for _, counted, base in told if base])

    def _told(self, readings: Iterable[tuple[str, MetricsReading]]) -> Iterator[tuple[tuple[str, float], float, float]]:
        """Place and process, what it counted, and what that is a share of: 1 where it is none."""
        selector, over = Selector.parse(self.figure.metric), self._over
        for place, reading in readings:
            counted, base = reading.total(selector), reading.total(over) if over is not None else None
            if counted is not None or base is not None:
                # of a counter with labels nothing is told before it first counts
                yield (place, reading.process), counted or 0.0, 1.0 if over is None else base or 0.0

    def _worst(self, values: Sequence[float]) -> float | None:
        """Of several places the one that is farthest out of bounds."""
        if not values:
            return None
        highest, lowest = max(values), min(values)
        if self.figure.at_most is None or (self.figure.at_least is not None and lowest < self.figure.at_least):
            return lowest
        return highest

    @property
    def _over(self) -> Selector | None:
        return Selector.parse(self.figure.over) if self.figure.over else None
