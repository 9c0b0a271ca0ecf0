"""Latency over time, from the load suite's timeline: percentiles, the rate behind them, and where errors fell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from markupsafe import Markup

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import LoadSecond, Threshold
from harness.report.html.svg import Scale, element, figure, log_ticks, path, ticks
from harness.report.text import number, signs
from harness.run import read_regular

TIMELINE = "samples/load-timeline.json"

_SERIES = (("p50", "s-p50"), ("p95", "s-p95"), ("p99", "s-p99"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timeline:
    seconds: tuple[LoadSecond, ...]


_TIMELINE = Reader(_Timeline)


def read_timeline(run: Path) -> tuple[LoadSecond, ...]:
    """The seconds of the run's load; empty where no load was run. Raises `BrokenRunError` for another shape."""
    file = run / TIMELINE
    if not os.path.lexists(file):
        return ()
    try:
        return _TIMELINE.json(read_regular(file)).seconds
    except msgspec.DecodeError as error:
        raise BrokenRunError(f"{file}: is not a timeline of load ({error})") from error


def latency_figure(seconds: Sequence[LoadSecond], limit: Threshold | None, *, width: float) -> Markup:
    """The plot at one width (the page carries a wide and a narrow one, so that letters keep their size)."""
    plot = _Plot(seconds, limit, width)
    return figure(
        width,
        plot.height,
        plot.describe(),
        *plot.grid(),
        *plot.band(),
        *plot.rate(),
        *plot.limit(),
        *plot.lines(),
        *plot.errors(),
        class_="latency",
    )


class _Plot:
    """Where things lie in one drawing of the timeline."""

    top, bottom = 22.0, 210.0
    rate_top, rate_bottom = 238.0, 282.0
    height = 306.0

    def __init__(self, seconds: Sequence[LoadSecond], limit: Threshold | None, width: float) -> None:
        self.seconds = seconds
        self.demand = limit
        self.left, self.right = 52.0, width - 50.0
        first, last = float(seconds[0].t), float(seconds[-1].t)
        self.x = Scale(first - 0.5, last + 0.5, self.left, self.right)
        known = [
            value for each in seconds for value in (each.p50, each.p95, each.p99) if value is not None and value > 0
        ]
        low, high = (min(known), max(known)) if known else (1.0, 10.0)
        self.log = high / low > 12
        if self.log:
            self.y = Scale(low * 0.8, high * 1.25, self.bottom, self.top, log=True)
        else:
            self.y = Scale(0.0, high * 1.12, self.bottom, self.top)
        most = max((each.count for each in seconds), default=1)
        self.rate_y = Scale(0.0, max(1, most) * 1.1, self.rate_bottom, self.rate_top)

    def describe(self) -> str:
        """What the picture shows, for those who cannot see it."""
        p50 = [each.p50 for each in self.seconds if each.p50 is not None]
        p99 = [each.p99 for each in self.seconds if each.p99 is not None]
        errors = sum(each.errors for each in self.seconds)
        if not p50 or not p99:
            return f"Latency over {len(self.seconds)} seconds: nothing was timed; {errors} errors."
        return (
            f"Latency over {len(self.seconds)} seconds: p50 between {number(min(p50))} and {number(max(p50))} ms, "
            f"p99 between {number(min(p99))} and {number(max(p99))} ms, {errors} errors."
        )

    def grid(self) -> list[Markup]:
        """Lines and labels of both panels."""
        values = log_ticks(self.y.low, self.y.high) if self.log else ticks(self.y.low, self.y.high, 4)
        parts = [
            element(
                "text",
                f"ms{', log scale' if self.log else ''}",
                x=self.left - 8,
                y=12,
                text_anchor="start",
                class_="f-text",
            )
        ]
        for value in values:
            at = self.y(value)
            parts += [
                element("line", x1=self.left, x2=self.right, y1=at, y2=at, class_="f-grid"),
                element("text", number(value), x=self.left - 8, y=at + 4, text_anchor="end", class_="f-text"),
            ]
        parts.append(
            element(
                "text", "requests a second", x=self.left - 8, y=self.rate_top - 8, text_anchor="start", class_="f-text"
            )
        )
        for value in (0.0, self.rate_y.high / 1.1):
            at = self.rate_y(value)
            parts.append(
                element("text", number(round(value)), x=self.left - 8, y=at + 4, text_anchor="end", class_="f-text")
            )
        parts.append(
            element("line", x1=self.left, x2=self.right, y1=self.rate_bottom, y2=self.rate_bottom, class_="f-axis")
        )
        for value in ticks(max(0.0, self.x.low), self.x.high, 6 if self.right > 600 else 4):
            unit = " s" if value == 0 else ""
            parts.append(
                element(
                    "text",
                    f"{number(value)}{unit}",
                    x=self.x(value),
                    y=self.height - 6,
                    text_anchor="middle",
                    class_="f-text",
                )
            )
        return parts

    def band(self) -> list[Markup]:
        """The area between the median and p99; a second that timed nothing is a gap."""
        upper, lower = self._stretches("p99"), self._stretches("p50")
        return [
            element("path", d=path([*above, *reversed(below)]) + "Z", class_="s-band")
            for above, below in zip(upper, lower, strict=False)
            if len(above) > 1
        ]

    def lines(self) -> list[Markup]:
        """One line a percentile, broken where a second timed nothing, with its name at its end."""
        parts: list[Markup] = []
        ends: list[tuple[float, str, str]] = []
        for name, style in _SERIES:
            for stretch in self._stretches(name):
                parts.append(element("path", d=path(stretch), class_=f"line {style}"))
                if len(stretch) == 1:
                    parts.append(element("circle", cx=stretch[0][0], cy=stretch[0][1], r=2, class_=f"point {style}"))
            last = next((value for each in reversed(self.seconds) if (value := getattr(each, name)) is not None), None)
            if last is not None:
                ends.append((self.y(last), name, style))
        return parts + [
            element("text", name, x=self.right + 8, y=at + 4, class_=f"f-name {style}")
            for at, name, style in _apart(ends)
        ]

    def _stretches(self, name: str) -> list[list[tuple[float, float]]]:
        stretches: list[list[tuple[float, float]]] = [[]]
        for each in self.seconds:
            value = getattr(each, name)
            if value is None:
                stretches.append([])
            else:
                stretches[-1].append((self.x(each.t), self.y(value)))
        return [stretch for stretch in stretches if stretch]

    def limit(self) -> list[Markup]:
        """The policy's demand on p99, or a word that it lies above the drawing."""
        if self.demand is None:
            return []
        words = signs(f"{self.demand.stat} must be {self.demand.op} {number(self.demand.value)} ms")
        if self.demand.value > self.y.high:
            return [
                element("text", f"{words}: above this plot", x=self.right, y=12, text_anchor="end", class_="f-text")
            ]
        at = self.y(self.demand.value)
        return [
            element("line", x1=self.left, x2=self.right, y1=at, y2=at, class_="f-limit"),
            element("text", words, x=self.right, y=at - 5, text_anchor="end", class_="f-text"),
        ]

    def rate(self) -> list[Markup]:
        """Requests of each second as a column."""
        wide = max(1.0, (self.right - self.left) / max(1, len(self.seconds)) * 0.72)
        return [
            element(
                "rect",
                x=self.x(each.t) - wide / 2,
                y=self.rate_y(each.count),
                width=wide,
                height=max(0.0, self.rate_bottom - self.rate_y(each.count)),
                class_="s-rate",
            )
            for each in self.seconds
        ]

    def errors(self) -> list[Markup]:
        """A wedge above each second that had errors."""
        return [
            element(
                "path",
                element("title", f"second {number(each.t)}: {each.errors} errors"),
                d=path([(x - 4, self.rate_top - 2), (x + 4, self.rate_top - 2), (x, self.rate_top + 6)]) + "Z",
                class_="s-error",
            )
            for each in self.seconds
            if each.errors
            for x in (self.x(each.t),)
        ]


def _apart(ends: list[tuple[float, str, str]], least: float = 16.0) -> list[tuple[float, str, str]]:
    """Labels moved up where they would lie on one another."""
    placed: list[tuple[float, str, str]] = []
    for at, name, style in sorted(ends, reverse=True):
        placed.append((min(at, placed[-1][0] - least) if placed else at, name, style))
    return placed
