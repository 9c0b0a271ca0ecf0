"""The fixture `rig` in real sessions: a stack of a module's own, broken and mended, with every fault as evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.machine.bundle import root
from tests.stack_target import marked_processes
from tests.suite_session import Bench, Ended

MARKS = """
import os, signal
from pathlib import Path
import pytest
from harness.probes.http import ServiceUnavailable

pytestmark = [pytest.mark.breaks, pytest.mark.rig(instances=2, workers=1, env={"MODE": "odd"})]
HERE = Path(__file__).parent

@pytest.fixture(autouse=True)
def noted(rig):
    # each test says in which process it ran, and on which stack
    with (HERE / "used").open("a") as file:
        print(os.getpid(), rig.info.settings["HARNESS_STACK"], file=file)
"""
WORKERS = """
[workers]
command = ["python", "-c", "import signal; print('at work', flush=True); signal.pause()"]
ready = "at work"
"""
PROCESSES = (
    MARKS
    + """
def test_it_is_as_the_mark_says(rig, stack_info, client):
    assert len(rig.instances) == 2
    assert len(rig.workers) == 1
    assert rig.client(rig.instances[1]).exchange("GET", "/").json()["MODE"] == "odd"
    assert "MODE" not in client.exchange("GET", "/").json()
    assert rig.info.url != stack_info.url

def test_killed(rig):
    one, two = rig.instances
    rig.kill(one)
    assert rig.exit_status(one) == -signal.SIGKILL
    with pytest.raises(ServiceUnavailable):
        rig.client(one).exchange("GET", "/")
    assert rig.client(two).exchange("GET", "/").status == 200
    rig.start(one)
    assert rig.instances[0].pid != one.pid
    assert rig.client(one).exchange("GET", "/").status == 200

def test_terminated(rig):
    assert rig.terminate(rig.instances[0]) == 0
    assert rig.terminate(rig.workers[0]) == -signal.SIGTERM

def test_mended(rig):
    assert [rig.exit_status(part) for part in (*rig.instances, *rig.workers)] == [None] * 3
    assert rig.client().exchange("GET", "/").status == 200
    assert rig.logs(rig.workers[0]).count("at work") == 2

def test_stubborn(rig):
    more = rig.start_instance({"STUBBORN": "1"})
    assert rig.terminate(more, seconds=0.2) is None
    assert rig.start_worker().pid in [worker.pid for worker in rig.workers]
    assert len(rig.instances) == 3

def test_what_was_added_is_gone(rig):
    assert len(rig.instances) == 2
    assert len(rig.workers) == 1

def test_frozen(rig):
    one, two = rig.instances
    rig.freeze(one)
    with pytest.raises(ServiceUnavailable, match="no whole answer within"):
        rig.client(one).exchange("GET", "/")
    assert rig.client(two).exchange("GET", "/").status == 200
    rig.thaw(one)
    assert rig.client(one).exchange("GET", "/").status == 200

def test_left_frozen(rig):
    rig.freeze(rig.instances[0])
    assert rig.exit_status(rig.instances[0]) is None
"""
)
SERVERS = """
import os, signal
import psycopg, pytest, redis

pytestmark = [pytest.mark.breaks, pytest.mark.rig()]

def test_postgres(rig):
    with rig.database() as connection:
        connection.execute("create table t (n int)")
        connection.execute("insert into t values (7)")
    for break_it in (rig.stop, rig.kill):
        break_it("postgres")
        with pytest.raises(psycopg.OperationalError):
            rig.database()
        rig.start("postgres")
        with rig.database() as connection:
            assert connection.execute("select n from t").fetchall() == [(7,)]

def test_valkey(rig):
    with rig.cache() as cache:
        cache.set("a", "b")
    rig.stop("valkey")
    with rig.cache() as cache, pytest.raises(redis.ConnectionError):
        cache.ping()
    rig.start("valkey")
    with rig.cache() as cache:
        assert cache.get("a") is None
    rig.freeze("valkey")
    with rig.cache() as cache, pytest.raises(redis.TimeoutError):
        cache.ping()

def test_valkey_is_thawed(rig):
    with rig.cache() as cache:
        assert cache.ping()

def test_frozen_postgres_is_stopped_and_started(rig):
    with rig.database() as connection:
        rig.freeze("postgres")
        rig.stop("postgres")
        rig.start("postgres")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with rig.database() as connection:
        assert connection.execute("select n from t").fetchall() == [(7,)]

def test_all_are_left_broken(rig):
    rig.freeze("postgres")
    rig.kill("valkey")
    rig.stop("smtp")
    assert len(rig.faults.open) == 3
"""
MAIL = """
import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit
import pytest

pytestmark = [pytest.mark.breaks, pytest.mark.rig()]

def send(rig, key="<1@small>"):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "a@x.org", "b@x.org", "hello", key
    mail.set_content("text")
    address = urlsplit(rig.info.smtp_url)
    with smtplib.SMTP(address.hostname, address.port, timeout=3) as server:
        server.send_message(mail)

def test_kept(rig):
    send(rig)
    (mail,) = rig.mailbox.messages()
    assert (mail.message_id, mail.recipients, mail.subject) == ("<1@small>", ("b@x.org",), "hello")
    assert b"Message-ID: <1@small>" in rig.mailbox.raw(mail)
    rig.mailbox.empty()

def test_refused(rig):
    rig.mailbox.refuse(451, "later", at="data", times=1)
    with pytest.raises(smtplib.SMTPDataError):
        send(rig, "<2@small>")
    send(rig, "<2@small>")
    assert [(tried.code, tried.message_id) for tried in rig.mailbox.attempts()] == [
        (451, "<2@small>"), (250, "<2@small>"),
    ]
    rig.mailbox.refuse(550)

def test_taken_again(rig):
    send(rig, "<3@small>")
    assert [mail.message_id for mail in rig.mailbox.messages()] == ["<2@small>", "<3@small>"]
"""


HANGING = """
import os
import pytest

pytestmark = [pytest.mark.breaks, pytest.mark.rig(workers=2)]
seen = []

def note(rig):
    seen.append([worker.pid for worker in rig.workers])
    assert [rig.exit_status(worker) for worker in rig.workers] == [None, None]

def test_ends_never(rig):
    note(rig)
    assert rig.terminate(rig.workers[0], seconds=0.2) is None

def test_frozen_and_thawed(rig):
    note(rig)
    assert seen[-1][0] != seen[-2][0]
    assert seen[-1][1] == seen[-2][1]
    rig.freeze(rig.workers[1])
    rig.thaw(rig.workers[1])

def test_without_a_server_for_a_while(rig):
    note(rig)
    assert seen[-1][0] == seen[-2][0]
    assert seen[-1][1] != seen[-2][1]
    rig.stop("valkey")
    rig.start("valkey")

def test_started_again_by_the_test(rig):
    note(rig)
    assert not set(seen[-1]) & set(seen[-2])
    rig.kill(rig.workers[0])
    rig.start(rig.workers[0])
    seen.append([worker.pid for worker in rig.workers])

def test_nothing_was_done(rig):
    note(rig)
    assert seen[-1] == seen[-2]

def test_the_same(rig):
    note(rig)
    assert seen[-1] == seen[-2]
"""
STUBBORN = """
[workers]
command = ["sh", "-c", "trap : TERM; echo at work; while :; do sleep 1; done"]
ready = "at work"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def outcomes(ended: Ended) -> dict[str, str]:
    return {line["check"]: line["outcome"] for line in ended.lines if line["outcome"] != "measured"}


def faults(ended: Ended) -> list[str]:
    return [f"{line['check']} {line['subject']}" for line in ended.lines if line["check"].startswith("fault.")]


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_are_broken_and_whole_again_on_one_stack(bench: Bench, workers: int) -> None:
    bench.describe(more=WORKERS)
    file = bench.suite(PROCESSES)
    bench.suite("def test_another():\n    assert True\n", "probe/test_other.py")
    ended = bench.run_as("in the gate", workers)
    assert ended.status == 0, ended.out
    assert set(outcomes(ended).values()) == {"pass"}
    used = set((file.parent / "used").read_text().splitlines())
    assert len(used) == 1, "one process, one stack"
    assert marked_processes(used.pop().split()[1]) == []
    assert (ended.run / "logs" / "test_it-worker-1.log").read_text().startswith("at work")
    assert [fault for fault in faults(ended) if "service-1" in fault] == [
        f"fault.{what} {how} service-1"
        for how in ("kill", "terminate", "freeze", "freeze")
        for what in ("begun", "ended")
    ]


def test_events_belong_to_their_test_and_are_in_order(bench: Bench) -> None:
    bench.describe(more=WORKERS)
    bench.suite(PROCESSES)
    ended = bench.run_in_gate("-k", "test_killed")
    begun, over = (line for line in ended.lines if line["check"].startswith("fault."))
    assert (begun["check"], over["check"]) == ("fault.begun", "fault.ended")
    assert begun["test"] == over["test"] == ended.the("probe.killed")["test"]
    assert 0 < begun["value"] < over["value"]
    assert begun["detail"]["at"] < over["detail"]["at"] < over["at"]


def test_servers_keep_port_and_data_and_nothing_hangs_on_a_frozen_one(bench: Bench) -> None:
    bench.describe(needs='"postgres", "valkey", "smtp"')
    bench.suite(SERVERS)
    ended = bench.run_in_gate()
    assert ended.status == 0, ended.out
    assert outcomes(ended) == {
        f"probe.{name}": "pass"
        for name in (
            "postgres",
            "valkey",
            "valkey_is_thawed",
            "frozen_postgres_is_stopped_and_started",
            "all_are_left_broken",
        )
    }
    assert faults(ended)[-3:] == [f"fault.ended {name}" for name in ("freeze postgres", "kill valkey", "stop smtp")]


def test_a_worker_that_may_hang_is_started_again_and_no_other(bench: Bench) -> None:
    bench.describe(needs='"valkey"', more=STUBBORN)
    bench.suite(HANGING)
    ended = bench.run_in_gate()
    assert ended.status == 0, ended.out
    assert set(outcomes(ended).values()) == {"pass"}


def test_the_mail_server_misbehaves_as_told(bench: Bench) -> None:
    bench.describe(needs='"smtp"')
    bench.suite(MAIL)
    ended = bench.run_in_gate()
    assert ended.status == 0, ended.out
    assert faults(ended) == [f"fault.{what} refuse {code} mail" for code in (451, 550) for what in ("begun", "ended")]


def test_a_failure_shows_the_requests_to_the_rig_and_a_start_that_fails_is_the_targets(bench: Bench) -> None:
    bench.suite(
        """
        import pytest
        pytestmark = [pytest.mark.breaks, pytest.mark.rig()]

        def test_red(rig):
            assert rig.client().exchange("GET", "/").status == 404

        def test_start(rig):
            rig.start_instance({"FAIL": "3"})
        """
    )
    bench.suite("import pytest\npytestmark = pytest.mark.rig()\ndef test_unmarked(rig):\n    pass\n", "probe/test_b.py")
    ended = bench.run_in_gate()
    red, start = ended.the("probe.red"), ended.the("probe.start")
    assert (red["outcome"], len(red["detail"]["curl"])) == ("fail", 1)
    assert (start["outcome"], start["detail"]["reason"]) == (
        "fail",
        "a copy of the service, or a worker, did not start",
    )
    assert "carries the mark `breaks`" in ended.the("probe.unmarked")["detail"]["message"]


def test_a_stack_that_others_started_has_no_rig(bench: Bench) -> None:
    bench.suite("import pytest\npytestmark = pytest.mark.breaks\ndef test_it(rig):\n    assert rig\n")
    with bench.stranger() as url:
        ended = bench.run("--url", url, "--active")
        assert ended.the("probe.it")["detail"]["reason"] == "faults need processes that we started"
        ended = bench.run("--url", url)
        assert "faults would be caused at" in ended.the("probe.it")["detail"]["reason"]


SERVICE = """
import http.server, os, socket, sys, signal
from urllib.parse import urlsplit

def reaches(name):
    parts = urlsplit(os.environ[name])
    try:
        socket.create_connection((parts.hostname, parts.port), 1).close()
    except OSError:
        return False
    return True

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = reaches("DATABASE_URL") or self.path != "/ready"
        if not reaches("REDIS_URL"):
            match os.environ.get("LIE", ""):
                case "dies":
                    os._exit(1)
                case "errs":
                    well = False
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
SETTINGS = """
[service.env]
DATABASE_URL = "{{database_url}}"
REDIS_URL = "{{redis_url}}"
LIE = "{lie}"
"""


@pytest.mark.parametrize(
    ("lie", "red"),
    [
        ("", set()),
        ("dies", {"resilience.cache_down", "resilience.cache_back"}),
        ("errs", {"resilience.cache_down"}),
    ],
)
def test_the_generic_suite_tells_a_service_that_needs_its_cache_server(bench: Bench, lie: str, red: set[str]) -> None:
    bench.describe('[cache]\npaths = ["/items"]', needs='"postgres", "valkey"', service=SERVICE)
    profile = bench.profile.read_text()
    bench.profile.write_text(profile.replace("[service.env]", SETTINGS.format(lie=lie)))
    ended = bench.run_in_gate(str(root() / "suites" / "resilience" / "test_restart.py"))
    found = outcomes(ended)
    assert {check for check, outcome in found.items() if outcome == "fail"} == red, json.dumps(found)
    assert {check for check, outcome in found.items() if outcome == "pass"} == set(found) - red
    assert len(found) == 4
