"""Which rate is sustained: each stage looked at alone, while it runs and again from the samples.

What stops a step may be the generator. Then the service's limit is not known, and is not called known.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.load.plan import LoadPlan, Stage
from harness.load.result import Step
from harness.load.samples import Samples
from harness.load.summary import lateness_p99_ms

ERROR_SHARE = 0.01
"""A step with more errors than this is not sustained."""
ANSWERED_SHARE = 0.9
"""Nor is one in which fewer requests are answered than this share of those that come."""
KNEE_FACTOR = 10.0
"""Nor is one whose p95 is this many times the first step's, and"""
KNEE_FLOOR_MS = 50.0
"""above this: ten times next to nothing is still next to nothing."""

_WHOLE = 0.9
"""Of a run that was ended early, the last stage counts if its arrivals reach this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Cumulative counts of all workers at the end of second `t`, and how late and slow that second was."""

    t: int
    reached: int
    finished: int
    failed: int
    dropped: int
    in_flight: int
    late_ms: float | None
    p95_ms: float | None


@dataclass(slots=True)
class Watch:
    """Follows a run that looks for the knee; tells when to end it."""

    plan: LoadPlan
    _beats: list[Beat] = field(default_factory=list)
    _done: int = 0
    _first: Step | None = None

    def look(self, beat: Beat) -> str | None:
        """Why the run should end now; None if it should go on."""
        self._beats.append(beat)
        begin = sum(stage.seconds for stage in self.plan.stages[: self._done])
        if self._done >= len(self.plan.stages) or beat.t < begin + self.plan.stages[self._done].seconds:
            return None
        stage = self.plan.stages[self._done]
        self._done += 1
        beats, self._beats = self._beats, [beat]
        if stage.warm_up or len(beats) < 2:
            return None
        step = ruled(_live_step(stage, beats), self._first, self.plan.lateness_limit_s * 1000)
        if self._first is None:
            self._first = step
        return f"{step.name}: {step.why_not}" if step.why_not else None


def steps(plan: LoadPlan, samples: Samples, *, cut_off: bool) -> tuple[Step, ...]:
    """The figures of every stage that came due and does not warm up; the last one not if it was `cut_off`."""
    limit_ms = plan.lateness_limit_s * 1000
    found: list[Step] = []
    begin, lag = 0.0, None
    last = int(samples.stage[-1]) if len(samples) else 0
    for number, stage in enumerate(plan.stages):
        rows = samples.where(samples.stage == number)
        broken = cut_off and number == last and samples.due[-1] < begin + _WHOLE * stage.seconds
        if len(rows) and not stage.warm_up and not broken:
            # an answer takes its time even where nothing queues: look at the stage as the first one's median shows it
            lag = _median_s(rows) if lag is None else lag
            since, until = begin + lag, begin + lag + stage.seconds
            answered = (samples.done >= since) & (samples.done < until) & (samples.status >= 100)
            step = _step(stage, number, rows, int(answered.sum()))
            found.append(ruled(step, found[0] if found else None, limit_ms))
        begin += stage.seconds
    return tuple(found)


def sustained_stages(plan: LoadPlan, found: Sequence[Step]) -> list[int]:
    """Numbers of the stages below the knee; of all that count if there is no knee, or nothing below it."""
    counting = [number for number, stage in enumerate(plan.stages) if not stage.warm_up]
    below = next((number for number, step in enumerate(found) if step.why_not), len(found))
    return counting[:below] if plan.stop_at_knee and below else counting


def ruled(step: Step, first: Step | None, lateness_limit_ms: float) -> Step:
    """The step with the reason why it is not sustained, if it is not."""
    if step.lateness_p99_ms is not None and step.lateness_p99_ms > lateness_limit_ms:
        return replace(step, whose="generator", why_not=f"the generator was {step.lateness_p99_ms:.0f} ms late (p99)")
    if step.error_rate > ERROR_SHARE:
        return replace(step, whose="service", why_not=f"{step.error_rate:.1%} of the requests failed")
    if step.achieved_rps < ANSWERED_SHARE * step.arrived_rps:
        reason = f"{step.achieved_rps:.0f} answers a second to {step.arrived_rps:.0f} requests"
        return replace(step, whose="service", why_not=reason)
    knee = max(KNEE_FLOOR_MS, KNEE_FACTOR * first.p95_ms) if first and first.p95_ms is not None else None
    if knee is not None and step.p95_ms is not None and step.p95_ms > knee:
        return replace(step, whose="service", why_not=f"p95 is {step.p95_ms:.0f} ms, above {knee:.0f} ms")
    return step


def _median_s(rows: Samples) -> float:
    timed = rows.latency_ms[rows.timed]
    return float(np.median(timed)) / 1000 if len(timed) else 0.0


def _step(stage: Stage, number: int, rows: Samples, answered: int) -> Step:
    timed = rows.latency_ms[rows.timed]
    return Step(
        name=stage.name or f"stage {number + 1}",
        offered_rps=stage.arrivals / stage.seconds,
        arrived_rps=len(rows) / stage.seconds,
        achieved_rps=answered / stage.seconds,
        error_rate=float(rows.failed.mean()),
        p95_ms=float(np.quantile(timed, 0.95, method="inverted_cdf")) if len(timed) else None,
        lateness_p99_ms=lateness_p99_ms(rows),
        why_not="",
    )


def _live_step(stage: Stage, beats: list[Beat]) -> Step:
    first, last = beats[0], beats[-1]
    span = last.t - first.t
    reached = last.reached - first.reached
    finished = last.finished - first.finished
    bad = last.failed - first.failed + last.dropped - first.dropped
    late = [beat.late_ms for beat in beats[1:] if beat.late_ms is not None]
    slow = [beat.p95_ms for beat in beats[1:] if beat.p95_ms is not None]
    # answers under way are no backlog, unless they are those of a whole second
    behind = last.in_flight * span > reached
    return Step(
        name=stage.name,
        offered_rps=stage.arrivals / stage.seconds,
        arrived_rps=reached / span,
        achieved_rps=(finished if behind else reached) / span,
        error_rate=bad / reached if reached else 0.0,
        p95_ms=statistics.median(slow) if slow else None,
        lateness_p99_ms=statistics.median(late) if late else None,
        why_not="",
    )
