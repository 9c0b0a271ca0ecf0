"""From raw samples to figures: quantiles with intervals, errors by kind, a line a second, a mergeable histogram."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.load.plan import LoadPlan
from harness.load.result import ALL, STATISTICS, EndpointFigures, Quantile
from harness.load.samples import Failure, Samples, failure_kind
from harness.model import LoadSecond
from harness.stats import quantile_interval

LEVEL = 0.95
RELATIVE_ERROR = 0.001


def endpoints(plan: LoadPlan, rows: Samples) -> dict[str, EndpointFigures]:
    """Figures for each kind of request and for all together.

    A mean of percentiles is no percentile: `ALL` is made of all samples anew.
    """
    figures: dict[str, EndpointFigures] = {}
    for name in dict.fromkeys(request.name for request in plan.requests):
        numbers = [number for number, request in enumerate(plan.requests) if request.name == name]
        figures[name] = _endpoint(rows.where(np.isin(rows.request, numbers)))
    figures[ALL] = _endpoint(rows)
    return figures


def _endpoint(rows: Samples) -> EndpointFigures:
    timed = rows.where(rows.timed)
    latency = np.sort(timed.latency_ms)
    return EndpointFigures(
        count=len(rows),
        timed=len(timed),
        errors=int(rows.failed.sum()),
        kinds=dict(Counter(failure_kind(int(status)) for status in rows.status[rows.failed]).most_common()),
        latency={name: _quantile(latency, q) for name, q in STATISTICS} if len(timed) else {},
        latency_max_ms=float(latency[-1]) if len(timed) else None,
        service_ms=_service(timed),
    )


def _service(timed: Samples) -> dict[str, float]:
    if not len(timed):
        return {}
    service = np.sort(timed.service_ms)
    figures = {name: float(np.quantile(service, q, method="inverted_cdf")) for name, q in STATISTICS}
    return {**figures, "max": float(service[-1])}


def _quantile(ordered: NDArray[np.float64], q: float) -> Quantile:
    """The smallest sample that at least a share of `q` does not exceed, with its interval."""
    value = float(np.quantile(ordered, q, method="inverted_cdf"))
    return Quantile(value=value, interval=quantile_interval(ordered, q, LEVEL))


def timeline(samples: Samples) -> tuple[LoadSecond, ...]:
    """One line for each second of the run, warm-up included; a second in which nothing came due has count 0."""
    if not len(samples):
        return ()
    second = samples.due.astype(np.int64)
    edges = np.searchsorted(second, np.arange(second[-1] + 2))
    return tuple(
        _second(number, samples, slice(begin, end)) for number, (begin, end) in enumerate(itertools.pairwise(edges))
    )


def _second(number: int, samples: Samples, rows: slice) -> LoadSecond:
    failed, timed = samples.failed[rows], samples.timed[rows]
    latency = samples.latency_ms[rows][timed]
    p50, p95, p99, worst = (
        (round(float(value), 3) for value in np.quantile(latency, (0.5, 0.95, 0.99, 1.0), method="inverted_cdf"))
        if len(latency)
        else (None, None, None, None)
    )
    return LoadSecond(t=number, count=len(failed), errors=int(failed.sum()), p50=p50, p95=p95, p99=p99, max=worst)


def lateness_p99_ms(samples: Samples) -> float | None:
    """99th percentile of sent minus due over what was sent; None if nothing was."""
    lateness = samples.lateness_ms[~np.isnan(samples.sent)]
    return float(np.quantile(lateness, 0.99, method="inverted_cdf")) if len(lateness) else None


def dropped(samples: Samples) -> int:
    """Arrivals that were not sent."""
    return int((samples.status == Failure.DROPPED).sum())


def histogram(plan: LoadPlan, rows: Samples) -> dict[str, Any]:
    """Latency counts in buckets that grow by a constant factor, so that any quantile is off by 0.1 % at most.

    Bucket i holds latencies in (gamma^(i-1), gamma^i] ms (Masson, Rim and Lee, "DDSketch", VLDB 2019). Two runs merge
    by adding counts.
    """
    gamma = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
    counts: dict[str, dict[str, int]] = {}
    for name in dict.fromkeys(request.name for request in plan.requests):
        numbers = [number for number, request in enumerate(plan.requests) if request.name == name]
        chosen = rows.where(rows.timed & np.isin(rows.request, numbers))
        # nothing is quicker than a microsecond: a clock's tie becomes one
        buckets = np.ceil(np.log(np.maximum(chosen.latency_ms, 0.001)) / math.log(gamma)).astype(np.int64)
        values, occurrences = np.unique(buckets, return_counts=True)
        counts[name] = {str(value): int(count) for value, count in zip(values, occurrences, strict=True)}
    return {"schema": 1, "unit": "ms", "relative_error": RELATIVE_ERROR, "gamma": gamma, "endpoints": counts}
