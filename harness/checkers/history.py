"""What all histories share. Times are seconds, as floats, of one clock for all rows of a history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A worker was killed or frozen by `at`, noted after the fact; `back` is when a frozen one went on."""

    worker: str
    at: float
    back: float | None = None

    def __post_init__(self) -> None:
        check_span(self, self.at, self.back)

    def is_over_by(self, time: float) -> bool:
        """Had it gone on?"""
        return self.back is not None and self.back <= time


@dataclass(frozen=True, slots=True)
class RowSpan(Generic[Row]):
    """From when to when a row lasted."""

    begun: float
    ended: float
    row: Row


def check_times(row: object, *times: float | None) -> None:
    """Raise `ValueError` for a time that is no finite number: no comparison with it would ever be an anomaly."""
    if not all(time is None or math.isfinite(time) for time in times):
        raise ValueError(f"times must be finite numbers: {row}")


def check_span(row: object, begun: float, ended: float | None) -> None:
    """Raise `ValueError` also for an end before the beginning."""
    check_times(row, begun, ended)
    if ended is not None and ended < begun:
        raise ValueError(f"{begun} to {ended} ends before it begins: {row}")


def check_rules(rules: object, *, positive: Iterable[float], other: Iterable[float]) -> None:
    """Raise `ValueError` for limits under which nothing, or everything, would be an anomaly."""
    if not all(math.isfinite(limit) and limit > 0 for limit in positive):
        raise ValueError(f"times to live, intervals and numbers of attempts must be above 0: {rules}")
    if not all(math.isfinite(limit) and limit >= 0 for limit in other):
        raise ValueError(f"tolerances and allowances must be 0 or more: {rules}")


def overlap(first: RowSpan[Row], second: RowSpan[Row], tolerance: float) -> bool:
    """Do they overlap, and still do with one of them shifted by the clock's tolerance, either way?"""
    return first.ended - second.begun > tolerance and second.ended - first.begun > tolerance


def overlaps(spans: Iterable[RowSpan[Row]], tolerance: float) -> Iterator[tuple[RowSpan[Row], RowSpan[Row]]]:
    """Each span that overlaps an earlier one, after the earlier one that lasted longest."""
    lasting: list[RowSpan[Row]] = []
    # the last word of the order only makes it the same for equal histories
    for span in sorted(spans, key=lambda one: (one.begun, one.ended, repr(one.row))):
        lasting = [one for one in lasting if one.ended - span.begun > tolerance]
        beside = [one for one in lasting if overlap(one, span, tolerance)]
        if beside:
            yield max(beside, key=lambda one: one.ended), span
        lasting.append(span)


def seconds(span: float) -> str:
    """A length of time as anomalies say it."""
    return f"{span:.6g} s"
