"""Lies in figures: a number that is not what it is held to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.load import LoadResult
from harness.load.observations import observations
from harness.load.result import ALL, CanaryResult, EndpointFigures, Generator, Quantile
from harness.model import Observation, Outcome
from harness.prove.gate_lies.scene import Lie
from harness.prove.gate_lies.small_run import judged, passed
from harness.stats import clopper_pearson, ratio_of_medians

LATENCY = """\
schema = 1
[[criterion]]
id = "latency"
area = "load"
requires = "99 of 100 requests are answered within 300 ms."
select = { check = ["load.*", "own.latency"] }
demand = { stat = "p99", op = "<=", value = 300, unit = "ms" }
"""
EFFECT = """\
schema = 1
[[criterion]]
id = "effect"
area = "cache"
requires = "A cached answer takes at most 0.9 of the time of an uncached one."
select = { check = "own.ratio" }
demand = { stat = "ratio_of_medians", op = "<=", value = 0.9, unit = "ratio" }
"""
AVAILABILITY = """\
schema = 1
[[criterion]]
id = "availability"
area = "e2e"
requires = "The service answers 95 of 100 probes, with 95 % confidence."
select = { check = "own.availability" }
demand = { stat = "availability", op = ">=", value = 0.95, unit = "ratio" }
"""
EXPECTED = 500
LATE_MS = 240.0


def measured(
    check: str,
    statistic: str,
    value: float,
    interval: Any,  # noqa: ANN401 - what a run's file may hold
    unit: str,
    n: int,
    level: float = 0.95,
) -> Observation:
    """A measured line as an instrument would write it."""
    detail = {"statistic": statistic, "interval": interval, "level": level, "method": "order statistics"}
    return Observation(
        suite="own", check=check, subject=ALL, outcome=Outcome.MEASURED, value=value, unit=unit, n=n, detail=detail
    )


def latency(value: float = 120.0, interval: object = (110.0, 140.0), unit: str = "ms") -> Observation:
    """p99 of a thousand requests."""
    return measured("own.latency", "p99", value, interval, unit, 1000)


def load_run(*, sent: int = EXPECTED, lateness_ms: float = 2.0) -> tuple[Observation, ...]:
    """What the load instrument says of a run in which so many requests were sent, so late."""
    quantiles = {name: Quantile(value=100.0, interval=(90.0, 120.0)) for name in ("p50", "p95", "p99")}
    service = dict.fromkeys(quantiles, 99.0)
    endpoint = EndpointFigures(
        count=sent, timed=sent, errors=0, kinds={}, latency=quantiles, latency_max_ms=130.0, service_ms=service
    )
    generator = Generator(
        lateness_p99_ms=lateness_ms,
        limit_ms=20.0,
        on_time=lateness_ms <= 20.0,
        expected=EXPECTED,
        reached=sent,
        sent=sent,
        dropped=0,
        failures=0,
        cpu_share=0.4,
        connections=8,
        reconnects=0,
    )
    return observations(
        LoadResult(
            url="http://127.0.0.1:1",
            arrivals="poisson",
            seed=1,
            seconds=10.0,
            offered_rps=50.0,
            achieved_rps=sent / 10,
            endpoints={ALL: endpoint},
            generator=generator,
            canary=CanaryResult(pause_ms=300.0, seen_ms=296.0, requests=6, seen=True),
            steps=(),
            timeline=(),
            ended_early=None,
            complete=sent == EXPECTED,
        )
    )


def probes(answered: int, asked: int) -> Observation:
    """Availability from so many probes; the interval's lower end is the one-sided 95 % bound."""
    interval = clopper_pearson(answered, asked, 0.9)
    return measured("own.availability", "availability", answered / asked, interval, "ratio", asked)


def compared(uncached_ms: float, cached_ms: float, blocks: int) -> Observation:
    """The ratio of two medians over so many interleaved blocks of forty requests that differ by a tenth."""
    around = [0.95 + 0.1 * step / 39 for step in range(40)]
    found = ratio_of_medians(
        [[uncached_ms * share for share in around]] * blocks, [[cached_ms * share for share in around]] * blocks, seed=1
    )
    return measured("own.ratio", "ratio_of_medians", found.value, (found.low, found.high), "ratio", found.n_candidate)


FROM_ONE_REQUEST = measured("own.ratio", "ratio_of_medians", 5 / 6, None, "ratio", 1)
"""16.7 % faster: 5 ms where it was 6 ms, one request each."""
LOADED = judged(passed(), *load_run(), policy=LATENCY)
WELL = judged(passed(), latency(), policy=LATENCY)

LIES: Mapping[str, Lie] = {
    "seconds-for-milliseconds": Lie(
        told=judged(passed(), latency(0.12, (0.11, 0.14), "s"), policy=LATENCY), honest=WELL
    ),
    "metric-without-samples": Lie(told=judged(passed(), policy=LATENCY), honest=WELL),
    "interval-of-another-figure": Lie(told=judged(passed(), latency(290.0, (12.0, 18.0)), policy=LATENCY), honest=WELL),
    "interval-of-half-the-cases": Lie(
        told=judged(
            passed(), measured("own.latency", "p99", 285.0, (280.0, 290.0), "ms", 1000, level=0.5), policy=LATENCY
        ),
        honest=WELL,
    ),
    "crash-in-a-criterion": Lie(told=judged(passed(), latency(120.0, (110, 10**400)), policy=LATENCY), honest=WELL),
    "traffic-that-stopped": Lie(told=judged(passed(), *load_run(sent=250), policy=LATENCY), honest=LOADED),
    "generator-that-was-late": Lie(
        told=judged(passed(), *load_run(lateness_ms=LATE_MS), policy=LATENCY), honest=LOADED
    ),
    "faster-by-one-request": Lie(
        told=judged(passed(), FROM_ONE_REQUEST, policy=EFFECT),
        honest=judged(passed(), compared(6.0, 3.0, 8), policy=EFFECT),
    ),
    "availability-from-ten-probes": Lie(
        told=judged(passed(), probes(10, 10), policy=AVAILABILITY),
        honest=judged(passed(), probes(59, 59), policy=AVAILABILITY),
    ),
}
