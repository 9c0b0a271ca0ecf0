"""A load run as observations: whether it is to be believed, then what was measured."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from harness.errors import GeneratorError
from harness.load.result import ALL, EndpointFigures, LoadResult
from harness.load.summary import LEVEL
from harness.model import Measurement, Observation, Outcome
from harness.stats import clopper_pearson

SUITE = "load"
COMPLETED, GENERATOR = "load.completed", "load.generator"
LATENCY, ERRORS, SHED = "load.latency", "load.errors", "load.shed"
CHECK_IDS = frozenset({COMPLETED, GENERATOR, LATENCY, ERRORS, SHED})
"""Every id that a load run writes; policies are checked against them."""
_SHED = "shed"
_STATISTICS = ("p50", "p95", "p99")
MEASUREMENTS = frozenset(
    {
        *(Measurement(LATENCY, statistic, "ms") for statistic in _STATISTICS),
        Measurement(ERRORS, "error_rate", "ratio"),
    }
)
"""Every number that a load run writes."""


def observations(result: LoadResult) -> tuple[Observation, ...]:
    """Everything a run has to say, one observation a fact.

    Where the generator is not to be believed its figures are left out: what was measured badly was not measured.
    """
    facts = (_completed(result), _generator(result))
    if result.inconclusive:
        return facts
    measured: list[Observation] = []
    for name, endpoint in result.endpoints.items():
        if endpoint.kinds.get(_SHED):
            measured += _shed(name, endpoint)
        elif endpoint.count:
            measured += _latencies(result, name, endpoint)
            measured.append(_error_rate(result, name, endpoint))
    return (*facts, *measured)


def failed_observations(error: GeneratorError) -> tuple[Observation, ...]:
    """What a run says whose generator failed: nothing about the service."""
    detail = {"message": error.message, "output": error.output}
    error_line = functools.partial(Observation, suite=SUITE, subject=ALL, outcome=Outcome.ERROR, detail=detail)
    return (error_line(check=COMPLETED), error_line(check=GENERATOR))


def _completed(result: LoadResult) -> Observation:
    generator = result.generator
    detail: dict[str, Any] = {
        "expected": generator.expected,
        "reached": generator.reached,
        "sent": generator.sent,
        "dropped": generator.dropped,
        "offered_rps": result.offered_rps,
        "achieved_rps": result.achieved_rps,
        "seconds": result.seconds,
        "arrivals": result.arrivals,
        "seed": result.seed,
    }
    if result.ended_early:
        detail["ended_early"] = result.ended_early
    if not result.complete:
        detail["message"] = f"of {generator.expected} arrivals {generator.reached} came due, {generator.sent} were sent"
    outcome = Outcome.PASS if result.complete else Outcome.ERROR
    return Observation(suite=SUITE, check=COMPLETED, subject=ALL, outcome=outcome, n=generator.expected, detail=detail)


def _generator(result: LoadResult) -> Observation:
    generator, canary = result.generator, result.canary
    detail: dict[str, Any] = {
        "statistic": "p99",
        "limit_ms": generator.limit_ms,
        "cpu_share": generator.cpu_share,
        "connections": generator.connections,
        "reconnects": generator.reconnects,
        "failures": generator.failures,
    }
    if canary is not None:
        detail["canary"] = {"pause_ms": canary.pause_ms, "seen_ms": canary.seen_ms, "requests": canary.requests}
    if result.inconclusive:
        detail["message"] = result.inconclusive
    # traffic that is not whole has a line of its own
    believed = generator.on_time and not generator.failures and canary is not None and canary.seen
    if canary is None:
        detail["message"] = "no canary was used: nothing shows that a stall would have been seen"
    outcome = Outcome.PASS if believed else Outcome.ERROR
    value, sent = generator.lateness_p99_ms, generator.sent
    return Observation(
        suite=SUITE, check=GENERATOR, subject=ALL, outcome=outcome, value=value, unit="ms", n=sent, detail=detail
    )


def _latencies(result: LoadResult, name: str, endpoint: EndpointFigures) -> list[Observation]:
    """Quantiles with an interval. One that the samples are too few for is no measurement and has no line; of all
    requests together it has one without an interval, on which nothing can be ruled.
    """
    found = []
    for statistic in _STATISTICS:
        latency = endpoint.latency.get(statistic)
        if latency is not None and (name == ALL or latency.interval is not None):
            detail = {
                "statistic": statistic,
                "interval": latency.interval,
                "level": LEVEL,
                "method": "order statistics",
                "counted_from": "due time",
                "arrivals": result.arrivals,
                "service_ms": endpoint.service_ms[statistic],
                "max_ms": endpoint.latency_max_ms,
            }
            found.append(_measured(LATENCY, name, latency.value, "ms", endpoint.timed, detail))
    return found


def _error_rate(result: LoadResult, name: str, endpoint: EndpointFigures) -> Observation:
    low, high = clopper_pearson(endpoint.errors, endpoint.count, LEVEL)
    detail = {
        "statistic": "error_rate",
        "interval": [low, high],
        "level": LEVEL,
        "method": "Clopper-Pearson",
        "kinds": dict(endpoint.kinds),
        "arrivals": result.arrivals,
    }
    return _measured(ERRORS, name, endpoint.errors / endpoint.count, "ratio", endpoint.count, detail)


def _shed(name: str, endpoint: EndpointFigures) -> list[Observation]:
    """An unasked 429 means that the generator was taken for one greedy client: other figures would be of nothing."""
    shed = endpoint.kinds[_SHED]
    if name == ALL:
        return []
    message = (
        f"{shed} of {endpoint.count} requests were refused with 429 though every simulated client stayed below the"
        " limit; does the target tell clients apart as [clients] address says?"
    )
    return [
        Observation(
            suite=SUITE,
            check=SHED,
            subject=name,
            outcome=Outcome.ERROR,
            value=float(shed),
            unit="count",
            n=endpoint.count,
            detail={"message": message},
        )
    ]


def _measured(check: str, subject: str, value: float, unit: str, n: int, detail: Mapping[str, object]) -> Observation:
    return Observation(
        suite=SUITE, check=check, subject=subject, outcome=Outcome.MEASURED, value=value, unit=unit, n=n, detail=detail
    )
