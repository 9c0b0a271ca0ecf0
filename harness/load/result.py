"""What a load run found, as data. `None` stands for a figure that nothing was measured for, never 0."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import LoadSecond

STATISTICS: tuple[tuple[str, float], ...] = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))
ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile in milliseconds with its order-statistic interval; None where the samples are too few for one."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """Figures of one kind of request, or of all (`ALL`)."""

    count: int
    """Requests that were due, in the stages that count."""
    timed: int
    """Of these, how many have a latency (good answers and time-outs)."""
    errors: int
    kinds: Mapping[str, int]
    """Errors by kind: `status 503`, `shed`, `timeout`, `refused`, `cut`, `dropped`, …"""
    latency: Mapping[str, Quantile]
    """From the due time."""
    latency_max_ms: float | None
    service_ms: Mapping[str, float]
    """From the moment of sending; the difference is time spent waiting in the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """How well the generator kept its own schedule."""

    lateness_p99_ms: float | None
    limit_ms: float
    on_time: bool
    expected: int
    """Arrivals of the plan."""
    reached: int
    """Arrivals that came due before the run ended."""
    sent: int
    dropped: int
    failures: int
    """Requests that failed for want of files, ports or addresses on the generator's side."""
    cpu_share: float
    """Processor seconds a second, of the busiest process."""
    connections: int
    reconnects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """Whether a stall of known length showed."""

    pause_ms: float
    seen_ms: float
    requests: int
    """Requests that came due while the canary stood still."""
    seen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage's figures, and why it was not sustained ("" if it was)."""

    name: str
    offered_rps: float
    """The stage's rate."""
    arrived_rps: float
    """What the draw made of it."""
    achieved_rps: float
    """Answers of any status a second."""
    error_rate: float
    p95_ms: float | None
    lateness_p99_ms: float | None
    why_not: str
    whose: str = ""
    """`service` or `generator`, where it was not sustained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """All of a load run. Figures count only if `conclusive`."""

    url: str
    arrivals: str
    seed: int
    seconds: float
    offered_rps: float
    achieved_rps: float
    """Answers of any status a second, over the whole run."""
    endpoints: Mapping[str, EndpointFigures]
    generator: Generator
    canary: CanaryResult | None
    steps: tuple[Step, ...]
    timeline: tuple[LoadSecond, ...]
    ended_early: str | None
    """Why a run that looks for the knee ended before its plan did; None if it did not."""
    complete: bool
    """Everything came due and was sent; of a run that looks for the knee, in all steps below it."""

    @property
    def dropped(self) -> int:
        """Arrivals that were never sent."""
        return self.generator.dropped

    @property
    def sustained_rps(self) -> float | None:
        """Offered rate of the last step before the first that was not sustained; None if there is none."""
        good = list(itertools.takewhile(lambda step: not step.why_not, self.steps))
        return good[-1].offered_rps if good else None

    @property
    def limited_by(self) -> str | None:
        """`service` or `generator`: whose limit the first step that was not sustained shows; None if all were."""
        return next((step.whose for step in self.steps if step.why_not), None)

    @property
    def inconclusive(self) -> str | None:
        """Why the figures say nothing of the service; None if they do."""
        generator = self.generator
        if generator.lateness_p99_ms is None:
            return "no request was sent"
        if generator.lateness_p99_ms > generator.limit_ms:
            return (
                f"the generator was late: p99 of sent minus due is {generator.lateness_p99_ms:.1f} ms,"
                f" its limit {generator.limit_ms:g} ms; lower the rate or free the machine"
            )
        if generator.failures:
            return f"the generator ran out of files, ports or addresses {generator.failures} times"
        if not self.complete:
            return (
                f"traffic is not whole: of {generator.expected} arrivals {generator.reached} came due"
                f" and {generator.sent} were sent"
            )
        if self.canary is not None and not self.canary.seen:
            return (
                f"the canary stood still for {self.canary.pause_ms:.0f} ms and the measurement does not show it"
                f" (longest wait {self.canary.seen_ms:.0f} ms)"
            )
        return None

    def document(self) -> dict[str, Any]:
        """The result as `load --json` prints it."""
        return {
            "url": self.url,
            "offered_rps": round(self.offered_rps, 2),
            "achieved_rps": round(self.achieved_rps, 2),
            "dropped": self.dropped,
            "arrivals": self.arrivals,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "endpoints": {name: _endpoint(endpoint) for name, endpoint in self.endpoints.items()},
            "generator": self.generator,
            "canary": self.canary,
            "steps": self.steps,
            "sustained_rps": self.sustained_rps,
            "limited_by": self.limited_by or "",
            "ended_early": self.ended_early or "",
            "inconclusive": self.inconclusive or "",
        }


def _endpoint(endpoint: EndpointFigures) -> dict[str, Any]:
    latency = {name: round(quantile.value, 3) for name, quantile in endpoint.latency.items()}
    if endpoint.latency_max_ms is not None:
        latency["max"] = round(endpoint.latency_max_ms, 3)
    return {
        "count": endpoint.count,
        "errors": endpoint.errors,
        "kinds": endpoint.kinds,
        "latency_ms": latency,
        "intervals_ms": {name: quantile.interval for name, quantile in endpoint.latency.items()},
        "service_ms": {name: round(value, 3) for name, value in endpoint.service_ms.items()},
    }
