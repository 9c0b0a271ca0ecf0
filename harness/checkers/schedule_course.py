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
        life = _life(run, history)
        cut = None
        if life.ended is not None and (run.ended is None or run.ended > life.ended):
            cut = max(life.ended, run.begun)
        told.append(Told(run, job.number(run.tick), cut, life))
    outages = [(one.run.tick, one.cut + rules.takeover) for one in told if one.cut is not None]
    return Course(job, tuple(told), tuple(outages))


def _life(run: Run, history: ScheduleHistory) -> Life:
    """The life in which the run began; where clocks disagree, the nearest one."""

    def distance(life: Life) -> float:
        ended = history.until if life.ended is None else life.ended
        return max(life.begun - run.begun, run.begun - ended, 0.0)

    return min(
        (one for one in history.lives if one.worker == run.worker),
        key=lambda one: (distance(one), -one.begun, repr(one)),
    )
