"""Scheduled jobs: every tick while a worker lived was run once, in its time, one run at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.checkers.history import RowSpan, check_rules, check_span, check_times, overlaps, seconds
from harness.checkers.kinds import NoteKind, ScheduleKind
from harness.checkers.result import Anomaly, Checked, RuleResult, checked

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
class ScheduledRun:
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
    runs: tuple[ScheduledRun, ...]
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


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run with its tick's number, and when the life of its worker ended it (None if that did not)."""

    run: ScheduledRun
    number: int | None
    cut: float | None
    life: Life


@dataclass(frozen=True, slots=True)
class JobTimeline:
    """A job with its runs in order, and the times in which its ticks may be late or missing."""

    job: Job
    runs: tuple[JobRun, ...]
    outages: tuple[tuple[float, float], ...]

    def excused_until(self, tick: float) -> float | None:
        """The end of the outage in which the tick is due."""
        return max((ended for begun, ended in self.outages if begun <= tick <= ended), default=None)


def _timeline_of(job: Job, history: ScheduleHistory, rules: ScheduleRules) -> JobTimeline:
    """What a job did, put together."""
    runs = sorted((run for run in history.runs if run.job == job.name), key=lambda run: (run.begun, repr(run)))
    timed = []
    for run in runs:
        life = _life(run, history)
        cut = None
        if life.ended is not None and (run.ended is None or run.ended > life.ended):
            cut = max(life.ended, run.begun)
        timed.append(JobRun(run, job.number(run.tick), cut, life))
    outages = [(one.run.tick, one.cut + rules.takeover) for one in timed if one.cut is not None]
    return JobTimeline(job, tuple(timed), tuple(outages))


def _life(run: ScheduledRun, history: ScheduleHistory) -> Life:
    """The life in which the run began; where clocks disagree, the nearest one."""

    def distance(life: Life) -> float:
        ended = history.until if life.ended is None else life.ended
        return max(life.begun - run.begun, run.begun - ended, 0.0)

    return min(
        (one for one in history.lives if one.worker == run.worker),
        key=lambda one: (distance(one), -one.begun, repr(one)),
    )


JobTimelines = list[JobTimeline]


def check_schedules(history: ScheduleHistory, rules: ScheduleRules) -> Checked:
    """Hold a history of scheduled runs against their contract."""
    timelines = [_timeline_of(job, history, rules) for job in history.jobs]
    return checked(rule(timelines, history, rules) for rule in RULES)


def _double_run(timelines: JobTimelines, _: ScheduleHistory, rules: ScheduleRules) -> RuleResult:
    cases = 0
    found, notes = [], []
    for timeline in timelines:
        ticks: dict[int, list[JobRun]] = defaultdict(list)
        for one in timeline.runs:
            if one.number is not None:
                ticks[one.number].append(one)
        cases += len(ticks)
        for first, second in (pair for runs in ticks.values() for pair in pairwise(runs)):
            what = f"{first.run.worker}, then {second.run.worker} ran {timeline.job.name} for {first.run.tick!r}"
            rows = (first.run, second.run)
            if first.cut is not None and second.run.begun >= first.cut - rules.tolerance:
                what += f"; the first one died at {first.cut!r}"
                notes.append(Anomaly(NoteKind.RESUMED_RUN, second.run.begun, what, rows))
            else:
                found.append(Anomaly(ScheduleKind.DOUBLE_RUN, second.run.begun, what, rows))
    return RuleResult(ScheduleKind.DOUBLE_RUN, cases, tuple(found), tuple(notes))


def _missed_tick(timelines: JobTimelines, history: ScheduleHistory, _: ScheduleRules) -> RuleResult:
    cases = 0
    found = []
    windows = list(_windows(history))
    for timeline in timelines:
        job = timeline.job
        run = {one.number for one in timeline.runs}
        due = {
            number
            for begun, ended in windows
            for number in job.numbers(begun + job.interval, ended - job.interval)
            if number in run or timeline.excused_until(job.tick(number)) is None
        }
        cases += len(due)
        found += [
            Anomaly(ScheduleKind.MISSED_TICK, job.tick(number), f"nobody ran {job.name} for {job.tick(number)!r}", ())
            for number in due - run
        ]
    return RuleResult(ScheduleKind.MISSED_TICK, cases, tuple(found))


def _windows(history: ScheduleHistory) -> Iterator[tuple[float, float]]:
    """The times in which at least one worker lived."""
    lives = sorted((life.begun, history.until if life.ended is None else life.ended) for life in history.lives)
    if not lives:
        return
    begun, ended = lives[0]
    for next_begun, next_ended in lives[1:]:
        if next_begun > ended:
            yield begun, ended
            begun, ended = next_begun, next_ended
        ended = max(ended, next_ended)
    yield begun, ended


def _off_schedule(timelines: JobTimelines, _: ScheduleHistory, __: ScheduleRules) -> RuleResult:
    found = [
        Anomaly(
            ScheduleKind.OFF_SCHEDULE,
            one.run.tick,
            f"{one.run.worker} ran {timeline.job.name} for {one.run.tick!r}, which is no tick of its schedule",
            (one.run,),
        )
        for timeline in timelines
        for one in timeline.runs
        if one.number is None
    ]
    return RuleResult(ScheduleKind.OFF_SCHEDULE, sum(len(timeline.runs) for timeline in timelines), tuple(found))


def _overlapping_runs(timelines: JobTimelines, _: ScheduleHistory, rules: ScheduleRules) -> RuleResult:
    found = [
        Anomaly(
            ScheduleKind.OVERLAPPING_RUNS,
            second.begun,
            f"{first.row.worker} and {second.row.worker} ran {timeline.job.name} at once"
            f" for {seconds(min(first.ended, second.ended) - second.begun)}",
            (first.row, second.row),
        )
        for timeline in timelines
        for first, second in overlaps([_span(one) for one in timeline.runs], rules.tolerance)
    ]
    return RuleResult(
        ScheduleKind.OVERLAPPING_RUNS, sum(max(0, len(timeline.runs) - 1) for timeline in timelines), tuple(found)
    )


def _span(one: JobRun) -> RowSpan[ScheduledRun]:
    """A run lasts to its end or its worker's; of a living worker's run without end that is another rule's business."""
    ended = one.cut if one.cut is not None else one.run.ended
    return RowSpan(one.run.begun, one.run.begun if ended is None else ended, one.run)


def _early_run(timelines: JobTimelines, _: ScheduleHistory, rules: ScheduleRules) -> RuleResult:
    found = [
        Anomaly(
            ScheduleKind.EARLY_RUN,
            one.run.begun,
            f"{one.run.worker} began {timeline.job.name} {seconds(one.run.tick - one.run.begun)} before its tick",
            (one.run,),
        )
        for timeline in timelines
        for one in timeline.runs
        if one.run.begun < one.run.tick - rules.tolerance
    ]
    return RuleResult(ScheduleKind.EARLY_RUN, sum(len(timeline.runs) for timeline in timelines), tuple(found))


def _late_run(timelines: JobTimelines, _: ScheduleHistory, rules: ScheduleRules) -> RuleResult:
    found = []
    for timeline in timelines:
        for one in timeline.runs:
            excused = timeline.excused_until(one.run.tick)
            due = max(one.run.tick + timeline.job.interval, one.run.tick if excused is None else excused)
            if one.run.begun > due + rules.allowance + rules.tolerance:
                what = (
                    f"{one.run.worker} began {timeline.job.name} {seconds(one.run.begun - one.run.tick)} after its tick"
                )
                found.append(Anomaly(ScheduleKind.LATE_RUN, one.run.begun, what, (one.run,)))
    return RuleResult(ScheduleKind.LATE_RUN, sum(len(timeline.runs) for timeline in timelines), tuple(found))


def _never_ended(timelines: JobTimelines, history: ScheduleHistory, rules: ScheduleRules) -> RuleResult:
    cases = 0
    found = []
    for timeline in timelines:
        for one in timeline.runs:
            lived = history.until if one.life.ended is None else one.life.ended
            due = one.run.begun + timeline.job.interval + rules.allowance
            overdue = one.run.ended is None and lived > due + rules.tolerance
            cases += overdue or one.run.ended is not None
            if overdue:
                what = (
                    f"{one.run.worker} never ended {timeline.job.name} for {one.run.tick!r},"
                    f" and lived for {seconds(lived - one.run.begun)}"
                )
                found.append(Anomaly(ScheduleKind.NEVER_ENDED, due, what, (one.run,)))
    return RuleResult(ScheduleKind.NEVER_ENDED, cases, tuple(found))


RULES = (_double_run, _missed_tick, _off_schedule, _overlapping_runs, _early_run, _late_run, _never_ended)
