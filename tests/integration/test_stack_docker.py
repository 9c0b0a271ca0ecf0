"""Stacks in containers: they work, they see whom they should, they say what is wrong, and nothing is left of them.

Needs a Docker daemon and an image of Python (official, or by `make images`). Without a daemon these tests are skipped,
but not where CI is set: there, what was not tested must not look as if it was (DOCKER_GATE=0 says that it is meant).
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import smtplib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
import redis

from harness.errors import GroundError, StackError, StartupError, UsageError
from harness.model import Health, Service, Target, Workers
from harness.stack import attach_name, bring_down, bring_up, docker, find_stack, launch
from harness.stack.docker_containers import KEEPER_LABEL, NETWORK_LABEL, STACK_LABEL, sweep_docker
from harness.stack.docker_engine import connect_engine
from harness.stack.docker_images import find_image
from harness.stack.leftovers import find_left
from harness.stack.state import keeper_of, sweep
from harness.stack.supervisor import MARK, process_stat
from tests.stack_target import eventually, folders_of, listens

PROGRAM = """\
import http.server, json, os, sys, time

print("the service begins", file=sys.stderr, flush=True)
if "FAIL" in os.environ:
    sys.exit(int(os.environ["FAIL"]))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 503 if self.path == "/ready" and "SICK" in os.environ else 200
        body = json.dumps({"peer": self.client_address[0], "env": dict(os.environ)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = """\
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY service.py /srv/
USER 10001
CMD ["python3", "/srv/service.py"]
"""
HOLDER = """\
import sys, time
from pathlib import Path
from harness.stack import launch
from tests.integration.test_stack_docker import target_in
stack = launch(target_in(Path(sys.argv[1]), needs=("valkey",)), backend="docker")
print(stack.info.settings["HARNESS_STACK"], stack.info.supervisor_pid, flush=True)
time.sleep(600)
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """The daemon of this machine."""
    try:
        found = connect_engine()
    except StackError as error:
        if os.environ.get("CI") and os.environ.get("DOCKER_GATE") != "0":
            pytest.fail(f"Docker is part of what CI tests: {error.message}")
        pytest.skip(error.message)
    yield found
    found.close()


def target_in(folder: Path, *, needs: tuple[str, ...] = (), trusts: bool = False, **service: Any) -> Target:
    """A profile of a small service with a Dockerfile in `folder`."""
    (folder / "service.py").write_text(PROGRAM)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    words = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "smtp": "SMTP_URL"}
    places = {"postgres": "{database_url}", "valkey": "{redis_url}", "smtp": "{smtp_url}"}
    env = {words[need]: places[need] for need in needs} | {"TRUSTED": "{proxy}"} | service.pop("env", {})
    given = {"timeout_s": 5.0, "start_timeout_s": 60.0, "container_port": 8123, "dockerfile": "Dockerfile", **service}
    return Target(
        name="small",
        source=str(folder / "small.toml"),
        service=Service(cwd=str(folder), needs=needs, env=env, **given),
        health=Health(live="/live", ready="/ready"),
        client_address="x-forwarded-for" if trusts else "none",
    )


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def open_sockets() -> set[str]:
    """Sockets that this process has open."""
    links = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return {link for link in links if link.startswith("socket:")}


def left_of(engine: Any, mark: str) -> list[str]:
    """Containers, networks and folders of a stack that are still there."""
    client = engine.client
    containers = client.api.containers(all=True, filters={"label": f"{NETWORK_LABEL}=harness-{mark}"})
    networks = client.api.networks(names=[f"harness-{mark}"])
    return [str(thing) for thing in (*containers, *networks, *folders_of(mark))]


@pytest.fixture(scope="module")
def whole(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stack with every server."""
    assert engine.client.ping()
    target = target_in(
        tmp_path_factory.mktemp("whole"),
        needs=("postgres", "valkey", "smtp"),
        trusts=True,
        prepare=(("python3", "-c", "print('prepared', flush=True)"),),
    )
    with launch(target, backend="docker") as stack:
        yield stack


def test_its_servers_answer_from_here_and_the_service_is_told_where_they_are_inside(whole: Any) -> None:
    info = whole.info
    with psycopg.connect(info.database_url, connect_timeout=5) as connection:
        assert connection.execute("select current_user, current_database()").fetchone() == ("app", "app")
        connection.execute("create table t (n int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create role other")
    with redis.Redis.from_url(info.redis_url) as cache:
        assert cache.ping()
    told = get(info.url)["env"]
    assert "@postgres:5432/app" in told["DATABASE_URL"]
    assert told["REDIS_URL"].endswith("@valkey:6379/0")
    assert told["SMTP_URL"] == "smtp://smtp:2525"
    assert told["PORT"] == "8123"
    assert MARK not in told


def test_a_wrong_password_is_refused_by_both_stores(whole: Any) -> None:
    port = urlsplit(whole.info.redis_url).port
    with redis.Redis(port=port) as cache, pytest.raises(redis.AuthenticationError):
        cache.ping()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(whole.info.database_url.replace("app:", "app:x"), connect_timeout=5)


def test_mails_are_kept(whole: Any) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["To"], mail["From"] = "in a container", "a@example.org", "b@example.org"
    mail.set_content("hello")
    host, port = whole.info.smtp_url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.send_message(mail)
    with urllib.request.urlopen(f"{whole.info.mailbox_url}/messages", timeout=10) as answer:  # noqa: S310
        assert [kept["subject"] for kept in json.loads(answer.read())] == ["in a container"]


def test_requests_from_here_come_from_the_trusted_proxy_and_others_from_the_peer(whole: Any) -> None:
    seen = get(whole.info.url)
    assert seen["env"]["TRUSTED"] == f"{seen['peer']}/32"
    by_peer = get(whole.info.untrusted_url)
    assert by_peer["env"]["HOSTNAME"] == seen["env"]["HOSTNAME"] == "service-1"
    assert by_peer["peer"] != seen["peer"]


def test_its_ports_are_published_on_loopback_alone_and_its_containers_are_labelled(engine: Any, whole: Any) -> None:
    mark = whole.info.settings[MARK]
    containers = engine.client.containers.list(filters={"label": f"{STACK_LABEL}={mark}"})
    assert {one.attrs["Config"]["Hostname"] for one in containers} >= {
        "postgres",
        "valkey",
        "smtp",
        "peer",
        "service-1",
    }
    bound = [where for one in containers for ports in one.ports.values() for where in ports or ()]
    assert {where["HostIp"] for where in bound} == {"127.0.0.1"}
    assert all(one.labels["harness.target"] == "small" for one in containers)


def test_logs_lie_in_files_and_the_build_is_the_image(engine: Any, whole: Any) -> None:
    logs = whole.info.logs
    assert eventually(lambda: "the service begins" in Path(logs["service-1"]).read_text())
    assert eventually(lambda: "ready to accept connections" in Path(logs["postgres"]).read_text())
    assert Path(whole.info.state_dir, "logs", "prepare-1.log").read_text() == "prepared\n"
    assert whole.info.build.kind == "image"
    assert engine.client.images.get(whole.info.build.id).id == whole.info.build.id


def test_workers_run_in_containers_of_the_same_image_and_end_with_the_stack(engine: Any, tmp_path: Path) -> None:
    program = "import os, signal; print('at work for', os.environ['MODE'], flush=True); signal.pause()"
    worker = Workers(command=("python3", "-c", program), count=2, ready="at work for x")
    target = replace(target_in(tmp_path, env={"MODE": "x"}), workers=worker)
    sockets = open_sockets()
    with launch(target, backend="docker") as stack:
        mark = stack.info.settings[MARK]
        assert [one.pid for one in stack.info.workers] == [None, None]
        assert Path(stack.info.logs["worker-2"]).read_text() == "at work for x\n"
        more = stack.start_worker({"MODE": "x"})
        stack.stop_worker(more)
    assert open_sockets() == sockets
    assert left_of(engine, mark) == []
    exits = replace(target, workers=replace(worker, command=("python3", "-c", "exit(3)")))
    with pytest.raises(StartupError, match="exited with status 3"):
        launch(exits, backend="docker")


def test_a_further_instance_has_settings_of_its_own_and_can_be_stopped(engine: Any, whole: Any) -> None:
    before = left_of(engine, whole.info.settings[MARK])
    instance = whole.start_instance({"COLOUR": "green"})
    assert get(instance.url)["env"]["COLOUR"] == "green"
    assert "COLOUR" not in get(whole.info.url)["env"]
    whole.stop_instance(instance)
    assert not listens(int(instance.url.rpartition(":")[2]))
    assert len(left_of(engine, whole.info.settings[MARK])) == len(before)


def test_nothing_is_left_after_a_stop(engine: Any, tmp_path: Path) -> None:
    with launch(target_in(tmp_path, needs=("valkey",)), backend="docker", instances=2) as stack:
        mark = stack.info.settings[MARK]
        assert len(left_of(engine, mark)) >= 4
    assert left_of(engine, mark) == []
    with pytest.raises(OSError, match=r"refused|reset"):
        get(stack.info.url)


@pytest.mark.parametrize("who", ["harness", "supervisor", "both"])
def test_nothing_is_left_after_a_kill(engine: Any, tmp_path: Path, who: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    mark, supervisor = holder.stdout.readline().split()
    assert left_of(engine, mark)
    assert process_stat(int(supervisor)) is not None
    if who != "harness":
        os.kill(int(supervisor), signal.SIGKILL)
    if who != "supervisor":
        holder.kill()

    if who == "both":
        # the next stack's start clears up the folders at once: that must not hinder what removes the containers
        assert eventually(lambda: process_stat(int(supervisor)) is None)
        holder.wait()
        sweep()
    try:
        # folders are for whoever looks next where nobody is left to remove them
        assert eventually(lambda: [thing for thing in left_of(engine, mark) if not thing.startswith("/")] == [], 20.0)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_stop_after_the_supervisor_was_killed_removes_all(engine: Any, tmp_path: Path) -> None:
    with launch(target_in(tmp_path, needs=("valkey",)), backend="docker") as stack:
        mark = stack.info.settings[MARK]
        os.kill(stack.info.supervisor_pid or 0, signal.SIGKILL)
        assert eventually(lambda: not stack.supervision.alive)
    assert left_of(engine, mark) == []


def test_what_a_dead_keeper_left_is_swept_and_what_a_living_one_has_is_not(engine: Any) -> None:
    here = process_stat(os.getpid())
    assert here is not None
    dead = keeper_of("dead", os.getpid(), here[2] + 1, (), "")
    living = keeper_of("living", os.getpid(), here[2], (), "")
    image = find_image(engine, "python")
    containers = [
        engine.client.containers.create(image, labels={KEEPER_LABEL: msgspec.json.encode(keeper).decode()})
        for keeper in (dead, living)
    ]
    name = f"harness-test-{secrets.token_hex(4)}"
    engine.client.networks.create(name, labels={KEEPER_LABEL: msgspec.json.encode(dead).decode()})
    try:
        left = {one.name for one in find_left()}
        assert [one.name in left for one in containers] == [True, False]
        assert name in left
        sweep_docker(engine)
        ids = {entry["Id"] for entry in engine.client.api.containers(all=True)}
        assert [one.id in ids for one in containers] == [False, True]
        assert engine.client.api.networks(names=[name]) == []
    finally:
        containers[1].remove(force=True)


@pytest.mark.usefixtures("engine")
def test_a_service_that_exits_is_a_startup_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="exited with status 7") as caught:
        launch(target_in(tmp_path, env={"FAIL": "7"}), backend="docker")
    assert "the service begins" in caught.value.output


@pytest.mark.usefixtures("engine")
def test_a_service_that_never_gets_ready_is_a_startup_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"not ready after .* \(GET /ready: 503\)") as caught:
        launch(target_in(tmp_path, env={"SICK": "1"}, start_timeout_s=1.0), backend="docker")
    assert "the service begins" in caught.value.output


@pytest.mark.usefixtures("engine")
def test_a_command_that_the_image_does_not_have_is_a_startup_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="no-such-program") as caught:
        launch(target_in(tmp_path, command=("no-such-program",)), backend="docker")
    assert "\n" not in caught.value.message


@pytest.mark.usefixtures("engine")
def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use"):
            launch(target_in(tmp_path), backend="docker", port=port)
        # taken between the look and the start: then the daemon is who finds out
        monkeypatch.setattr(docker, "is_free", lambda _port: True)
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            launch(target_in(tmp_path), backend="docker", port=port)
        assert not isinstance(caught.value, StartupError)


@pytest.mark.usefixtures("engine")
def test_a_further_instance_gives_up_a_lost_port_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with launch(target_in(tmp_path), backend="docker") as stack, socket.create_server(("127.0.0.1", 0)) as holder:
        ports = [docker.free_port(), holder.getsockname()[1]]
        free = ports[0]
        monkeypatch.setattr(docker, "free_port", lambda _taken: ports.pop())
        instance = stack.start_instance({})
        assert instance.url == f"http://127.0.0.1:{free}"
        assert get(instance.url)["peer"]


def test_an_image_is_built_anew_only_if_its_files_changed(engine: Any, tmp_path: Path) -> None:
    target = target_in(tmp_path)
    (tmp_path / ".dockerignore").write_text("notes.txt\n")
    first = docker.service_image(engine, target)
    (tmp_path / "notes.txt").write_text("ignored\n")
    assert docker.service_image(engine, target) == first
    (tmp_path / "service.py").write_text(PROGRAM + "# changed\n")
    assert docker.service_image(engine, target) != first


@pytest.mark.usefixtures("engine")
def test_a_build_that_fails_shows_its_output(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    (tmp_path / "Dockerfile").write_text(f"{DOCKERFILE}RUN echo before; false\n")
    before = open_sockets()
    with pytest.raises(StackError, match="building small from Dockerfile failed") as caught:
        launch(target, backend="docker")
    assert "before" in caught.value.output
    assert not isinstance(caught.value, StartupError)
    assert open_sockets() == before


@pytest.mark.usefixtures("engine")
def test_a_missing_image_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # an address where no registry listens, so that nothing is asked beyond this machine
    monkeypatch.setenv("HARNESS_IMAGE_VALKEY", "127.0.0.1:9/none:1")
    with pytest.raises(StackError, match=r"HARNESS_IMAGE_VALKEY: image 127.0.0.1:9/none:1 is not here"):
        launch(target_in(tmp_path, needs=("valkey",)), backend="docker")
    with pytest.raises(StackError, match=r"service.image: image 127.0.0.1:9/mine:1 is not here"):
        launch(target_in(tmp_path, image="127.0.0.1:9/mine:1"), backend="docker")


def test_a_profile_with_neither_image_nor_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"service.image or service.dockerfile"):
        launch(target_in(tmp_path, dockerfile=""), backend="docker")


def test_a_named_stack_is_reused_takes_further_instances_and_ends(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "service"
    folder.mkdir()
    words: dict[str, Any] = {"name": "docked", "backend": "docker", "overrides": {}, "instances": 1}
    target = target_in(folder)
    try:
        info = bring_up(target, listen=lambda _: None, **words).info
        assert bring_up(target, listen=lambda _: None, **words).reused
        found = find_stack("docked")
        assert found is not None
        assert (found.backend, found.url) == ("docker", info.url)
        with attach_name("docked") as attached:
            instance = attached.start_instance({"COLOUR": "red"})
            assert get(instance.url)["env"]["COLOUR"] == "red"
        assert not listens(int(instance.url.rpartition(":")[2]))
        assert get(info.url)["peer"]
    finally:
        assert bring_down("docked")
    assert left_of(engine, info.settings[MARK]) == []


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("unix://{folder}/none.sock", r"no Docker daemon: .*/none.sock does not exist; install and start Docker"),
        ("unix://{folder}/silent.sock", r"no Docker daemon answers at .*/silent.sock \(.*refused\); start it"),
        ("tcp://127.0.0.1:9", r"DOCKER_HOST is tcp://127.0.0.1:9: .*only a unix:// socket"),
    ],
)
def test_without_a_daemon_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, says: str
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
    monkeypatch.setenv("DOCKER_HOST", host.format(folder=tmp_path))
    with pytest.raises(StackError, match=says) as caught:
        launch(target_in(tmp_path), backend="docker")
    assert "\n" not in caught.value.message


def test_a_daemon_that_lets_go_is_no_fault_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "daemon.sock"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(path))
        daemon.listen()
        child = os.fork()
        if child == 0:
            while True:
                daemon.accept()[0].close()
        try:
            monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
            with pytest.raises(GroundError, match="the Docker daemon does not answer"):
                connect_engine()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.parametrize("command", ["up", "gate"])
def test_commands_exit_4_without_a_daemon(tmp_path: Path, command: str) -> None:
    out = ["--out", str(tmp_path / "out")] if command == "gate" else ["--name", f"docked-{secrets.token_hex(3)}"]
    ran = subprocess.run(
        [sys.executable, "-m", "harness", command, "--stack", "docker", *out],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 4
    assert f"no Docker daemon: {tmp_path}/none does not exist" in ran.stderr
    assert "Traceback" not in ran.stderr
