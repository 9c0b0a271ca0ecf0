"""Intervals of rates and quantiles; what no statistic can be made of is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.distributions import beta_quantile, binomial_below

Floats = NDArray[np.float64]


def clopper_pearson_lower(passes: int, n: int, level: float = 0.95) -> float:
    """One-sided lower confidence bound of a rate: exact, so never too high (Clopper & Pearson 1934).

    Raises `ValueError` unless 0 <= passes <= n, n >= 1 and 0 < level < 1.
    """
    check_count(passes, n, level)
    return 0.0 if passes == 0 else beta_quantile(1 - level, passes, n - passes + 1)


def clopper_pearson(passes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a rate: exact, each side at half of what the level leaves (Clopper & Pearson 1934)."""
    check_count(passes, n, level)
    tail = (1 - level) / 2
    low = 0.0 if passes == 0 else beta_quantile(tail, passes, n - passes + 1)
    high = 1.0 if passes == n else beta_quantile(1 - tail, passes + 1, n - passes)
    return low, high


def quantile_interval(samples: ArrayLike, q: float, level: float = 0.95) -> tuple[float, float] | None:
    """Interval of a quantile from order statistics, free of any distribution (David & Nagaraja, Order Statistics, 7.1).

    None where the samples are too few to bound the quantile on both sides at this level: p99 at 95 % needs 368.
    Raises `ValueError` for no sample, a sample that is not finite, or q or level outside of (0, 1).
    """
    data = np.sort(checked(samples, "samples"))
    if not 0 < q < 1:
        raise ValueError(f"q must lie between 0 and 1, not {q}")
    check_level(level)
    n, tail = len(data), (1 - level) / 2
    # Of n samples, B lie below the quantile, B ~ Binomial(n, q): the r-th smallest is above it with P(B < r).
    low = _last_true(n, lambda rank: binomial_below(rank, n, q) <= tail)
    high = n + 1 - _last_true(n, lambda back: 1 - binomial_below(n + 1 - back, n, q) <= tail)
    return None if low == 0 or high == n + 1 else (float(data[low - 1]), float(data[high - 1]))


def _last_true(n: int, holds: Callable[[int], bool]) -> int:
    """The largest of 1..n for which a condition holds that holds up to a point; 0 if for none."""
    known, beyond = 0, n + 1
    while beyond - known > 1:
        middle = (known + beyond) // 2
        if holds(middle):
            known = middle
        else:
            beyond = middle
    return known


def checked(samples: ArrayLike, name: str) -> Floats:
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 1 or not len(data):
        raise ValueError(f"{name}: a list of one sample or more was expected")
    if not np.isfinite(data).all():
        raise ValueError(f"{name}: a sample is not a finite number")
    return data


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")


def check_count(passes: int, n: int, level: float) -> None:
    if n < 1 or not 0 <= passes <= n:
        raise ValueError(f"passes of n were expected, 0 <= passes <= n and n >= 1, not {passes} of {n}")
    check_level(level)
