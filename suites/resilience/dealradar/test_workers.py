"""Two workers share the jobs: each tick runs once, and a job comes from a worker that is gone to one that is there."""

import json
import statistics
import time
from functools import partial
from itertools import pairwise

import psycopg
import pytest

from harness.testing import eventually as wait_until
from harness.testing.checkers import (
    Death,
    Hold,
    Job,
    Life,
    LockHistory,
    LockKind,
    LockReading,
    LockRules,
    ScheduledRun,
    ScheduleHistory,
    ScheduleKind,
    ScheduleRules,
    Validity,
    Write,
    check_locks,
    check_schedules,
)

TTL, JOBS = 2, {"alerts": 2, "imports": 2, "rollup": 2, "cleanup": 3, "warm": 3}
SETTINGS = {"LOCK_TTL_SECONDS": str(TTL), "JOBS": ",".join(f"{job}={seconds}" for job, seconds in JOBS.items())}
pytestmark = [pytest.mark.breaks, pytest.mark.writes, pytest.mark.rig(instances=3, workers=2, env=SETTINGS)]
# TTL + 2 s is the promise; the tolerance is for a machine that is busy with other suites.
LOCKS = LockRules(ttl=TTL, takeover=2, tolerance=0.5)
SCHEDULES = ScheduleRules(allowance=1, takeover=TTL + 2, tolerance=0.05)
FENCED_OFF, ENDLESS = "DR001", -1  # -1: what PTTL says of a key without an expiry
SOURCE = "service/README.md"
TAKEN_OVER = (LockKind.LATE_TAKEOVER, LockKind.TWO_HOLDERS, LockKind.TOKEN_ORDER, LockKind.TOKEN_SHARED)
ONCE = (ScheduleKind.DOUBLE_RUN, ScheduleKind.OVERLAPPING_RUNS, ScheduleKind.OFF_SCHEDULE, ScheduleKind.EARLY_RUN)


eventually = partial(wait_until, seconds=45)


class Crew:
    """The two workers, what they hold, and what they did since a moment. All times are of the machine's one clock."""

    def __init__(self, rig):
        self.rig, self.db, self.keys = rig, rig.database(), rig.cache()
        self.deaths: list[Death] = []
        self.granted: dict[tuple[str, int], tuple[str, float]] = {}
        self.renewed: dict[tuple[str, int], list[float]] = {}
        self.let_go: set[tuple[str, int]] = set()
        eventually(self.settled, "both workers hold jobs", explain=self.state)
        self.began = time.time()

    def close(self):
        self.db.close()
        self.keys.close()

    def holders(self):
        """Job -> (worker, fence); every grant that is seen is kept."""
        rows = self.db.execute(
            "SELECT name, holder, fence, extract(epoch FROM held_since)::float8 FROM jobs WHERE holder IS NOT NULL"
        ).fetchall()
        self.granted |= {(job, fence): (holder, since) for job, holder, fence, since in rows}
        return {job: (holder, fence) for job, holder, fence, _ in rows}

    def holder(self, job):
        """(worker, fence) of a job; now and then it is on its way from one worker to another."""
        return eventually(lambda: self.holders().get(job), f"{job} is held")

    def process(self, worker):
        """The process of a worker's name."""
        return next(one for one in self.rig.workers if worker.startswith(self.calls_itself(one)))

    def calls_itself(self, process):
        """How the names begin that a process gives itself."""
        host, pid = self.rig.identity(process)
        return f"{host}-{pid}-"

    def lives_as(self, process):
        """The name that a process gave itself at its newest start: in a container every start has the same pid."""
        lines = [line for line in self.rig.logs(process).splitlines() if '"worker started"' in line]
        return json.loads(lines[-1])["worker"] if lines else ""

    def settled(self):
        """Each job is held by a worker that lives, and none holds more than its share."""
        held = [worker for worker, _ in self.holders().values()]
        shares = [held.count(self.lives_as(one)) for one in self.rig.workers]
        # all of them: where the shares are odd, one more may still be a dead worker's
        return sum(shares) == len(JOBS) and max(shares) - min(shares) <= 1

    def dies(self, worker):
        """A worker was killed or frozen just now; what is left of its locks says when it renewed them."""
        held = [(job, fence) for job, (holder, fence) in self.holders().items() if holder == worker]
        self.deaths.append(Death(worker=worker, at=time.time()))
        for job, fence in held:
            key = f"dr:lock:job:{job}"
            # The clock first: what it takes to ask makes a lock look older, never younger than it is.
            now = time.time()
            left, owner = self.keys.pttl(key) / 1_000, self.keys.get(key) or ""
            if not owner.startswith(f"{worker}:"):
                # let go just before the worker died, or run out since: nothing tells until when it was claimed
                self.let_go.add((job, fence))
                continue
            # what was granted only just now was not renewed before, by whichever clock
            self.renewed[job, fence] = [max(now - TTL + left, self.began, self.granted[job, fence][1])]

    def returns(self, worker):
        """A worker that was frozen goes on."""
        (death,) = self.deaths
        self.rig.thaw(self.process(worker))
        self.deaths = [Death(worker=worker, at=death.at, back=time.time())]

    def taken_from(self, worker):
        """Once none of the worker's jobs is its own any more."""
        eventually(
            lambda: len(held := self.holders()) == len(JOBS) and worker not in {one for one, _ in held.values()},
            f"the jobs of {worker} are taken over",
        )

    def runs(self):
        rows = self.db.execute(
            "SELECT job, extract(epoch FROM tick)::float8, worker, fence, extract(epoch FROM began_at)::float8,"
            " extract(epoch FROM ended_at)::float8, outcome FROM job_runs WHERE began_at >= to_timestamp(%s)",
            [self.began],
        )
        return tuple(
            ScheduledRun(
                job=job, tick=tick, worker=worker, token=fence, begun=begun, ended=ended, outcome=outcome or ""
            )
            for job, tick, worker, fence, begun, ended, outcome in rows
        )

    def schedules(self):
        """What the checker says of all ticks since the beginning; times of death part the lives of a worker."""
        runs, until = self.runs(), time.time()
        workers = {run.worker for run in runs} | {worker for worker, _ in self.granted.values()}
        lives = []
        for worker in workers:
            begun = self.began
            for death in (one for one in self.deaths if one.worker == worker):
                lives.append(Life(worker=worker, begun=begun, ended=death.at))
                begun = death.back
            if begun is not None:
                lives.append(Life(worker=worker, begun=begun))
        jobs = tuple(Job(name=job, interval=seconds) for job, seconds in JOBS.items())
        return check_schedules(ScheduleHistory(jobs=jobs, runs=runs, lives=tuple(lives), until=until), SCHEDULES)

    def locks(self, seen=()):
        """What the checker says of all grants that were seen, and of all that was written under them."""
        runs, until = self.runs(), time.time()
        grants = sorted(self.granted)
        later = {one: after for one, after in pairwise(grants) if one[0] == after[0]}
        holds = []
        for job, fence in grants:
            worker, begun = self.granted[job, fence]
            given = self.granted[later[job, fence]][1] if (job, fence) in later else None
            if given is not None and given <= self.began:
                continue
            # Who died while it held the job never let it go. What came before the test was not watched.
            died = (job, fence) not in self.let_go and any(
                one.worker == worker and begun <= one.at <= (given or until) for one in self.deaths
            )
            given, begun = None if died else given, max(begun, self.began)
            proofs = tuple(self.renewed.get((job, fence), ()))
            holds.append(Hold(lock=job, owner=worker, token=fence, begun=begun, ended=given, renewed=proofs))
        writes = [
            Write(lock=run.job, owner=run.worker, token=run.token, at=at)
            for run in runs
            for at in (run.begun, run.ended)
            if at is not None
        ]
        deaths = tuple(self.deaths)
        history = LockHistory(holds=tuple(holds), writes=tuple(writes), deaths=deaths, seen=tuple(seen), until=until)
        return check_locks(history, LOCKS)

    def goes_on(self):
        """Once every worker there is has begun and ended a tick from now on, and each job has."""
        now = time.time()

        def all_did():
            self.holders()
            runs = [run for run in self.runs() if run.begun > now and run.outcome == "done"]
            at_work = {self.process(run.worker).name for run in runs}
            return (
                len(runs) > len(JOBS)
                and {run.job for run in runs} == set(JOBS)
                and at_work == {one.name for one in self.rig.workers}
            )

        eventually(all_did, "every job and every worker has run a tick", explain=self.state)

    def state(self):
        """Who holds what, and the newest run of each job: why nothing goes on."""
        newest = (
            "SELECT DISTINCT ON (job) job, worker, began_at, ended_at, outcome FROM job_runs ORDER BY job, tick DESC"
        )
        return f"held: {self.holders()}; newest runs: {self.db.execute(newest).fetchall()}"


@pytest.fixture
def crew(rig):
    made = Crew(rig)
    yield made
    made.close()


def valid(checked, *kinds):
    found = [f"{one.kind}: {one.what}" for one in checked.anomalies if one.kind in kinds]
    assert checked.validity_of(*kinds) is Validity.TRUE, found or {kind: checked.cases[kind] for kind in kinds}


@pytest.mark.check("workers.ticks_once", severity="critical", source=SOURCE, subject="three instances, two workers")
def test_each_tick_of_each_job_runs_once(crew):
    newest = "SELECT extract(epoch FROM max(tick))::float8 FROM job_runs WHERE job = 'warm' AND ended_at IS NOT NULL"
    late = crew.began + 2 * JOBS["warm"]
    eventually(lambda: (crew.db.execute(newest).fetchone()[0] or 0) >= late, "two ticks of `warm`", explain=crew.state)
    valid(crew.schedules(), *ONCE, ScheduleKind.MISSED_TICK, ScheduleKind.LATE_RUN, ScheduleKind.NEVER_ENDED)
    runs = crew.runs()
    assert {crew.process(run.worker).name for run in runs} == {one.name for one in crew.rig.workers}
    assert {run.outcome for run in runs if run.ended} == {"done"}


@pytest.mark.check("workers.takeover", severity="critical", source=SOURCE, subject="a worker that was killed")
def test_the_jobs_of_a_killed_worker_are_taken_over_in_time(crew):
    worker, _ = crew.holder("alerts")
    crew.rig.kill(crew.process(worker))
    crew.dies(worker)
    crew.taken_from(worker)
    valid(crew.locks(), *TAKEN_OVER)
    crew.rig.start(crew.process(worker))
    crew.goes_on()
    valid(crew.schedules(), *ONCE)


@pytest.mark.check("workers.takeover", severity="critical", source=SOURCE, subject="a worker that was frozen")
def test_the_jobs_of_a_frozen_worker_are_taken_over_in_time(crew):
    worker, _ = crew.holder("imports")
    crew.rig.freeze(crew.process(worker))
    crew.dies(worker)
    crew.taken_from(worker)
    valid(crew.locks(), *TAKEN_OVER)
    crew.returns(worker)
    crew.goes_on()
    valid(crew.schedules(), *ONCE)
    valid(crew.locks(), LockKind.STALE_WRITE)


@pytest.mark.check("workers.fencing", severity="critical", source="Kleppmann 2016; service/README.md")
def test_a_worker_that_froze_amid_a_write_cannot_finish_it(crew):
    # Its write waits for a table that is locked; it freezes there, and the table is free again.
    with psycopg.connect(crew.rig.info.database_url) as blocker:
        blocker.execute("LOCK TABLE metrics_hourly IN ACCESS EXCLUSIVE MODE")
        waiting = "SELECT 1 FROM pg_locks WHERE relation = 'metrics_hourly'::regclass AND NOT granted"
        eventually(lambda: crew.db.execute(waiting).fetchone(), "the roll-up waits for its table")
        worker, old = crew.holder("rollup")
        crew.rig.freeze(crew.process(worker))
        crew.dies(worker)
    crew.taken_from(worker)
    lost = crew.rig.logs(crew.process(worker)).count("job lost")
    crew.returns(worker)
    eventually(lambda: crew.rig.logs(crew.process(worker)).count("job lost") > lost, "the worker notices")
    with pytest.raises(psycopg.DatabaseError) as refused, crew.db.transaction():
        crew.db.execute("SELECT hold_fence('rollup', %s)", [old])
    assert refused.value.sqlstate == FENCED_OFF
    unfinished = [run for run in crew.runs() if (run.job, run.token) == ("rollup", old) and run.ended is None]
    assert len(unfinished) == 1
    crew.goes_on()
    valid(crew.locks(), LockKind.STALE_WRITE, LockKind.LATE_TAKEOVER)
    valid(crew.schedules(), *ONCE)


@pytest.mark.check("workers.drain", severity="high", source=SOURCE)
def test_a_worker_that_is_told_to_end_hands_its_jobs_over(crew):
    worker, _ = crew.holder("rollup")
    process = crew.process(worker)
    assert crew.rig.terminate(process) == 0
    left = [key for key in crew.keys.scan_iter("dr:lock:job:*") if (crew.keys.get(key) or "").startswith(worker)]
    assert left == []
    assert not crew.keys.exists(f"dr:worker:{worker}")
    assert worker not in {holder for holder, _ in crew.holders().values()}
    assert [run for run in crew.runs() if run.worker == worker and run.ended is None] == []
    crew.taken_from(worker)
    crew.rig.start(process)
    crew.goes_on()
    valid(crew.schedules(), *ONCE)


@pytest.mark.check("workers.locks", severity="high", source=SOURCE, subject="time to live")
def test_locks_have_an_end_and_are_renewed_at_a_third_of_it(crew):
    seen: list[LockReading] = []
    crew.renewed = {(job, fence): [] for job, (_, fence) in crew.holders().items()}
    left = dict.fromkeys(JOBS, 0.0)

    def watched():
        for (job, _), times in crew.renewed.items():
            milliseconds = crew.keys.pttl(f"dr:lock:job:{job}")
            assert milliseconds != ENDLESS, f"the lock of {job} has no end: who dies keeps it"
            ttl = milliseconds / 1_000 if milliseconds >= 0 else milliseconds
            seen.append(LockReading(lock=job, at=time.time(), ttl=ttl))
            if ttl > left[job] + 0.1:
                times.append(seen[-1].at)
            left[job] = ttl
        return all(len(times) > 5 for times in crew.renewed.values())

    eventually(watched, "each lock is renewed again and again")
    valid(crew.locks(seen), LockKind.NO_EXPIRY, LockKind.HELD_PAST_TTL)
    assert max(one.ttl for one in seen) <= TTL
    pauses = [later - earlier for times in crew.renewed.values() for earlier, later in pairwise(times)]
    assert TTL / 5 < statistics.median(pauses) < TTL / 2


@pytest.mark.check("workers.locks", severity="high", source=SOURCE, subject="somebody else's lock")
def test_a_lock_that_became_somebody_elses_is_left_alone(crew):
    worker, fence = crew.holder("imports")
    lost = crew.rig.logs(crew.process(worker)).count("job lost")
    crew.keys.set("dr:lock:job:imports", "somebody else", px=10_000)
    eventually(lambda: crew.rig.logs(crew.process(worker)).count("job lost") > lost, "the worker notices")
    assert crew.keys.get("dr:lock:job:imports") == "somebody else"
    crew.keys.delete("dr:lock:job:imports")
    eventually(lambda: crew.holder("imports")[1] > fence, "the job is held again")
    crew.goes_on()
    valid(crew.schedules(), *ONCE)


@pytest.mark.check("workers.recovery", severity="critical", source=SOURCE, subject="the cache server loses all locks")
def test_when_all_locks_are_gone_no_tick_runs_twice(crew):
    crew.rig.stop("valkey")
    stopped = time.time()
    marker = crew.db.execute("SELECT coalesce(max(id), 0) FROM job_runs").fetchone()[0]
    eventually(lambda: time.time() > stopped + TTL + 2, "locks run out")
    back = time.time()  # before the start: workers are quick to find it
    crew.rig.start("valkey")
    crew.keys.flushall()
    crew.goes_on()
    valid(crew.schedules(), *ONCE)
    meanwhile = [run for run in crew.runs() if stopped + TTL + LOCKS.tolerance < run.begun < back]
    assert meanwhile == []
    assert crew.db.execute("SELECT count(*) FROM job_runs WHERE id > %s", [marker]).fetchone()[0] > 0
    assert [crew.rig.exit_status(one) for one in crew.rig.workers] == [None, None]


@pytest.mark.check("workers.recovery", severity="critical", source=SOURCE, subject="the database restarts")
def test_when_the_database_is_back_the_ticks_go_on_once_each(crew):
    crew.rig.stop("postgres")
    crew.rig.start("postgres")
    crew.db.close()
    crew.db = crew.rig.database()
    crew.goes_on()
    checked = crew.schedules()
    valid(checked, *ONCE)
    assert [crew.rig.exit_status(one) for one in crew.rig.workers] == [None, None]
