"""A stack is started, used, and gone without a trace: `launch`, `open_stack`, further instances, what fails."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import stat
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import redis

from harness.errors import ConfigError, StackError, StartupError, UsageError
from harness.model import StackInfo, Workers
from harness.stack import launch, open_stack
from tests.stack_target import eventually, folders_of, listens, marked_processes, small_target


class Stranger(http.server.BaseHTTPRequestHandler):
    """Somebody else's server."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def mark_of(info: StackInfo) -> str:
    return info.settings["HARNESS_STACK"]


def environment_of(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own stack
        return json.load(answer)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].split("/")[0])


def test_servers_answer_with_the_urls_that_the_service_was_given(tmp_path: Path) -> None:
    env = {"DATABASE_URL": "{database_url}", "REDIS_URL": "{redis_url}", "SMTP_URL": "{smtp_url}"}
    with launch(small_target(tmp_path, needs=("postgres", "valkey", "smtp"), env=env)) as stack:
        info = stack.info
        given = environment_of(info.url)
        assert [given[key] for key in env] == [info.database_url, info.redis_url, info.smtp_url]
        with psycopg.connect(given["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
            assert row.fetchone() == ("app", False)
            connection.execute("CREATE TABLE kept (id int)")
        client = redis.Redis.from_url(given["REDIS_URL"])
        assert client.config_get("save") == {"save": ""}
        client.close()
        assert set(info.timings) == {"postgres", "valkey", "smtp", "service", "total"}
    for url in (info.url, info.smtp_url, info.mailbox_url):
        assert url is not None
        assert not listens(port_of(url))
    assert marked_processes(mark_of(info)) == []
    assert folders_of(mark_of(info)) == []


def test_wrong_passwords_are_refused(tmp_path: Path) -> None:
    with launch(small_target(tmp_path, needs=("postgres", "valkey"))) as stack:
        database, cache = stack.info.database_url, stack.info.redis_url
        assert database is not None
        assert cache is not None
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database.replace("app:", "app:x"))
        client = redis.Redis(port=port_of(cache))
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        client.close()


def test_only_what_the_profile_needs_is_started(tmp_path: Path) -> None:
    with launch(small_target(tmp_path)) as stack:
        assert set(stack.info.pids) == {"service-1"}
        assert (stack.info.database_url, stack.info.redis_url, stack.info.mailbox_url) == (None, None, None)


def test_a_service_gets_a_minimal_environment_and_overrides_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAY", "from the caller")
    env = {"A": "{secret.one}", "B": "{secret.one}", "C": "{secret.two}", "D": "profile"}
    with launch(small_target(tmp_path, env=env), overrides={"D": "override"}) as stack:
        given = environment_of(stack.info.url)
        assert "STRAY" not in given
        assert given["A"] == given["B"] != given["C"]
        assert given["D"] == "override"
        assert stack.info.overrides == {"D": "override"}
        assert stack.info.secrets["one"] == given["A"]
        assert given["PORT"] == str(port_of(stack.info.url))
        assert Path(given["TMPDIR"]).is_relative_to(stack.info.state_dir)
        assert {"PATH", "HOME", "LANG", "TZ"} <= given.keys()


def test_state_is_private_to_the_user(tmp_path: Path) -> None:
    with launch(small_target(tmp_path)) as stack:
        folder = Path(stack.info.state_dir)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "stack.json").stat().st_mode) == 0o600


def test_another_instance_shares_the_data_and_ends_alone(tmp_path: Path) -> None:
    target = small_target(tmp_path, needs=("valkey",), env={"REDIS_URL": "{redis_url}", "CACHE": "on"})
    with launch(target) as stack:
        other = stack.start_instance({"CACHE": "off"})
        given = environment_of(other.url)
        assert given["CACHE"] == "off"
        assert given["REDIS_URL"] == stack.info.redis_url
        assert environment_of(stack.info.url)["CACHE"] == "on"
        stack.stop_instance(other)
        assert not listens(port_of(other.url))
        assert listens(port_of(stack.info.url))
        with pytest.raises(StackError, match="no instance that this process started"):
            stack.stop_instance(other)


def test_instances_are_as_many_as_asked_for(tmp_path: Path) -> None:
    with launch(small_target(tmp_path), instances=3) as stack:
        urls = [instance.url for instance in stack.info.instances]
        assert len({environment_of(url)["PORT"] for url in urls}) == 3
        assert stack.info.url == urls[0]


def test_instances_start_at_the_same_time(tmp_path: Path) -> None:
    """None of them is ready before all of them have begun."""
    meet = tmp_path / "meet"
    meet.mkdir()
    env = {"MEET": str(meet), "MEETING": "3"}
    with launch(small_target(tmp_path, env=env), instances=3) as stack:
        assert len(stack.info.instances) == 3


def test_an_opened_stack_starts_instances_of_its_own_and_leaves_the_original(tmp_path: Path) -> None:
    with launch(small_target(tmp_path, env={"A": "{secret.one}"})) as stack:
        with open_stack(Path(stack.info.state_dir) / "stack.json") as opened:
            assert opened.info == stack.info
            other = opened.start_instance({})
            assert environment_of(other.url)["A"] == stack.info.secrets["one"]
        assert not listens(port_of(other.url))
        assert listens(port_of(stack.info.url))


def test_before_service_sees_ready_servers_and_no_service(tmp_path: Path) -> None:
    seen: list[tuple[StackInfo, bool]] = []

    def look(info: StackInfo) -> None:
        assert info.database_url is not None
        psycopg.connect(info.database_url).close()
        seen.append((info, listens(port_of(info.url))))

    with launch(small_target(tmp_path, needs=("postgres",), env={"A": "b"}), before_service=look) as stack:
        assert [(info.settings["A"], info.url, answered) for info, answered in seen] == [("b", stack.info.url, False)]


def test_what_before_service_raises_takes_everything_down(tmp_path: Path) -> None:
    seen: list[StackInfo] = []

    def refuse(info: StackInfo) -> None:
        seen.append(info)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        launch(small_target(tmp_path, needs=("valkey",)), before_service=refuse)
    assert marked_processes(mark_of(seen[0])) == []
    assert folders_of(mark_of(seen[0])) == []


def test_prepare_runs_in_turn_before_the_service(tmp_path: Path) -> None:
    steps = (("python", "-c", "open('one', 'x')"), ("python", "-c", "open('one'); open('two', 'x')"))
    with launch(small_target(tmp_path, prepare=steps)):
        assert (tmp_path / "two").exists()


def test_a_failing_prepare_is_the_services_fault(tmp_path: Path) -> None:
    steps = (("python", "-c", "import sys; print('no table'); sys.exit(7)"),)
    with pytest.raises(StartupError, match=r"prepare: `python -c .* exited with status 7") as caught:
        launch(small_target(tmp_path, prepare=steps))
    assert caught.value.output == "no table"


WORKER = """\
import json, os, signal, sys, time
if "EXIT" in os.environ:
    sys.exit(int(os.environ["EXIT"]))
print(json.dumps(dict(os.environ)), flush=True)
time.sleep(float(os.environ.get("DELAY", "0")))
print("waiting for work", flush=True)
signal.pause()
"""


def workers(*, count: int = 1, ready: str = "waiting for work") -> Workers:
    return Workers(command=("python", "-c", WORKER), count=count, ready=ready)


def test_workers_run_beside_the_service_and_end_with_it(tmp_path: Path) -> None:
    with launch(small_target(tmp_path, workers=workers(count=2, ready=""))) as stack:
        pids = [worker.pid for worker in stack.info.workers]
        assert pids == [stack.info.pids["worker-1"], stack.info.pids["worker-2"]]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_worker_has_the_settings_of_the_first_instance_and_a_log_of_its_own(tmp_path: Path) -> None:
    target = small_target(tmp_path, needs=("valkey",), env={"CACHE": "{redis_url}", "HERE": "{url}"}, workers=workers())
    with launch(target, instances=2, overrides={"MODE": "x"}) as stack:
        (worker,) = stack.info.workers
        assert stack.info.logs["worker-1"] == worker.log
        told = json.loads(Path(worker.log).read_text().splitlines()[0])
        assert (told["CACHE"], told["MODE"]) == (stack.info.redis_url, "x")
        assert told["HERE"] == stack.info.url
        assert [environment_of(one.url)["HERE"] for one in stack.info.instances] == [
            one.url for one in stack.info.instances
        ]


def test_a_stack_is_up_once_its_workers_say_that_they_work(tmp_path: Path) -> None:
    target = small_target(tmp_path, env={"DELAY": "0.3"}, workers=workers(count=2))
    with launch(target) as stack:
        assert all("waiting for work" in Path(worker.log).read_text() for worker in stack.info.workers)


def test_the_number_of_workers_can_be_asked_for(tmp_path: Path) -> None:
    target = small_target(tmp_path, workers=workers(count=2))
    with launch(target, workers=0) as stack:
        assert stack.info.workers == ()
        more = stack.start_worker({"MODE": "more"})
        assert json.loads(Path(more.log).read_text().splitlines()[0])["MODE"] == "more"
        stack.stop_worker(more)
        assert not Path(f"/proc/{more.pid}").exists()
        with pytest.raises(StackError, match="worker-1 is no worker that this process started"):
            stack.stop_worker(more)
    with pytest.raises(UsageError, match=r"--workers 65: from 0 to 64"):
        launch(target, workers=65)
    with pytest.raises(UsageError, match=r"--workers 1: .* has no \[workers\] command"):
        launch(small_target(tmp_path), workers=1)


def test_a_worker_that_exits_is_a_failed_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"worker `python -c .* exited with status 3 after") as caught:
        launch(
            small_target(tmp_path, workers=Workers(command=("python", "-c", "print('no work'); exit(3)"), ready="x"))
        )
    assert caught.value.output == "no work"


def test_a_worker_that_never_says_that_it_works_is_a_failed_start(tmp_path: Path) -> None:
    target = small_target(tmp_path, workers=workers(ready="never said"), start_timeout_s=1.0)
    with pytest.raises(StartupError, match="is not ready \\(its log does not say 'never said'\\) after") as caught:
        launch(target)
    assert "waiting for work" in caught.value.output


def test_a_service_that_exits_shows_status_and_last_lines(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"exited with status 3 .*`python service.py`") as caught:
        launch(small_target(tmp_path, env={"FAIL": "3"}))
    assert caught.value.output.splitlines() == [f"line {number}" for number in range(10, 30)]


def test_a_service_that_never_gets_ready_shows_its_last_answer(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"not ready after .* s \(GET /ready: 503\)") as caught:
        launch(small_target(tmp_path, env={"SICK": "1"}, start_timeout_s=1.0))
    assert "the service begins" in caught.value.output


def test_a_command_that_cannot_be_executed_is_the_services_fault(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"`/nowhere/at/all` cannot be started"):
        launch(small_target(tmp_path, command=("/nowhere/at/all",)))


def test_an_unknown_placeholder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"service\.env\.A: \{databse_url\} is no placeholder"):
        launch(small_target(tmp_path, env={"A": "{databse_url}"}))


def test_a_placeholder_without_its_server_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs` lacks 'valkey'"):
        launch(small_target(tmp_path, env={"A": "{redis_url}"}))


def test_a_taken_port_names_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} on 127.0.0.1 is in use by pid {os.getpid()} \("):
            launch(small_target(tmp_path), port=port)


@pytest.mark.parametrize(("status", "delay"), [(503, "0"), (200, "1")])
def test_a_port_lost_before_the_service_took_it_is_not_the_services_fault(
    tmp_path: Path, status: int, delay: str
) -> None:
    """The service finds out and ends, or the stranger answers the readiness check before it does."""
    handler = type("Handler", (Stranger,), {"status": status})
    with contextlib.ExitStack() as cleanup:

        def take_port(info: StackInfo) -> None:
            stranger = http.server.ThreadingHTTPServer(("127.0.0.1", port_of(info.url)), handler)
            thread = threading.Thread(target=stranger.serve_forever, args=(0.01,))
            thread.start()
            cleanup.callback(stranger.server_close)
            cleanup.callback(thread.join)
            cleanup.callback(stranger.shutdown)

        with pytest.raises(StackError, match=rf"is in use by pid {os.getpid()}") as caught:
            launch(small_target(tmp_path, env={"DELAY": delay}), before_service=take_port)
        assert not isinstance(caught.value, StartupError)


def test_a_fixed_port_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with launch(small_target(tmp_path), port=port) as stack:
        assert stack.info.url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("change", "instances", "message"),
    [
        ({"cwd": "/nowhere"}, 1, "there is no folder /nowhere"),
        ({"command": ()}, 1, "service.command is missing"),
        ({}, 0, "--instances 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    tmp_path: Path, change: dict[str, object], instances: int, message: str
) -> None:
    target = small_target(tmp_path)
    with pytest.raises(UsageError, match=message):
        launch(replace(target, service=replace(target.service, **change)), instances=instances)


def test_a_stubborn_service_and_its_stray_children_are_ended(tmp_path: Path) -> None:
    stack = launch(small_target(tmp_path, env={"STUBBORN": "1", "CHILDREN": "3"}))
    mark = mark_of(stack.info)
    # the supervisor, the service, and three children in sessions of their own
    assert len(marked_processes(mark)) == 5
    stack.stop()
    assert marked_processes(mark) == []


def test_a_service_that_drains_is_told_a_second_time_at_the_end_of_the_stack(tmp_path: Path) -> None:
    """Nobody's request is left to be saved; one that is stopped alone drains."""
    said = tmp_path / "said"
    with launch(small_target(tmp_path, env={"DRAINS": str(said)})) as stack:
        stack.stop_instance(stack.start_instance({}))
        assert not said.exists()
    assert said.read_text() == "cut short"


def test_stop_twice_is_no_error_and_a_stopped_stack_starts_nothing(tmp_path: Path) -> None:
    stack = launch(small_target(tmp_path))
    stack.stop()
    stack.stop()
    with pytest.raises(StackError, match="was stopped"):
        stack.start_instance({})


def test_a_killed_postgres_leaves_no_shared_memory(tmp_path: Path) -> None:
    with launch(small_target(tmp_path, needs=("postgres",))) as stack:
        pid = stack.info.pids["postgres"]
        segments = {
            line.split()[1]
            for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
            if line.split()[4] == str(pid)
        }
        assert len(segments) == 1
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    left = {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    assert not segments & left
