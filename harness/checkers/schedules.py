"""Schedules: every tick while a worker lived was run once, in its time, one run at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from harness.checkers.history import Span, overlaps, seconds
from harness.checkers.kinds import NoteKind, ScheduleKind
from harness.checkers.result import Anomaly, Checked, Finding, checked
from harness.checkers.schedule_course import Course, Told, course_of
from harness.checkers.schedule_history import Run, ScheduleHistory, ScheduleRules

Courses = list[Course]


def check_schedules(history: ScheduleHistory, rules: ScheduleRules) -> Checked:
    """Hold a history of scheduled runs against their contract."""
    courses = [course_of(job, history, rules) for job in history.jobs]
    return checked(rule(courses, history, rules) for rule in RULES)


def _double_run(courses: Courses, _: ScheduleHistory, rules: ScheduleRules) -> Finding:
    cases = 0
    found, notes = [], []
    for course in courses:
        ticks: dict[int, list[Told]] = defaultdict(list)
        for one in course.runs:
            if one.number is not None:
                ticks[one.number].append(one)
        cases += len(ticks)
        for first, second in (pair for runs in ticks.values() for pair in pairwise(runs)):
            what = f"{first.run.worker}, then {second.run.worker} ran {course.job.name} for {first.run.tick!r}"
            rows = (first.run, second.run)
            if first.cut is not None and second.run.begun >= first.cut - rules.tolerance:
                what += f"; the first one died at {first.cut!r}"
                notes.append(Anomaly(NoteKind.RESUMED_RUN, second.run.begun, what, rows))
            else:
                found.append(Anomaly(ScheduleKind.DOUBLE_RUN, second.run.begun, what, rows))
    return Finding(ScheduleKind.DOUBLE_RUN, cases, tuple(found), tuple(notes))


def _missed_tick(courses: Courses, history: ScheduleHistory, _: ScheduleRules) -> Finding:
    cases = 0
    found = []
    windows = list(_windows(history))
    for course in courses:
        job = course.job
        run = {one.number for one in course.runs}
        due = {
            number
            for begun, ended in windows
            for number in job.numbers(begun + job.interval, ended - job.interval)
            if number in run or course.excused_until(job.tick(number)) is None
        }
        cases += len(due)
        found += [
            Anomaly(ScheduleKind.MISSED_TICK, job.tick(number), f"nobody ran {job.name} for {job.tick(number)!r}", ())
            for number in due - run
        ]
    return Finding(ScheduleKind.MISSED_TICK, cases, tuple(found))


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


def _off_schedule(courses: Courses, _: ScheduleHistory, __: ScheduleRules) -> Finding:
    found = [
        Anomaly(
            ScheduleKind.OFF_SCHEDULE,
            one.run.tick,
            f"{one.run.worker} ran {course.job.name} for {one.run.tick!r}, which is no tick of its schedule",
            (one.run,),
        )
        for course in courses
        for one in course.runs
        if one.number is None
    ]
    return Finding(ScheduleKind.OFF_SCHEDULE, sum(len(course.runs) for course in courses), tuple(found))


def _overlapping_runs(courses: Courses, _: ScheduleHistory, rules: ScheduleRules) -> Finding:
    found = [
        Anomaly(
            ScheduleKind.OVERLAPPING_RUNS,
            second.begun,
            f"{first.row.worker} and {second.row.worker} ran {course.job.name} at once"
            f" for {seconds(min(first.ended, second.ended) - second.begun)}",
            (first.row, second.row),
        )
        for course in courses
        for first, second in overlaps([_span(one) for one in course.runs], rules.tolerance)
    ]
    return Finding(ScheduleKind.OVERLAPPING_RUNS, sum(max(0, len(course.runs) - 1) for course in courses), tuple(found))


def _span(one: Told) -> Span[Run]:
    """A run lasts to its end or its worker's; of a living worker's run without end that is another rule's business."""
    ended = one.cut if one.cut is not None else one.run.ended
    return Span(one.run.begun, one.run.begun if ended is None else ended, one.run)


def _early_run(courses: Courses, _: ScheduleHistory, rules: ScheduleRules) -> Finding:
    found = [
        Anomaly(
            ScheduleKind.EARLY_RUN,
            one.run.begun,
            f"{one.run.worker} began {course.job.name} {seconds(one.run.tick - one.run.begun)} before its tick",
            (one.run,),
        )
        for course in courses
        for one in course.runs
        if one.run.begun < one.run.tick - rules.tolerance
    ]
    return Finding(ScheduleKind.EARLY_RUN, sum(len(course.runs) for course in courses), tuple(found))


def _late_run(courses: Courses, _: ScheduleHistory, rules: ScheduleRules) -> Finding:
    found = []
    for course in courses:
        for one in course.runs:
            excused = course.excused_until(one.run.tick)
            due = max(one.run.tick + course.job.interval, one.run.tick if excused is None else excused)
            if one.run.begun > due + rules.allowance + rules.tolerance:
                what = (
                    f"{one.run.worker} began {course.job.name} {seconds(one.run.begun - one.run.tick)} after its tick"
                )
                found.append(Anomaly(ScheduleKind.LATE_RUN, one.run.begun, what, (one.run,)))
    return Finding(ScheduleKind.LATE_RUN, sum(len(course.runs) for course in courses), tuple(found))


def _never_ended(courses: Courses, history: ScheduleHistory, rules: ScheduleRules) -> Finding:
    cases = 0
    found = []
    for course in courses:
        for one in course.runs:
            lived = history.until if one.life.ended is None else one.life.ended
            due = one.run.begun + course.job.interval + rules.allowance
            overdue = one.run.ended is None and lived > due + rules.tolerance
            cases += overdue or one.run.ended is not None
            if overdue:
                what = (
                    f"{one.run.worker} never ended {course.job.name} for {one.run.tick!r},"
                    f" and lived for {seconds(lived - one.run.begun)}"
                )
                found.append(Anomaly(ScheduleKind.NEVER_ENDED, due, what, (one.run,)))
    return Finding(ScheduleKind.NEVER_ENDED, cases, tuple(found))


RULES = (
    _double_run,
    _missed_tick,
    _off_schedule,
    _overlapping_runs,
    _early_run,
    _late_run,
    _never_ended,
)
