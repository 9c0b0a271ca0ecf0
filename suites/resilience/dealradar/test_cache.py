"""The response cache of two instances: one computation for all, no write undone, old answers in an outage."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import pytest

from harness.testing import eventually as wait_until

SETTINGS = {"CACHE_TTL_SECONDS": "2"}
pytestmark = [pytest.mark.breaks, pytest.mark.writes, pytest.mark.rig(instances=2, workers=0, env=SETTINGS)]
SOURCE = "service/README.md"
WRITES = 12
READERS = 4
PER_CLIENT = 200
"""Requests of one client, so that it stays below the limit."""
HEADER = "X-Cache"
_numbers = count(1)


eventually = partial(wait_until, seconds=30)


@pytest.fixture
def comments(rig):
    """The comments of a deal that no test before this one asked for."""
    with rig.database() as db:
        rows = db.execute("SELECT id FROM deals ORDER BY id LIMIT 1 OFFSET %s", [next(_numbers)]).fetchall()
    return f"/api/deals/{rows[0][0]}/comments"


@pytest.mark.check("cache.single_flight", severity="high", source=SOURCE, subject="two instances, a cold key")
def test_a_cold_key_is_computed_once(rig, comments):
    clients = [rig.client(instance) for _ in range(20) for instance in rig.instances]
    with ThreadPoolExecutor(len(clients)) as threads:
        answers = list(threads.map(lambda client: client.exchange("GET", comments), clients))
    assert Counter(answer.header(HEADER) for answer in answers) == {"MISS": 1, "HIT": len(clients) - 1}
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.check("cache.race", severity="critical", source=SOURCE, subject="readers of both instances, a writer")
def test_no_reader_undoes_a_write(rig, comments):
    here, there = rig.instances
    writer, witness = rig.client(here, role="user"), rig.client(there)
    ended = threading.Event()

    def keep_reading(instance) -> None:
        while not ended.is_set():
            client = rig.client(instance)
            for _ in range(PER_CLIENT):
                if ended.is_set():
                    return
                client.exchange("GET", comments)

    total = witness.exchange("GET", comments).json()["total"]
    with ThreadPoolExecutor(READERS) as threads:
        reading = [threads.submit(keep_reading, rig.instances[n % 2]) for n in range(READERS)]
        try:
            for written in range(1, WRITES + 1):
                assert writer.exchange("POST", comments, json={"body": f"Comment {written}"}).status == 201
                seen = [witness.exchange("GET", comments).json()["total"] for _ in range(3)]
                assert seen == [total + written] * 3
        finally:
            ended.set()
    assert [one.result() for one in reading] == [None] * READERS


@pytest.mark.check("cache.invalidation", severity="critical", source=SOURCE, subject="a price that a job imports")
def test_an_imported_price_is_seen_at_once(rig):
    # what is kept for long does not run out by itself while the job is waited for
    client = rig.client(rig.start_instance({"CACHE_TTL_SECONDS": "600"}))
    rig.start_worker({"JOBS": "imports=0.5"})
    with rig.database() as db:
        deal, price = db.execute("SELECT id, price_cents FROM deals ORDER BY id LIMIT 1").fetchone()
        path = f"/api/deals/{deal}"
        assert client.exchange("GET", path).json()["price_cents"] == price
        imported = "INSERT INTO price_imports (deal_id, price_cents) VALUES (%s, %s) RETURNING received_at"
        received = db.execute(imported, [deal, price - 1]).fetchone()[0]
        done = "SELECT count(*) FROM job_runs WHERE job = 'imports' AND outcome = 'done' AND began_at > %s"
        eventually(lambda: db.execute(done, [received]).fetchone()[0], "the job has run")
    assert client.exchange("GET", path).json()["price_cents"] == price - 1


@pytest.mark.check("cache.stale", severity="high", source=SOURCE, subject="PostgreSQL stopped")
def test_old_answers_are_served_while_the_database_is_away(rig, comments):
    public, known = rig.client(), rig.client(role="user")
    before = public.exchange("GET", comments)
    assert known.exchange("POST", comments, json={"body": "Seen by nobody while the database is away"}).status == 201
    rig.stop("postgres")
    first, second = (public.exchange("GET", comments) for _ in range(2))
    assert [(one.status, one.header(HEADER), one.body) for one in (first, second)] == [(200, "STALE", before.body)] * 2
    assert (first.header("Age") or "").isdigit()
    assert (known.exchange("GET", comments).status, public.exchange("GET", f"{comments}?limit=7").status) == (503, 503)
    rig.start("postgres")
    eventually(lambda: public.exchange("GET", comments).header(HEADER) in {"MISS", "HIT"}, "answers are fresh again")
    assert public.exchange("GET", comments).json()["total"] == before.json()["total"] + 1


@pytest.mark.check("cache.stale", severity="high", source=SOURCE, subject="an entry that is over, PostgreSQL stopped")
def test_an_answer_that_is_over_says_its_age(rig, comments):
    client = rig.client()
    assert client.exchange("GET", comments).status == 200
    rig.stop("postgres")
    eventually(lambda: client.exchange("GET", comments).header(HEADER) == "STALE", "the entry is over")
    assert int(client.exchange("GET", comments).header("Age") or 0) >= 1


@pytest.mark.check("cache.stale", severity="high", source=SOURCE, subject="Valkey stopped")
def test_without_its_cache_server_each_answer_is_computed(rig, comments):
    client = rig.client()
    assert [client.exchange("GET", comments).header(HEADER) for _ in range(2)] == ["MISS", "HIT"]
    rig.stop("valkey")
    answers = [client.exchange("GET", comments) for _ in range(5)]
    assert [(answer.status, answer.header(HEADER)) for answer in answers] == [(200, "BYPASS")] * 5
    rig.start("valkey")
    eventually(lambda: client.exchange("GET", comments).header(HEADER) == "HIT", "the cache is used again")
