"""Is the candidate slower? A ratio, its interval over blocks, and what the noise of the machine leaves of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.distributions import student_quantile
from harness.stats.intervals import Floats, check_level, checked

Places = NDArray[np.int64]
Comparison = Literal["regression", "improvement", "equivalent", "inconclusive"]

FEWEST_BLOCKS = 4
"""Fewer blocks of a side cannot show how much blocks differ."""
_DRAWS_IN_TAIL = 10
_MOST_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """candidate/base with its interval; `n_base` and `n_candidate` count samples, not blocks."""

    value: float
    low: float
    high: float
    n_base: int
    n_candidate: int


def ratio_of_medians(
    base_blocks: Sequence[ArrayLike],
    candidate_blocks: Sequence[ArrayLike],
    seed: int,
    level: float = 0.95,
    q: float = 0.5,
    resamples: int = 2000,
) -> RatioEstimate:
    """candidate/base of the medians (or another quantile) with a bootstrap interval over blocks.

    Whole blocks are drawn with replacement, since requests of one block are not independent (Davison & Hinkley 1997,
    3.8). The percentile interval is widened for few blocks as Hesterberg does (2015, "What Teachers Should Know About
    the Bootstrap", 5.4): the normal tail beyond sqrt(b/(b-1)) times Student's t with b-1 degrees of freedom. A thin
    tail takes more than `resamples` draws: so many that ten lie in it, or 10,000.
    Raises `ValueError` for fewer than four blocks of a side, an empty block, or a sample that is not a finite number
    above 0.
    """
    base, candidate = _Pool.of(base_blocks, "base"), _Pool.of(candidate_blocks, "candidate")
    if not 0 < q < 1:
        raise ValueError(f"q must lie between 0 and 1, not {q}")
    if resamples < 1:
        raise ValueError(f"resamples must be 1 or more, not {resamples}")
    check_level(level)
    generator = np.random.default_rng(seed)
    value = candidate.quantile(q) / base.quantile(q)
    tail = widened_tail(1 - level, min(len(base.places), len(candidate.places)))
    draws = max(resamples, min(_MOST_DRAWS, math.ceil(_DRAWS_IN_TAIL / max(tail, 1e-9))))
    ratios = candidate.resampled(q, draws, generator) / base.resampled(q, draws, generator)
    low, high = np.quantile(ratios, [tail, 1 - tail])
    # a skewed bootstrap can leave its own estimate outside; the interval must hold what was seen
    return RatioEstimate(
        value=value, low=min(float(low), value), high=max(float(high), value), n_base=base.n, n_candidate=candidate.n
    )


def noise_floor(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    seed: int,
    level: float = 0.95,
    q: float = 0.5,
    resamples: int = 2000,
) -> float:
    """How far from 1 the ratio of two equal things may seem to lie: the widest |ratio - 1| of their interval (A/A)."""
    estimate = ratio_of_medians(first, second, seed, level, q, resamples)
    return max(abs(estimate.low - 1), abs(estimate.high - 1))


def classify(interval: tuple[float, float], floor: float, tolerance: float) -> Comparison:
    """What an interval of candidate/base latencies says beyond tolerance and noise floor, both as |ratio - 1|.

    Raises `ValueError` for an interval that is inverted or no numbers, and for a negative floor or tolerance.
    """
    low, high = interval
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"an interval [low, high] was expected, not {interval}")
    if not (floor >= 0 and tolerance >= 0):
        raise ValueError(f"floor and tolerance must be 0 or more, not {floor} and {tolerance}")
    margin = max(floor, tolerance)
    if low > 1 + margin:
        return "regression"
    if high < 1 - margin:
        return "improvement"
    return "equivalent" if 1 - tolerance <= low and high <= 1 + tolerance else "inconclusive"


def holm_levels(count: int, level: float = 0.95) -> tuple[float, ...]:
    """Levels for a family of comparisons, the clearest first, that err together with at most 1 - level (Holm 1979).

    Step down: hold the next one against its level only while all before it were significant. The first, 1 -
    (1 - level)/count, is Bonferroni's, at which the intervals of all hold at once.
    """
    if count < 1:
        raise ValueError(f"a family has 1 comparison or more, not {count}")
    check_level(level)
    return tuple(1 - (1 - level) / (count - step) for step in range(count))


def minimum_detectable_effect(interval: tuple[float, float], level: float = 0.95, power: float = 0.8) -> float:
    """The smallest change, as |ratio - 1|, that a comparison as noisy as this A/A interval would find.

    The interval's half width on the log scale gives the standard error; the sum of the two normal quantiles times it
    is found with probability `power` (Lachin 1981, eq. 1, one comparison of a log ratio with 0).
    """
    low, high = interval
    if not (0 < low <= high and math.isfinite(high)):
        raise ValueError(f"an interval of ratios above 0 was expected, not {interval}")
    check_level(level)
    check_level(power)
    normal = NormalDist()
    reach = normal.inv_cdf((1 + level) / 2)
    error = (math.log(high) - math.log(low)) / (2 * reach)
    return math.expm1((reach + normal.inv_cdf(power)) * error)


@dataclass(frozen=True, slots=True)
class _Pool:
    """All samples of a side in order, and where in that order each block's samples stand.

    A resample is a weight for each block; its quantile is found by bisection over the order, for all resamples at once.
    """

    ordered: Floats
    places: tuple[Places, ...]

    @classmethod
    def of(cls, blocks: Sequence[ArrayLike], side: str) -> _Pool:
        if len(blocks) < FEWEST_BLOCKS:
            raise ValueError(f"{side}: {len(blocks)} blocks, at least {FEWEST_BLOCKS} are needed")
        arrays = [checked(block, f"{side} block {index}") for index, block in enumerate(blocks)]
        samples = np.concatenate(arrays)
        if (samples <= 0).any():
            raise ValueError(f"{side}: a latency of {samples.min():g}; only numbers above 0 have a ratio")
        block_of = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
        order = np.argsort(samples, kind="stable")
        places = tuple(np.flatnonzero(block_of[order] == block) for block in range(len(arrays)))
        return cls(ordered=samples[order], places=places)

    @property
    def n(self) -> int:
        return len(self.ordered)

    def quantile(self, q: float) -> float:
        return float(self._quantiles(np.ones((1, len(self.places)), dtype=np.int64), q)[0])

    def resampled(self, q: float, resamples: int, generator: np.random.Generator) -> Floats:
        """The quantile of each of `resamples` draws of as many blocks as there are."""
        blocks = len(self.places)
        weights = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
        # few blocks have few different draws: each is computed once
        different, which = np.unique(weights, axis=0, return_inverse=True)
        return self._quantiles(different, q)[which.reshape(-1)]

    def _quantiles(self, weights: Places, q: float) -> Floats:
        """Quantiles of the samples with their blocks' weights (Hyndman & Fan 1996, type 2: the middle of a tie)."""
        total = weights @ np.array([len(places) for places in self.places])
        tie = 1e-9 * total
        lower = self._first_reaching(weights, q * total - tie)
        upper = self._first_reaching(weights, q * total + tie)
        quantiles: Floats = (self.ordered[lower] + self.ordered[upper]) / 2
        return quantiles

    def _first_reaching(self, weights: Places, wanted: Floats) -> Places:
        """For each row, the first place up to which the samples weigh at least `wanted`."""
        low = np.zeros(len(weights), dtype=np.int64)
        high = np.full(len(weights), self.n - 1, dtype=np.int64)
        while (low < high).any():
            middle = (low + high) // 2
            reached = np.zeros(len(weights), dtype=np.int64)
            for block, places in enumerate(self.places):
                reached += weights[:, block] * np.searchsorted(places, middle, side="right")
            enough = reached >= wanted
            high = np.where(enough, middle, high)
            low = np.where(enough, low, middle + 1)
        return low


def widened_tail(alpha: float, blocks: int) -> float:
    """The tail on each side at which to read the bootstrap's percentiles."""
    reach = math.sqrt(blocks / (blocks - 1)) * student_quantile(1 - alpha / 2, blocks - 1)
    return NormalDist().cdf(-reach)
