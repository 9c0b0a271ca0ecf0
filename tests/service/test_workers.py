"""Workers: what each job does, once a tick, and only while its worker holds the job."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import httpx
import psycopg
import pytest

from tests.dealradar_process import (
    DEADLINE_SECONDS,
    OPERATOR,
    SERVICE,
    USER,
    environment,
    eventually,
    free_port,
    run_command,
)

RUNS = "SELECT outcome, detail FROM job_runs WHERE job = %s AND outcome IS NOT NULL ORDER BY tick"
FENCED_OFF = "DR001"


@pytest.fixture
def ran(db):
    """`ran("imports")`: what came of the ticks that have ended, oldest first."""

    def look(job: str) -> list[tuple[str, str]]:
        return db.execute(RUNS, [job]).fetchall()

    return look


def held(cache) -> set[str]:
    """The jobs that somebody holds."""
    return {key.decode().rpartition(":")[2] for key in cache.keys("dr:lock:job:*")}


def trouble(worker) -> list[str]:
    return [line for line in worker.log().splitlines() if json.loads(line)["level"] != "info"]


# --- the jobs


def test_reported_prices_are_applied_and_seen_at_once(service, start, db):
    operator, visitor = service.client(OPERATOR), service.client()
    (deal, price, listed), (other, *_) = db.execute(
        "SELECT id, price_cents, list_price_cents FROM deals ORDER BY id LIMIT 2"
    ).fetchall()
    before = db.execute("SELECT price_cents FROM deals WHERE id = %s", [other]).fetchone()
    assert visitor.get(f"/api/deals/{deal}").json()["price_cents"] == price
    prices = [
        {"deal_id": deal, "price_cents": price - 2},
        {"deal_id": other, "price_cents": 100_000_000},
        {"deal_id": deal, "price_cents": price - 1},
        {"deal_id": deal, "price_cents": price - 1},
    ]
    answer = operator.post("/api/admin/prices", json={"prices": prices})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 4})
    start("worker", JOBS="imports=1")
    eventually(lambda: visitor.get(f"/api/deals/{deal}").json()["price_cents"] == price - 1)
    assert db.execute("SELECT outcome FROM price_imports ORDER BY id").fetchall() == [
        ("changed",),
        ("refused",),
        ("changed",),
        ("unchanged",),
    ]
    history = "SELECT old_cents, price_cents, source FROM price_history WHERE deal_id = %s ORDER BY id DESC LIMIT 2"
    assert db.execute(history, [deal]).fetchall() == [
        (price - 2, price - 1, "imported"),
        (price, price - 2, "imported"),
    ]
    assert db.execute("SELECT price_cents FROM deals WHERE id = %s", [other]).fetchone() == before
    assert listed >= price


def test_more_prices_than_one_transaction_takes_are_applied_in_one_tick(start, db, ran):
    db.execute("INSERT INTO price_imports (deal_id, price_cents) SELECT 1 + n % 7, n FROM generate_series(1, 333) n")
    start("worker", JOBS="imports=1")
    eventually(lambda: ran("imports"))
    assert ran("imports")[0] == ("done", "333 changed")
    assert db.execute("SELECT array_agg(price_cents ORDER BY id) FROM deals WHERE id <= 7").fetchone() == (
        [329, 330, 331, 332, 333, 327, 328],
    )


def test_an_alert_whose_price_is_low_enough_already_is_told_once(start, db, ran):
    user = db.execute("SELECT id FROM users WHERE email = %s", [USER]).fetchone()[0]
    db.execute("DELETE FROM price_alerts")
    db.execute(
        "INSERT INTO price_alerts (user_id, deal_id, target_cents)"
        " SELECT %s, id, price_cents + (id - 1) * -1 FROM deals WHERE id IN (1, 2)",
        [user],
    )
    start("worker", JOBS="alerts=1")
    eventually(lambda: len(ran("alerts")) >= 2)
    assert db.execute("SELECT deal_id, fired_at IS NOT NULL FROM price_alerts ORDER BY deal_id").fetchall() == [
        (1, True),
        (2, False),
    ]
    told = "SELECT deal_id FROM notifications WHERE user_id = %s AND kind = 'price_alert'"
    assert db.execute(told, [user]).fetchall() == [(1,)]


def test_the_roll_up_says_the_same_however_often_it_runs(start, db, ran):
    db.execute("UPDATE reviews SET created_at = now() WHERE id <= 3")
    db.execute("UPDATE comments SET created_at = now() - interval '1 hour' WHERE id <= 5")
    db.execute("INSERT INTO delivery_attempts (notification_id, number, worker, outcome) VALUES (1, 9, 'w', 'sent')")
    start("worker", JOBS="rollup=1")
    sums = "SELECT metric, sum(value)::int FROM metrics_hourly GROUP BY metric ORDER BY metric"
    wanted = {"deals": 0, "reviews": 3, "comments": 5, "deliveries": 1, "failed_deliveries": 0}
    eventually(lambda: len(ran("rollup")) >= 3)
    assert dict(db.execute(sums).fetchall()) == wanted
    db.execute("UPDATE reviews SET created_at = now() WHERE id = 4")
    eventually(lambda: dict(db.execute(sums).fetchall()) == {**wanted, "reviews": 4})
    hours = "SELECT DISTINCT count(*) FROM metrics_hourly WHERE hour > now() - interval '24 hours' GROUP BY metric"
    assert db.execute(hours).fetchall() == [(24,)]


def test_the_clean_up_deletes_what_is_over_and_nothing_else(start, db, ran):
    for past in ("1 second", "-1 hour"):
        db.execute(
            "INSERT INTO sessions (user_id, kind, token_hash, family, expires_at)"
            " SELECT 1, 'refresh', sha256(n::text::bytea), gen_random_uuid(), now() - %s::interval"
            " FROM generate_series(length(%s::text) * 10000, length(%s::text) * 10000 + 1200) n",
            [past, past, past],
        )
        db.execute(
            "INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, expires_at)"
            " VALUES (1, %s, '', 201, '', now() - %s::interval)",
            [past, past],
        )
    with db.transaction():
        db.execute("INSERT INTO jobs (name) VALUES ('rollup')")
        db.execute("SELECT hold_fence('rollup', 0)")
        db.execute(
            "INSERT INTO job_runs (job, tick, worker, fence) SELECT 'rollup', now() - days * interval '1 day', 'w', 0"
            " FROM unnest(ARRAY[6, 8]) days"
        )
    start("worker", JOBS="cleanup=1")
    eventually(lambda: ran("cleanup"))
    assert ran("cleanup")[0] == ("done", "deleted 1201 sessions, 1 idempotency keys, 1 runs")
    assert db.execute("SELECT count(*) FROM sessions WHERE expires_at > now()").fetchone() == (1201,)
    assert db.execute("SELECT key FROM idempotency_keys").fetchall() == [("-1 hour",)]
    assert db.execute("SELECT count(*) FROM job_runs WHERE job = 'rollup'").fetchone() == (1,)


def test_the_cache_is_warm_before_anybody_asks(service, start, cache, ran):
    cache.zadd("dr:hot", {"/api/deals?limit=3": 9})
    start("worker", JOBS="warm=1")
    eventually(lambda: ran("warm"))
    assert ran("warm")[0] == ("done", "1 answers computed")
    assert service.client().get("/api/deals?limit=3").headers["X-Cache"] == "HIT"


# --- who runs them


def test_a_job_that_fails_is_told_of_and_the_worker_lives(start, db, ran):
    db.execute("ALTER TABLE metrics_hourly RENAME TO elsewhere")
    worker = start("worker", JOBS="rollup=1,alerts=1")
    eventually(lambda: len(ran("rollup")) >= 2 and len(ran("alerts")) >= 2)
    outcome, detail = ran("rollup")[0]
    assert outcome == "failed"
    assert detail.startswith('UndefinedTable: relation "metrics_hourly" does not exist')
    assert {outcome for outcome, _ in ran("alerts")} == {"done"}
    db.execute("ALTER TABLE elsewhere RENAME TO metrics_hourly")
    eventually(lambda: ran("rollup")[-1][0] == "done")
    assert worker.process.poll() is None


def test_two_workers_share_the_jobs_and_a_third_gets_some(start, db):
    def loads() -> list[int]:
        counts = db.execute("SELECT count(*) FROM jobs WHERE holder IS NOT NULL GROUP BY holder ORDER BY 1")
        return [count for (count,) in counts]

    workers = [start("worker") for _ in range(2)]
    eventually(lambda: loads() == [2, 3], lambda: str(loads()))
    workers.append(start("worker"))
    eventually(lambda: loads() == [1, 2, 2], lambda: str(loads()))
    for worker in workers:
        assert trouble(worker) == []


def test_a_tick_that_was_run_is_not_run_again_by_the_next_worker(start, db, ran):
    first = start("worker", JOBS="alerts=3600")
    eventually(lambda: ran("alerts"))
    assert first.terminate() == 0
    start("worker", JOBS="alerts=3600")
    eventually(lambda: db.execute("SELECT fence FROM jobs WHERE name = 'alerts' AND holder IS NOT NULL").fetchone())
    second = start("worker", JOBS="alerts=3600,imports=3600")
    eventually(lambda: ran("imports"), second.log)
    assert len(ran("alerts")) == 1


def test_a_worker_that_is_told_to_end_leaves_nothing_behind(start, db, cache):
    worker = start("worker", JOBS="alerts=1,imports=1")
    eventually(lambda: held(cache) == {"alerts", "imports"})
    assert cache.keys("dr:worker:*")
    assert worker.terminate() == 0
    assert (held(cache), cache.keys("dr:worker:*")) == (set(), [])
    assert db.execute("SELECT DISTINCT holder FROM jobs").fetchall() == [(None,)]
    assert db.execute("SELECT count(*) FROM job_runs WHERE outcome IS NULL").fetchone() == (0,)
    assert trouble(worker) == []


def test_a_run_that_outlasts_the_patience_of_the_end_is_broken_off(start, database_url, db):
    worker = start("worker", JOBS="rollup=1", LOCK_TTL_SECONDS="60")
    eventually(lambda: db.execute("SELECT 1 FROM job_runs").fetchone())
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE metrics_hourly IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: db.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        assert worker.terminate() == 0


def test_a_lock_that_is_gone_ends_the_tenure_and_the_next_has_a_higher_fence(start, db, cache):
    worker = start("worker", JOBS="alerts=1", LOCK_TTL_SECONDS="1")
    fence = "SELECT fence FROM jobs WHERE name = 'alerts' AND holder IS NOT NULL"
    eventually(lambda: db.execute(fence).fetchone() == (1,))
    cache.set("dr:lock:job:alerts", "somebody else", px=1_500)
    eventually(lambda: "job lost" in worker.log())
    assert cache.get("dr:lock:job:alerts") == b"somebody else"
    eventually(lambda: db.execute(fence).fetchone() == (2,))


def test_who_brings_an_old_fence_may_not_write(start, db):
    start("worker", JOBS="alerts=1")
    eventually(lambda: db.execute("SELECT fence FROM jobs WHERE fence > 0").fetchone())
    fence = db.execute("SELECT fence FROM jobs").fetchone()[0]
    for token in (fence - 1, fence + 1):
        with pytest.raises(psycopg.DatabaseError) as refused, db.transaction():
            db.execute("SELECT hold_fence('alerts', %s)", [token])
        assert refused.value.sqlstate == FENCED_OFF
    with pytest.raises(psycopg.DatabaseError) as refused:
        db.execute("INSERT INTO job_runs (job, tick, worker, fence) VALUES ('alerts', now(), 'w', %s)", [fence])
    assert refused.value.sqlstate == FENCED_OFF


def test_locks_are_renewed_at_a_third_and_never_without_an_end(start, cache):
    start("worker", JOBS="alerts=1", LOCK_TTL_SECONDS="3")
    eventually(lambda: held(cache))
    seen: list[int] = []

    def renewed_twice() -> bool:
        seen.append(cache.pttl("dr:lock:job:alerts"))
        return sum(later > earlier for earlier, later in itertools.pairwise(seen)) >= 2

    eventually(renewed_twice)
    assert min(seen) > 0
    assert max(seen) <= 3_000


def test_without_valkey_a_worker_lives_and_runs_nothing(start, db):
    worker = start("worker", JOBS="alerts=1", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    eventually(lambda: "valkey does not answer" in worker.log())
    assert worker.process.poll() is None
    assert db.execute("SELECT count(*) FROM job_runs").fetchone() == (0,)
    assert worker.terminate() == 0


def test_without_tables_a_worker_says_in_one_line_what_to_do(servers, database_url):
    environ = environment(servers, database_url, {})
    run_command("migrate", environ, "--down", "7")
    said = run_command("worker", environ, expect=1).splitlines()
    assert "run migrate first" in said[-1]
    assert not [line for line in said if line.startswith("Traceback")]


def test_figures_of_a_worker_are_on_a_port_of_its_own(servers, database_url, cache):
    port = free_port()
    words = [sys.executable, "-m", "dealradar", "worker", "--metrics-port", str(port)]
    worker = subprocess.Popen(words, cwd=SERVICE, env=environment(servers, database_url, {"JOBS": "alerts=1"}))

    def figures() -> dict[str, float]:
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        except httpx.TransportError:
            return {}
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    try:
        eventually(lambda: figures().get('dealradar_job_ticks_total{job="alerts",outcome="done"}', 0) >= 2)
        found = figures()
    finally:
        worker.terminate()
        worker.wait(DEADLINE_SECONDS)
    assert found["dealradar_workers_live"] == 1
    assert abs(found["dealradar_worker_heartbeat_timestamp_seconds"] - cache.time()[0]) < 10


# --- what operators see and send


def test_operators_see_who_works_on_what(service, start, cache, ran):
    operator = service.client(OPERATOR)
    worker = start("worker", JOBS="alerts=1,imports=1", LOCK_TTL_SECONDS="2")

    def seen() -> dict:
        return operator.get("/api/admin/workers").json()

    eventually(lambda: all(len(ran(job)) > 5 for job in ("alerts", "imports")))
    (one,) = seen()["workers"]
    assert one["pid"] == worker.process.pid
    assert one["jobs"] == {"alerts": 1, "imports": 1}
    job = seen()["jobs"][0]
    assert len(job["runs"]) == 5
    assert (job["name"], job["fence"], job["holder"]) == ("alerts", 1, one["id"])
    assert job["runs"][1]["outcome"] == "done"
    assert [run["tick"] for run in job["runs"]] == sorted((run["tick"] for run in job["runs"]), reverse=True)
    worker.process.kill()
    eventually(lambda: not cache.keys("dr:worker:*"))
    assert seen()["workers"] == []
    assert seen()["jobs"][0]["holder"] == one["id"]


def test_without_valkey_operators_see_what_the_database_knows(start):
    service = start("serve", wait=False, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    def lives() -> bool:
        try:
            return httpx.get(service.url + "/health/live", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    eventually(lives, service.log)
    answer = service.client(OPERATOR).get("/api/admin/workers")
    assert (answer.status_code, answer.json()) == (200, {"workers": None, "jobs": []})


@pytest.mark.parametrize("email", ["", USER])
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/admin/workers"), ("POST", "/api/admin/prices")])
def test_only_operators_get_in(service, email, method, path):
    answer = service.client(email).request(method, path, json={"prices": [{"deal_id": 1, "price_cents": 1}]})
    assert answer.status_code == (403 if email else 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prices": []},
        {"prices": [{"deal_id": 1, "price_cents": 1}] * 501},
        {"prices": [{"deal_id": 0, "price_cents": 1}]},
        {"prices": [{"deal_id": 1, "price_cents": -1}]},
        {"prices": [{"deal_id": 1, "price_cents": 1.5}]},
        {"prices": [{"deal_id": "1", "price_cents": 1}]},
        {"prices": [{"deal_id": 1, "price_cents": 1, "more": 1}]},
        {"prices": {"deal_id": 1, "price_cents": 1}},
    ],
)
def test_a_report_that_is_not_one_is_refused(service, db, body):
    answer = service.client(OPERATOR).post("/api/admin/prices", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert db.execute("SELECT count(*) FROM price_imports").fetchone() == (0,)


def test_prices_of_unknown_deals_are_named_and_none_is_taken(service, db):
    unknown = [2**53 - 1, *range(900_000, 900_030)]
    prices = [{"deal_id": deal, "price_cents": 1} for deal in (1, *unknown)]
    answer = service.client(OPERATOR).post("/api/admin/prices", json={"prices": prices})
    assert answer.status_code == 409
    assert "900000, 900001, " in answer.json()["detail"]
    assert " and 11 more" in answer.json()["detail"]
    assert db.execute("SELECT count(*) FROM price_imports").fetchone() == (0,)
    assert service.client(OPERATOR).post("/api/admin/prices", json={"prices": prices[:1] * 500}).status_code == 202
