"""Readiness checks against real servers: healthy, frozen, gone, half filled, and somebody else's."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import redis

from harness.model import Cache, Health, Observation, Outcome, PreflightRules, Service, StackInfo, Target
from harness.preflight import LIVE, Scene, readiness_score, run_check, run_live, run_static
from harness.preflight.check import DEADLINE_S
from harness.stack import Stack, launch
from tests.stack_target import eventually

SERVICE = textwrap.dedent(
    """
    import os
    import sys
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    for name in ("DATABASE_URL", "SECRET_KEY"):
        if name not in os.environ:
            sys.exit(f"{name} is missing")
    SEEN = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            mark = "BYPASS" if os.environ.get("CACHE") == "off" else "HIT" if self.path in SEEN else "MISS"
            SEEN.add(self.path)
            self.send_response(503 if self.path == "/sick" else 200)
            self.send_header("X-Cache", mark)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *words):
            pass

    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
    """
)

UNUSED = {"DATABASE_URL": "none", "SECRET_KEY": "none"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("service")
    (folder / "service.py").write_text(SERVICE)
    return Target(
        name="tiny",
        source="",
        service=Service(
            command=(sys.executable, "service.py"),
            cwd=str(folder),
            needs=("postgres", "valkey", "smtp"),
            env={"DATABASE_URL": "{database_url}", "SECRET_KEY": "{secret.KEY}"},
            required_env=("DATABASE_URL", "SECRET_KEY"),
        ),
        health=Health(live="/live", ready="/ready", optional=("cache", "database")),
        cache=Cache(paths=("/things",), off={"CACHE": "off"}),
        preflight=PreflightRules(tables=("things", "parts")),
    )


@pytest.fixture(scope="module")
def stack(target: Target) -> Iterator[Stack]:
    with launch(target) as running:
        assert running.info.database_url is not None
        with psycopg.connect(running.info.database_url) as connection:
            connection.execute("create table things (id int)")
        yield running


def by_check(lines: tuple[Observation, ...]) -> Mapping[str, Observation]:
    return {line.check.removeprefix("preflight."): line for line in lines}


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_healthy_stack_passes_but_for_the_missing_table(target: Target, stack: Stack) -> None:
    lines = by_check((*run_static(target, stack.info), *run_live(target, stack.info)))
    wrong = {name for name, line in lines.items() if line.outcome not in (Outcome.PASS, Outcome.SKIP)}
    assert wrong == {"database"}
    database = lines["database"]
    assert database.outcome is Outcome.FAIL
    assert "1 of 2 tables, missing: parts" in database.detail["message"]
    assert lines["cache_on"].detail["seen"][-1] == "HIT"
    assert lines["cache_server"].detail["maxmemory"] > 0
    assert all(line.detail["seconds"] > 0 for line in lines.values())
    assert readiness_score(lines.values(), {}).value < 100


def test_all_tables_there(target: Target, stack: Stack) -> None:
    line = by_check(run_live(replace(target, preflight=PreflightRules(tables=("things",))), stack.info))["database"]
    assert line.outcome is Outcome.PASS
    assert "1 of 1 tables" in line.detail["message"]


@pytest.mark.parametrize(("server", "check"), [("postgres", "database"), ("valkey", "cache_server")])
def test_a_frozen_server_is_a_finding_in_time(target: Target, stack: Stack, server: str, check: str) -> None:
    with frozen(stack.info.pids[server]):
        begun = time.monotonic()
        line = by_check(run_live(target, stack.info))[check]
        whole = time.monotonic() - begun
    assert line.outcome is Outcome.ERROR
    assert line.detail["seconds"] <= DEADLINE_S + 0.5
    assert line.detail["remedy"]
    assert whole < 3 * DEADLINE_S


def test_a_frozen_service_is_the_services_fault(target: Target, stack: Stack) -> None:
    instance = stack.start_instance({})
    assert instance.pid is not None
    hurried = replace(target, service=replace(target.service, timeout_s=0.5))
    with frozen(instance.pid):
        line = by_check(run_live(hurried, replace(stack.info, url=instance.url)))["service"]
    stack.stop_instance(instance)
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == "GET /live: no whole answer within 0.5 s"


def test_a_service_that_is_slow_within_its_profiles_time_passes(target: Target, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        SERVICE.replace("self.send_response(", "time.sleep(0.4); self.send_response(", 1).replace(
            "import os", "import os, time", 1
        )
    )
    slow = replace(
        target, service=Service(command=(sys.executable, "slow.py"), cwd=str(tmp_path), env=UNUSED, timeout_s=5)
    )
    with launch(slow) as running:
        line = run_check(
            next(check for check in LIVE if check.id == "preflight.service"),
            Scene(target=slow, info=running.info),
            deadline_s=0.1,
        )
    assert line.outcome is Outcome.PASS
    assert line.detail["seconds"] > 0.4


def test_a_service_that_answers_with_an_error(target: Target, stack: Stack) -> None:
    sick = replace(target, health=Health(live="/live", ready="/sick"))
    line = by_check(run_live(sick, stack.info))["service"]
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == "GET /sick: status 503"


def test_a_cache_that_is_off_is_seen(target: Target, stack: Stack) -> None:
    instance = stack.start_instance({"CACHE": "off"})
    line = by_check(run_live(target, replace(stack.info, url=instance.url)))["cache_on"]
    stack.stop_instance(instance)
    assert line.outcome is Outcome.FAIL
    assert line.detail["seen"] == ["BYPASS"] * 3
    assert "CACHE=off" in line.detail["remedy"]


def test_a_cache_header_that_is_absent_is_no_hit(target: Target, stack: Stack) -> None:
    other = replace(target, cache=replace(target.cache, header="CF-Cache-Status"))
    line = by_check(run_live(other, stack.info))["cache_on"]
    assert line.outcome is Outcome.FAIL
    assert line.detail["seen"] == ["absent"] * 3


@pytest.mark.parametrize(
    ("key", "scheme", "check"),
    [("database_url", "postgresql", "database"), ("redis_url", "redis", "cache_server"), ("smtp_url", "smtp", "smtp")],
)
def test_a_server_that_is_down_is_an_error_without_its_password(
    target: Target, stack: Stack, key: str, scheme: str, check: str
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        gone = f"{scheme}://app:hunter2hunter2@127.0.0.1:{held.getsockname()[1]}/0"
        line = by_check(run_live(target, replace(stack.info, **{key: gone})))[check]  # type: ignore[arg-type]
    assert line.outcome is Outcome.ERROR
    assert line.detail["seconds"] < DEADLINE_S
    assert "hunter2" not in repr(line)
    assert f"127.0.0.1:{gone.rpartition(':')[2].partition('/')[0]}" in line.detail["message"]


def test_a_wrong_password_says_so_without_it(target: Target, stack: Stack) -> None:
    assert stack.info.database_url is not None
    place = stack.info.database_url.rpartition("@")[2]
    wrong = f"postgresql://app:hunter2hunter2@{place}"
    line = by_check(run_live(target, replace(stack.info, database_url=wrong)))["database"]
    assert line.outcome is Outcome.ERROR
    assert "password authentication failed" in line.detail["message"]
    assert "hunter2" not in repr(line)


@pytest.fixture
def valkey(stack: Stack) -> Iterator[redis.Redis]:
    """The stack's own, with its settings as they were afterwards."""
    with redis.Redis.from_url(stack.info.redis_url or "", decode_responses=True) as client:
        client.flushall()
        yield client
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.flushall()


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("noeviction", "; full, it refuses to write instead of forgetting what is old"),
        ("volatile-lru", "; 1 of 2 keys never expire, and are never forgotten"),
        ("allkeys-lfu", ""),
    ],
)
def test_what_a_full_cache_would_do_is_said(
    target: Target, stack: Stack, valkey: redis.Redis, policy: str, said: str
) -> None:
    valkey.set("lasting", 1)
    valkey.set("passing", 1, ex=100)
    valkey.config_set("maxmemory-policy", policy)
    line = by_check(run_live(target, stack.info))["cache_server"]
    assert line.outcome is Outcome.PASS
    assert line.detail["message"].endswith(f"{policy}{said}")


def test_a_cache_server_that_cannot_save_is_a_failure(target: Target, stack: Stack, valkey: redis.Redis) -> None:
    snapshot = Path(valkey.config_get("dir")["dir"], "dump.rdb")
    snapshot.mkdir()  # where the file belongs
    valkey.bgsave()
    assert eventually(lambda: valkey.info("persistence")["rdb_last_bgsave_status"] == "err")
    line = by_check(run_live(target, stack.info))["cache_server"]
    snapshot.rmdir()
    valkey.bgsave()
    assert eventually(lambda: valkey.info("persistence")["rdb_last_bgsave_status"] == "ok")
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == "the cache server cannot save its data: rdb_last_bgsave_status"
    assert by_check(run_live(target, stack.info))["cache_server"].outcome is Outcome.PASS


class OfferingTls(socketserver.StreamRequestHandler):
    """Enough of a mail server that offers STARTTLS."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail.test\r\n")
        for line in self.rfile:
            ehlo = line.upper().startswith(b"EHLO")
            leaves = line.upper().startswith(b"QUIT")
            plain = b"221 bye\r\n" if leaves else b"250 fine\r\n"
            self.wfile.write(b"250-mail.test\r\n250 STARTTLS\r\n" if ehlo else plain)


def test_starttls_is_demanded_where_the_profile_says_so(target: Target, stack: Stack) -> None:
    strict = replace(target, preflight=PreflightRules(starttls=True))
    assert by_check(run_live(target, stack.info))["smtp"].detail["message"].endswith("; no STARTTLS")
    without = by_check(run_live(strict, stack.info))["smtp"]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OfferingTls) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        offering = replace(stack.info, smtp_url=f"smtp://127.0.0.1:{server.server_address[1]}")
        offered = by_check(run_live(strict, offering))["smtp"]
        server.shutdown()
    assert without.outcome is Outcome.FAIL
    assert "offers no STARTTLS" in without.detail["message"]
    assert offered.detail["message"].endswith("; offers STARTTLS")


def test_a_mail_server_that_says_nothing_is_a_finding_in_time(target: Target, stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        line = by_check(run_live(target, replace(stack.info, smtp_url=url)))["smtp"]
    assert line.outcome is Outcome.ERROR
    assert line.detail["seconds"] <= DEADLINE_S + 0.5


def test_what_is_not_known_of_a_foreign_service_is_skipped_with_its_reason(target: Target, stack: Stack) -> None:
    info = StackInfo(name="x", backend="attach", target="tiny", url=stack.info.url, owned=False)
    bare = replace(target, service=Service(url=stack.info.url), absent={"mail": "sends none"})
    lines = by_check((*run_static(bare, info), *run_live(bare, info)))
    assert {name for name, line in lines.items() if line.outcome is Outcome.SKIP} >= {
        "database",
        "cache_server",
        "smtp",
    }
    assert all(line.detail["reason"] for line in lines.values() if line.outcome is Outcome.SKIP)
    assert lines["database"].detail["counts"] is True
    assert lines["smtp"].detail["reason"] == "not applicable: sends none"
    assert lines["smtp"].detail["counts"] is False
    assert lines["service"].outcome is Outcome.PASS
    assert not {line.outcome for line in lines.values()} & {Outcome.ERROR, Outcome.FAIL}


def test_a_clock_that_is_wrong_is_seen(target: Target, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        SERVICE.replace("self.send_response(", "self.date_time_string = lambda *_: LATE; self.send_response(").replace(
            "SEEN = set()", "SEEN = set(); LATE = 'Sat, 31 Jan 2026 09:30:42 GMT'"
        )
    )
    late = replace(target, service=Service(command=(sys.executable, "late.py"), cwd=str(tmp_path), env=UNUSED))
    with launch(late) as running:
        line = by_check(run_live(late, running.info))["clock"]
    assert line.outcome is Outcome.FAIL
    assert "the clock of the service is" in line.detail["message"]


def test_nothing_is_left_in_the_folders_that_were_tried(target: Target, stack: Stack) -> None:
    run_static(target, stack.info)
    assert not list(Path(stack.info.state_dir).glob(".harness-try-*"))
