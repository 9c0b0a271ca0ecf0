"""A job that hangs: its worker goes on with the others, and ends when it is told to, whatever the job does."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import psycopg
import pytest
from dealradar.locks import SharedLock
from dealradar.valkey import Valkey

from tests.dealradar_process import DEADLINE_SECONDS, SERVICE, environment, eventually

RUNS = "SELECT outcome, detail FROM job_runs WHERE job = %s AND outcome IS NOT NULL ORDER BY tick"
FENCE = "SELECT fence FROM jobs WHERE name = %s AND holder IS NOT NULL"
# `alerts` is replaced before the worker begins: no job of the service hangs for ever by itself.
PROGRAM = """
import asyncio, sys, time
from dealradar.jobs import alerts
from dealradar.__main__ import main

async def waits(run):
    await asyncio.Event().wait()

async def heeds_nothing(run):
    while True:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            continue

async def waits_for_a_thread(run):
    await asyncio.to_thread(time.sleep, 3_600)

async def blocks_the_loop(run):
    time.sleep(3_600)

async def cancels_itself(run):
    raise asyncio.CancelledError

alerts.work = globals()[sys.argv[1]]
sys.exit(main(["worker"]))
"""


@pytest.fixture
def start_hanging(servers, database_url, cache, tmp_path):  # noqa: ARG001  # an empty cache
    """`start_hanging("waits", JOBS="alerts=1")`: a worker whose `alerts` hang in that way, and its log."""
    started = []

    def run(how: str, **settings: str):
        path = tmp_path / f"worker-{len(started)}.log"
        environ = environment(servers, database_url, settings)
        with path.open("wb") as log:
            words = [sys.executable, "-c", PROGRAM, how]
            process = subprocess.Popen(words, cwd=SERVICE, env=environ, stdout=log, stderr=log)
        started.append(process)
        eventually(lambda: "worker started" in path.read_text(), path.read_text)
        return process, path.read_text

    yield run
    for process in started:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def ran(db, job):
    return db.execute(RUNS, [job]).fetchall()


def messages(log):
    return [json.loads(line)["message"] for line in log().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("how", ["waits", "heeds_nothing", "waits_for_a_thread"])
def test_a_job_that_hangs_is_broken_off_and_the_others_go_on(start_hanging, db, how):
    worker, log = start_hanging(how, JOBS="alerts=1,imports=1", JOB_TIMEOUT_SECONDS="1")
    eventually(lambda: len(ran(db, "alerts")) >= 2, log)
    assert set(ran(db, "alerts")) == {("failed", "the work took longer than 1 s")}
    before = len(ran(db, "imports"))
    eventually(lambda: len(ran(db, "imports")) >= before + 2, log)
    assert {outcome for outcome, _ in ran(db, "imports")} == {"done"}
    assert "job took too long" in messages(log)
    assert worker.poll() is None


def test_what_was_broken_off_has_lost_its_fence(start_hanging, db):
    start_hanging("heeds_nothing", JOBS="alerts=1", JOB_TIMEOUT_SECONDS="1")
    eventually(lambda: (db.execute(FENCE, ["alerts"]).fetchone() or (0,))[0] >= 2)
    with pytest.raises(psycopg.DatabaseError) as refused, db.transaction():
        db.execute("SELECT hold_fence('alerts', 1)")
    assert refused.value.sqlstate == "DR001"


def test_a_job_that_cancels_itself_has_failed_and_is_run_again(start_hanging, db):
    _, log = start_hanging("cancels_itself", JOBS="alerts=1")
    eventually(lambda: len(ran(db, "alerts")) >= 2, log)
    assert set(ran(db, "alerts")) == {("failed", "RuntimeError: the work cancelled itself")}


def test_a_hanging_job_is_broken_off_when_the_worker_has_to_end(start_hanging, db, cache):
    worker, log = start_hanging("waits", JOBS="alerts=1")
    eventually(lambda: db.execute("SELECT 1 FROM job_runs").fetchone(), log)
    worker.terminate()
    assert worker.wait(DEADLINE_SECONDS) == 0
    assert messages(log)[-1] == "worker ended before its work did"
    assert cache.keys("dr:lock:*") == cache.keys("dr:worker:*") == []


@pytest.mark.parametrize("how", ["heeds_nothing", "waits_for_a_thread", "blocks_the_loop"])
def test_a_worker_that_cannot_end_is_ended_and_says_where_it_hung(start_hanging, db, how):
    worker, log = start_hanging(how, JOBS="alerts=1")
    eventually(lambda: db.execute("SELECT 1 FROM job_runs").fetchone(), log)
    worker.terminate()
    assert worker.wait(DEADLINE_SECONDS) == 1
    assert "Timeout" in log()
    assert "most recent call first" in log()


def test_work_that_waits_for_the_database_is_broken_off_too(start, db, database_url):
    worker = start("worker", JOBS="rollup=1,alerts=1", JOB_TIMEOUT_SECONDS="1", LOCK_TTL_SECONDS="60")
    eventually(lambda: ran(db, "rollup"))
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE metrics_hourly IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: ran(db, "rollup")[-1] == ("failed", "the work took longer than 1 s"), worker.log)
    ticks = len(ran(db, "rollup"))
    eventually(lambda: len(ran(db, "rollup")) > ticks and ran(db, "rollup")[-1][0] == "done", worker.log)
    assert worker.terminate() == 0


def test_a_lock_is_kept_no_longer_than_until_it_is_cancelled(servers, cache):  # noqa: ARG001  # an empty cache
    """asyncio.wait_for, before Python 3.12, swallows a cancellation between a result and who waits for it."""

    async def keep_and_cancel() -> bool:
        valkey = Valkey(servers.redis_url)
        lock = SharedLock(valkey, "swallowed", ttl_seconds=1)
        assert await lock.take()
        renew = valkey.run

        async def run(call):
            async def renewed():
                result = await renew(call)
                asyncio.get_running_loop().call_soon(keeping.cancel)
                return result

            return await asyncio.wait_for(renewed(), 5)

        valkey.run = run
        keeping = asyncio.create_task(lock.keep())
        await asyncio.wait({keeping}, timeout=5)
        has_ended = keeping.done()
        keeping.cancel()
        valkey.run = renew
        await valkey.close()
        return has_ended

    assert asyncio.run(keep_and_cancel())
