"""The course of a job: its runs in order, those that a death cut off, and what that excuses."""

from __future__ import annotations

from dataclasses import dataclass

from harness.checkers.schedule_history import Job, Life, Run, ScheduleHistory, ScheduleRules


@dataclass(frozen=True, slots=True)
class Told:
    """A run with its tick's number, and when the life of its worker ended it (None if that did not)."""

    run: Run
    number: int | None
    cut: float | None
    life: Life


@dataclass(frozen=True, slots=True)
class Course:
    """A job with its runs in order, and the times in which its ticks may be late or missing."""

    job: Job
    runs: tuple[Told, ...]
    outages: tuple[tuple[float, float], ...]

    def excused_until(self, tick: float) -> float | None:
        """The end of the outage in which the tick is due."""
        return max((ended for begun, ended in self.outages if begun <= tick <= ended), default=None)


def course_of(job: Job, history: ScheduleHistory, rules: ScheduleRules) -> Course:
    """The course that a job took."""
    runs = sorted((run for run in history.runs if run.job == job.name), key=lambda run: (run.begun, repr(run)))
    told = []
    for run in runs:
        life = _life(run, history, rules)
        cut = None
        if life.ended is not None and (run.ended is None or run.ended > life.ended):
            cut = max(life.ended, run.begun)
        told.append(Told(run, job.number(run.tick), cut, life))
    outages = [(one.run.tick, one.cut + rules.takeover) for one in told if one.cut is not None]
    return Course(job, tuple(told), tuple(outages))


def _life(run: Run, history: ScheduleHistory, rules: ScheduleRules) -> Life:
    """The life in which the run began; the worker's first one if the clocks are that far apart."""
    lives = sorted((life for life in history.lives if life.worker == run.worker), key=lambda life: life.begun)
    begun = [life for life in lives if life.begun <= run.begun + rules.tolerance]
    return begun[-1] if begun else lives[0]
