"""One computation however many ask, over all instances, and what becomes of those who wait when it fails."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.dealradar_process import Running, eventually

MANY = 500
PATH = "/api/deals?limit=9"
COUNTER = "dealradar_cache_computations_total "
WAITING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'
"""


@pytest.fixture
def held(database_url) -> Iterator[psycopg.Connection]:
    """A connection that keeps everybody from reading deals until its transaction ends."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE merchants IN ACCESS EXCLUSIVE MODE")
        yield connection


def waiting(db: psycopg.Connection) -> list[int]:
    return [row[0] for row in db.execute(WAITING)]


def computations(*instances: Running) -> int:
    pages = [httpx.get(one.url + "/metrics", trust_env=False).text.splitlines() for one in instances]
    return sum(int(float(li.split()[1])) for page in pages for li in page if li.startswith(COUNTER))


async def ask_at_once(urls: list[str], address: str, when_all_are_there) -> list[tuple[int, str, bytes]]:
    """Send one request to each on a connection that is open already; then wait, call, and read the answers."""
    opened = [await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port) for url in urls]
    for _, writer in opened:
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
    await asyncio.to_thread(when_all_are_there)
    answers = [await read_answer(reader) for reader, _ in opened]
    for _, writer in opened:
        writer.close()
    return answers


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers["x-cache"], body


def test_many_requests_for_a_cold_key_on_two_instances_are_one_computation(start, held, db, cache):
    instances = [start(RATE_LIMIT_PER_MINUTE="100000") for _ in range(2)]

    def all_are_there() -> None:
        eventually(lambda: cache.llen("dr:limit:10.1.1.1") == MANY)
        eventually(lambda: len(waiting(db)) == 1)
        held.rollback()

    urls = [one.url for one in instances] * (MANY // 2)
    answers = asyncio.run(ask_at_once(urls, "10.1.1.1", all_are_there))
    assert Counter((status, word) for status, word, _ in answers) == {(200, "miss"): 1, (200, "hit"): MANY - 1}
    assert len({body for _, _, body in answers}) == 1
    assert computations(*instances) == 1


def test_those_who_wait_for_what_fails_do_not_storm(start, held, db, cache):
    service = start()

    def all_are_there() -> None:
        eventually(lambda: cache.llen("dr:limit:10.1.1.2") == 50)
        eventually(lambda: len(waiting(db)) == 1)
        (pid,) = waiting(db)
        db.execute("SELECT pg_terminate_backend(%s)", [pid])

    answers = asyncio.run(ask_at_once([service.url] * 50, "10.1.1.2", all_are_there))
    assert {(status, word) for status, word, _ in answers} == {(503, "miss")}
    assert (computations(service), waiting(db)) == (1, [])
    held.rollback()
    eventually(lambda: service.client().get(PATH).status_code == 200)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_an_instance_that_dies_while_it_computes_holds_nobody_up(start, held, db, cache, number):
    dying, other = start(), start()
    with ThreadPoolExecutor() as threads:
        dead = threads.submit(dying.client().get, PATH)
        eventually(lambda: len(waiting(db)) == 1)
        os.kill(dying.process.pid, number)
        alive = threads.submit(other.client().get, PATH, headers={"X-Forwarded-For": "10.1.1.3"})
        eventually(lambda: cache.llen("dr:limit:10.1.1.3") == 1)
        held.rollback()
        answer = alive.result()
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
        os.kill(dying.process.pid, signal.SIGCONT)
        if number == signal.SIGSTOP:
            assert dead.result().status_code == 200
        else:
            assert isinstance(dead.exception(), httpx.TransportError)


def test_a_client_that_goes_away_does_not_take_the_answer_from_the_others(start, held, cache):
    service = start()
    with ThreadPoolExecutor() as threads:
        impatient = service.client()
        with pytest.raises(httpx.ReadTimeout):
            impatient.get(PATH, timeout=0.2)
        impatient.close()
        patient = threads.submit(service.client().get, PATH, headers={"X-Forwarded-For": "10.1.1.5"})
        eventually(lambda: cache.llen("dr:limit:10.1.1.5") == 1)
        held.rollback()
        assert (patient.result().status_code, patient.result().headers["X-Cache"]) == (200, "HIT")
    assert computations(service) == 1
