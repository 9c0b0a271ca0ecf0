"""The history of scheduled jobs: which tick was run by whom and when, and which workers lived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.checkers.history import check_rules, check_span, check_times

_SAME_TICK_S = 1e-3
"""Ticks are computed, not read from a clock; only rounding parts equal ones (databases keep microseconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is due every `interval` seconds, at `phase` and whole intervals before and after it."""

    name: str
    interval: float
    phase: float = 0.0

    def __post_init__(self) -> None:
        check_rules(self, positive=[self.interval], other=[])
        check_times(self, self.phase)

    def number(self, tick: float) -> int | None:
        """Which tick this is; None if the schedule has no such one."""
        number = round((tick - self.phase) / self.interval)
        return number if abs(self.tick(number) - tick) <= _SAME_TICK_S else None

    def tick(self, number: int) -> float:
        """When this tick is due."""
        return self.phase + number * self.interval

    def numbers(self, begun: float, ended: float) -> Iterator[int]:
        """All ticks from `begun` to `ended`, both included."""
        number = round((begun - self.phase) / self.interval) - 1
        while self.tick(number) <= ended + _SAME_TICK_S:
            if self.tick(number) >= begun - _SAME_TICK_S:
                yield number
            number += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A worker ran a job for a tick. `ended` is None if no end was recorded while it was watched."""

    job: str
    tick: float
    worker: str
    token: int
    begun: float
    ended: float | None = None
    outcome: str = ""

    def __post_init__(self) -> None:
        check_span(self, self.begun, self.ended)
        check_times(self, self.tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A worker was up and working. A frozen one that goes on has two lives; `ended` is None if it was up to the end."""

    worker: str
    begun: float
    ended: float | None = None

    def __post_init__(self) -> None:
        check_span(self, self.begun, self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleHistory:
    """All that was seen of some jobs until `until`. Every run is of one of the jobs, by one of the workers."""

    jobs: tuple[Job, ...]
    runs: tuple[Run, ...]
    lives: tuple[Life, ...]
    until: float

    def __post_init__(self) -> None:
        check_times(self, self.until)
        _known("job", [run.job for run in self.runs], [job.name for job in self.jobs])
        _known("worker", [run.worker for run in self.runs], [life.worker for life in self.lives])
        if any(
            begun > self.until for begun in [*(run.begun for run in self.runs), *(life.begun for life in self.lives)]
        ):
            raise ValueError(f"runs or lives begin after the history's end at {self.until}")


def _known(what: str, names: list[str], known: list[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"runs of an unknown {what}: {unknown}; known are {sorted(set(known))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRules:
    """The contract of the schedules, in seconds."""

    allowance: float = 0.0
    """How long after the next tick a run may still begin."""
    takeover: float = 0.0
    """How long after the death of a worker amid a run the ticks of that job may be missing or late."""
    tolerance: float = 0.0
    """How far two clocks of the history may be apart."""

    def __post_init__(self) -> None:
        check_rules(self, positive=[], other=[self.allowance, self.takeover, self.tolerance])
