"""Where an interval stands against a threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from harness.model import Threshold

Interval = tuple[float, float]
# every interval here is of 95 % or surer; one of 50 % is narrow enough to meet any limit
LEAST_LEVEL = 0.95


class Stand(Enum):
    """All of the interval on one side of the threshold, or not."""

    MEETS = "meets"
    STRADDLES = "straddles"
    MISSES = "misses"


def interval_of(detail: Mapping[str, Any]) -> Interval | None:
    """The interval that a measured line carries; None for one that is missing, unordered or not made of numbers."""
    written = detail.get("interval")
    if not isinstance(written, list | tuple) or len(written) != 2:
        return None
    if any(isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end) for end in written):
        return None
    low, high = float(written[0]), float(written[1])
    return (low, high) if low <= high else None


def is_sure(detail: Mapping[str, Any]) -> bool:
    """Whether the measured line's interval is of the least level or surer, as far as the line says. A share."""
    level = detail.get("level", LEAST_LEVEL)
    return isinstance(level, int | float) and not isinstance(level, bool) and LEAST_LEVEL <= level <= 1


def stand(interval: Interval, demand: Threshold) -> Stand:
    """Does the whole interval meet the demand, none of it, or a part?"""
    low, high = interval
    limit = demand.value
    match demand.op:
        case "<=":
            meets, misses = high <= limit, low > limit
        case "<":
            meets, misses = high < limit, low >= limit
        case ">=":
            meets, misses = low >= limit, high < limit
        case ">":
            meets, misses = low > limit, high <= limit
        case "==":
            meets, misses = low == high == limit, limit < low or high < limit
        case _:
            raise ValueError(f"no such comparison: {demand.op!r}")
    if meets:
        return Stand.MEETS
    return Stand.MISSES if misses else Stand.STRADDLES


def excess(interval: Interval, demand: Threshold) -> float:
    """How far the interval's worse end lies on the wrong side; of several intervals the largest is the worst."""
    low, high = interval
    match demand.op:
        case "<=" | "<":
            return high - demand.value
        case ">=" | ">":
            return demand.value - low
    return max(high - demand.value, demand.value - low)
