"""DealRadar under test: real servers for the whole session, a database for each test, processes that end with it."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from harness.model import StackInfo
from harness.stack import launch
from tests.dealradar_process import (
    DEADLINE_SECONDS,
    PASSWORD,
    SERVICE,
    Running,
    environment,
    eventually,
    free_port,
    is_up,
    on_database,
    run_command,
    superuser_url,
)
from tests.stack_target import small_target

TEMPLATE = "dealradar_template"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """PostgreSQL, Valkey and a mail sink for this worker of pytest."""
    folder = tmp_path_factory.mktemp("servers")
    with launch(small_target(folder, needs=("postgres", "valkey", "smtp"))) as stack:
        yield stack.info


@pytest.fixture(scope="session")
def template(servers: StackInfo) -> str:
    """The URL of a migrated and seeded database that nobody uses but to copy it."""
    url = on_database(servers.database_url or "", TEMPLATE)
    with psycopg.connect(superuser_url(servers), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {TEMPLATE} OWNER app")
    environ = environment(servers, url, {"SEED_USER_PASSWORD": PASSWORD, "SEED_OPERATOR_PASSWORD": PASSWORD})
    for command in ("migrate", "seed"):
        run_command(command, environ)
    return url


_numbers = itertools.count(1)


@pytest.fixture
def database_url(servers: StackInfo, template: str) -> Iterator[str]:
    """A database of this test's own, migrated and seeded."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(superuser_url(servers), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER app".encode())
        yield on_database(template, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def db(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to this test's database; each statement is committed."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cache(servers: StackInfo) -> Iterator[redis.Redis]:
    """Valkey, emptied before the test."""
    with redis.Redis.from_url(servers.redis_url or "") as client:
        client.flushall()
        yield client


@pytest.fixture
def mailbox(servers: StackInfo) -> str:
    """Where the mail sink shows what it received; emptied before the test."""
    url = servers.mailbox_url or ""
    httpx.delete(url + "/messages").raise_for_status()
    return url


@pytest.fixture
def browser_cookie(db: psycopg.Connection) -> Callable[[str], dict[str, str]]:
    """`browser_cookie(email)`: the header of a browser in which that user is logged in."""

    def open_session(email: str) -> dict[str, str]:
        secret = secrets.token_urlsafe(32)
        db.execute(
            "INSERT INTO sessions (user_id, kind, token_hash, family, expires_at)"
            " SELECT id, 'browser', %s, gen_random_uuid(), now() + interval '1 hour' FROM users WHERE email = %s",
            [hashlib.sha256(secret.encode()).digest(), email],
        )
        return {"Cookie": f"__Host-session={secret}"}

    return open_session


Start = Callable[..., Running]


@pytest.fixture
def start(servers: StackInfo, database_url: str, cache: redis.Redis, tmp_path: Path) -> Iterator[Start]:  # noqa: ARG001
    """Starts `serve` or `worker` on this test's database with settings of its choice, and ends all of them.

    `start("serve", CACHE_ENABLED="false")` returns when the service is ready; `start("worker")` when its log says
    that it started.
    """
    started: list[Running] = []

    def run(command: str = "serve", *, wait: bool = True, **settings: str) -> Running:
        port = free_port()
        words = [sys.executable, "-m", "dealradar", command]
        if command == "serve":
            words += ["--host", "127.0.0.1", "--port", str(port)]
        log_file = tmp_path / f"{command}-{len(started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                words, cwd=SERVICE, env=environment(servers, database_url, settings), stdout=log, stderr=log
            )
        running = Running(process, f"http://127.0.0.1:{port}", log_file)
        started.append(running)
        if wait:
            eventually(lambda: is_up(running, command), running.log)
        return running

    yield run
    for running in started:
        for client in running.clients:
            client.close()
        running.process.kill()
        running.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def service(start: Start) -> Running:
    """One instance with the settings of a test stack."""
    return start()
