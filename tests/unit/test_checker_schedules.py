"""Schedules: literal histories in, the whole result out; then generated ones with one mistake planted."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers import (
    Anomaly,
    Checked,
    Job,
    Life,
    NoteKind,
    ScheduledRun,
    ScheduleHistory,
    ScheduleKind,
    ScheduleRules,
    check_schedules,
)

RULES = ScheduleRules(allowance=2.0, takeover=15.0, tolerance=0.25)
JOB = Job(name="alerts", interval=10.0)
UP = (Life(worker="a", begun=95.0), Life(worker="b", begun=95.0))


def run(tick, begun, ended, worker="a", job="alerts", outcome="ok"):
    return ScheduledRun(job=job, tick=tick, worker=worker, token=1, begun=begun, ended=ended, outcome=outcome)


def history(*runs, lives=UP, until=125.0, jobs=(JOB,)):
    """Ticks 110 (and by a longer watch 120 and more) are due."""
    return ScheduleHistory(jobs=jobs, runs=runs, lives=lives, until=until)


TICK = run(110.0, 110.0, 112.0)
AGAIN = run(110.0, 113.0, 114.0, "b", outcome="failed")
OTHER = run(113.0, 113.0, 114.0, "b")
LONG = run(110.0, 110.0, 120.5)
NEXT = run(120.0, 120.0, 121.0, "b")
EARLY = run(110.0, 109.5, 112.0)
LATE = run(110.0, 122.5, 123.0)
OPEN = run(110.0, 110.0, None)
DIED = (Life(worker="a", begun=95.0, ended=111.0), UP[1])
DIED_LATER = (Life(worker="a", begun=95.0, ended=119.0), UP[1])
RESUMED = run(110.0, 120.0, 121.0, "b")
TOO_SOON = run(110.0, 110.5, 110.625, "b")

VIOLATIONS = {
    "a tick run twice, the second run failed": (
        history(TICK, AGAIN),
        Anomaly(ScheduleKind.DOUBLE_RUN, 113.0, "a, then b ran alerts for 110.0", (TICK, AGAIN)),
    ),
    "a tick that nobody ran": (
        history(TICK, until=130.0),
        Anomaly(ScheduleKind.MISSED_TICK, 120.0, "nobody ran alerts for 120.0", ()),
    ),
    "no run at all": (
        history(),
        Anomaly(ScheduleKind.MISSED_TICK, 110.0, "nobody ran alerts for 110.0", ()),
    ),
    "a worker with a schedule of its own": (
        history(TICK, OTHER),
        Anomaly(ScheduleKind.OFF_SCHEDULE, 113.0, "b ran alerts for 113.0, which is no tick of its schedule", (OTHER,)),
    ),
    "overlapping runs": (
        history(LONG, NEXT),
        Anomaly(ScheduleKind.OVERLAPPING_RUNS, 120.0, "a and b ran alerts at once for 0.5 s", (LONG, NEXT)),
    ),
    "a run before its tick": (
        history(EARLY),
        Anomaly(ScheduleKind.EARLY_RUN, 109.5, "a began alerts 0.5 s before its tick", (EARLY,)),
    ),
    "a run after the next tick": (
        history(LATE),
        Anomaly(ScheduleKind.LATE_RUN, 122.5, "a began alerts 12.5 s after its tick", (LATE,)),
    ),
    "a run that never ended": (
        history(OPEN),
        Anomaly(ScheduleKind.NEVER_ENDED, 122.0, "a never ended alerts for 110.0, and lived for 15 s", (OPEN,)),
    ),
    "a tick missed long after a death": (
        history(run(110.0, 110.0, None), lives=DIED, until=140.0),
        Anomaly(ScheduleKind.MISSED_TICK, 130.0, "nobody ran alerts for 130.0", ()),
    ),
}

NEAR_MISSES = {
    "the next tick": (ScheduleKind.DOUBLE_RUN, history(TICK, NEXT)),
    "the same tick of another job": (
        ScheduleKind.DOUBLE_RUN,
        history(TICK, run(110.0, 110.0, 112.0, job="prices"), jobs=(JOB, Job(name="prices", interval=10.0))),
    ),
    "a tick within an interval of the end": (ScheduleKind.MISSED_TICK, history(TICK, until=129.5)),
    "a tick while nobody lived": (
        ScheduleKind.MISSED_TICK,
        history(
            TICK,
            run(160.0, 160.0, 161.0, "b"),
            lives=(Life(worker="a", begun=95.0, ended=125.0), Life(worker="b", begun=145.0)),
            until=175.0,
        ),
    ),
    "a failed run is a run": (ScheduleKind.MISSED_TICK, history(replace(TICK, outcome="failed"))),
    "a tick missed soon after a death": (
        ScheduleKind.MISSED_TICK,
        history(run(110.0, 110.0, None), lives=DIED, until=139.5),
    ),
    "ticks as a database rounds them": (ScheduleKind.OFF_SCHEDULE, history(run(110.000001, 110.0, 112.0))),
    "one worker after the other": (ScheduleKind.OVERLAPPING_RUNS, history(run(110.0, 110.0, 120.25), NEXT)),
    "a run early by the clock's tolerance": (ScheduleKind.EARLY_RUN, history(run(110.0, 109.75, 112.0))),
    "a run at the last moment": (ScheduleKind.LATE_RUN, history(run(110.0, 122.25, 123.0))),
    "a late run after a death": (
        ScheduleKind.LATE_RUN,
        history(OPEN, run(120.0, 133.0, 134.0, "b"), run(130.0, 135.0, 136.0, "b"), lives=DIED_LATER, until=138.0),
    ),
    "a run that ended late": (ScheduleKind.NEVER_ENDED, history(run(110.0, 110.0, 125.0), until=125.0)),
}

NO_CASES = {
    "a window of less than two intervals": (ScheduleKind.MISSED_TICK, history(lives=UP, until=114.5)),
    "no worker": (ScheduleKind.MISSED_TICK, history(lives=())),
    "a run still going on": (ScheduleKind.NEVER_ENDED, history(OPEN, until=122.25)),
    "a run of a worker that died": (ScheduleKind.NEVER_ENDED, history(OPEN, lives=DIED)),
    "a single run": (ScheduleKind.OVERLAPPING_RUNS, history(TICK)),
}


@pytest.mark.parametrize(("seen", "anomaly"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_found_and_nothing_else(seen, anomaly):
    found = check_schedules(seen, RULES)
    assert (found.anomalies, found.notes) == ((anomaly,), ())
    assert found.validity_of(anomaly.kind) == "false"


@pytest.mark.parametrize(("kind", "seen"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_near_miss_is_considered_and_valid(kind, seen):
    found = check_schedules(seen, RULES)
    assert (found.anomalies, found.notes) == ((), ())
    assert found.validity_of(kind) == "true"


@pytest.mark.parametrize(("kind", "seen"), NO_CASES.values(), ids=NO_CASES)
def test_what_could_not_go_wrong_proves_nothing(kind, seen):
    found = check_schedules(seen, RULES)
    assert found.anomalies == ()
    assert found.validity_of(kind) == "unknown"


def test_every_kind_has_a_violation_and_a_near_miss():
    assert {anomaly.kind for _, anomaly in VIOLATIONS.values()} == set(ScheduleKind)
    assert {kind for kind, _ in NEAR_MISSES.values()} == set(ScheduleKind)


def test_a_run_resumed_after_a_death_is_noted():
    found = check_schedules(history(OPEN, RESUMED, lives=DIED), RULES)
    what = "a, then b ran alerts for 110.0; the first one died at 111.0"
    assert found == Checked(
        anomalies=(),
        notes=(Anomaly(NoteKind.RESUMED_RUN, 120.0, what, (OPEN, RESUMED)),),
        cases={
            ScheduleKind.DOUBLE_RUN: 1,
            ScheduleKind.MISSED_TICK: 1,
            ScheduleKind.OFF_SCHEDULE: 2,
            ScheduleKind.OVERLAPPING_RUNS: 1,
            ScheduleKind.EARLY_RUN: 2,
            ScheduleKind.LATE_RUN: 2,
            ScheduleKind.NEVER_ENDED: 1,
        },
    )


def test_a_frozen_worker_that_goes_on_does_not_overlap_the_one_that_resumed():
    frozen = run(110.0, 110.0, 124.0)
    lives = (Life(worker="a", begun=95.0, ended=111.0), Life(worker="a", begun=123.0), UP[1])
    found = check_schedules(history(frozen, RESUMED, lives=lives), RULES)
    assert (found.anomalies, [note.kind for note in found.notes]) == ((), [NoteKind.RESUMED_RUN])


def test_a_run_before_the_first_one_died_is_no_resumption():
    found = check_schedules(history(OPEN, TOO_SOON, lives=DIED), RULES)
    assert [anomaly.kind for anomaly in found.anomalies] == [ScheduleKind.DOUBLE_RUN, ScheduleKind.OVERLAPPING_RUNS]
    assert found.notes == ()


def test_a_history_of_nothing_is_unknown():
    found = check_schedules(history(lives=(), jobs=()), RULES)
    assert (found.considered, found.validity, set(found.cases)) == (0, "unknown", set(ScheduleKind))


# --- generated histories, in quarters of a second: sums of them are exact


@st.composite
def valid_histories(draw):
    """Each tick is run by one of two workers that live to the end."""
    jobs, runs = [], []
    for number in range(draw(st.integers(1, 3))):
        interval, phase = draw(st.integers(16, 80)) / 4, draw(st.integers(-40, 40)) / 4
        job = Job(name=f"job-{number}", interval=interval, phase=phase)
        jobs.append(job)
        for tick in map(job.tick, job.numbers(100.0, 216.0)):
            begun = tick + draw(st.integers(0, 4)) / 4
            ended = begun + draw(st.integers(1, 8)) / 4
            worker, outcome = draw(st.sampled_from("ab")), draw(st.sampled_from(["ok", "failed"]))
            runs.append(run(tick, begun, ended, worker, job.name, outcome))
    lives = tuple(Life(worker=worker, begun=100.0) for worker in "ab")
    return history(*runs, lives=lives, until=220.0, jobs=tuple(jobs))


def plant(kind, seen):
    """One mistake of this kind, at a run that lies well within the window."""
    job = seen.jobs[0]
    one = next(one for one in seen.runs if one.job == job.name and one.tick >= 140)
    match kind:
        case ScheduleKind.DOUBLE_RUN:
            changed = [one, replace(one, begun=one.ended, ended=one.ended + 0.25)]
        case ScheduleKind.MISSED_TICK:
            changed = []
        case ScheduleKind.OFF_SCHEDULE:
            changed = [one, replace(one, tick=one.tick + 0.5, begun=one.ended + 0.25, ended=one.ended + 0.5)]
        case ScheduleKind.OVERLAPPING_RUNS:
            changed = [replace(one, ended=one.tick + job.interval + 1.75)]
        case ScheduleKind.EARLY_RUN:
            changed = [replace(one, begun=one.tick - 0.5)]
        case ScheduleKind.LATE_RUN:
            after_next = one.tick + job.interval + 3.25
            changed = [replace(one, begun=after_next, ended=after_next + 0.5)]
        case _:
            changed = [replace(one, ended=None)]
    return replace(seen, runs=(*(run for run in seen.runs if run is not one), *changed))


@given(valid_histories())
def test_a_history_as_it_should_be_has_no_anomaly(seen):
    found = check_schedules(seen, RULES)
    assert (found.anomalies, found.notes) == ((), ())
    assert found.validity_of(*ScheduleKind) == "true"


@pytest.mark.parametrize("kind", ScheduleKind)
@settings(max_examples=25)
@given(seen=valid_histories())
def test_one_mistake_is_found_as_what_it_is(kind, seen):
    found = check_schedules(plant(kind, seen), RULES)
    assert [anomaly.kind for anomaly in found.anomalies] == [kind]
    assert found.notes == ()


times = st.integers(0, 160).map(lambda number: number / 4)


@st.composite
def any_histories(draw):
    """Rows without sense."""
    runs, lives = [], [Life(worker=worker, begun=0.0, ended=0.5) for worker in "ab"]
    for _ in range(draw(st.integers(0, 8))):
        begun, ended = sorted((draw(times), draw(times)))
        tick = draw(st.sampled_from([begun, 10.0, 20.0, 30.0]))
        runs.append(run(tick, begun, draw(st.sampled_from([None, ended])), draw(st.sampled_from("ab"))))
    for _ in range(draw(st.integers(0, 4))):
        begun, ended = sorted((draw(times), draw(times)))
        lives.append(Life(worker=draw(st.sampled_from("ab")), begun=begun, ended=draw(st.sampled_from([None, ended]))))
    return history(*runs, lives=tuple(lives), until=50.0)


@given(seen=any_histories(), data=st.data())
def test_the_order_of_rows_does_not_matter(seen, data):
    runs, lives = data.draw(st.permutations(seen.runs)), data.draw(st.permutations(seen.lives))
    shuffled = replace(seen, runs=tuple(runs), lives=tuple(lives))
    assert check_schedules(shuffled, RULES) == check_schedules(seen, RULES)


@given(seen=any_histories(), tolerances=st.tuples(times, times).map(sorted))
def test_more_tolerance_finds_nothing_more(seen, tolerances):
    strict, lenient = (check_schedules(seen, replace(RULES, tolerance=tolerance)).anomalies for tolerance in tolerances)
    assert {(one.kind, one.rows[-1:] or one.at) for one in lenient} <= {
        (one.kind, one.rows[-1:] or one.at) for one in strict
    }
