"""Stacks in containers: they work, and see whom they should. Needs a Docker daemon and an image of Python."""

from __future__ import annotations

import json
import smtplib
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from harness.errors import StartupError
from harness.model import StackInfo, Workers
from harness.stack import attach_name, bring_down, bring_up, find_stack, launch
from harness.stack.docker import backend
from harness.stack.docker.watcher import STACK_LABEL
from harness.stack.ports import is_free
from harness.stack.supervisor.process import MARK
from tests.docker_target import get, left_of, open_sockets, target_in
from tests.stack_target import eventually, listens


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
    ended = {"status": "exited", "label": f"{STACK_LABEL}={whole.info.settings[MARK]}"}
    assert engine.client.api.containers(filters=ended) == []
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


@pytest.mark.usefixtures("engine")
def test_a_further_instance_gives_up_a_lost_port_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with launch(target_in(tmp_path), backend="docker") as stack, socket.create_server(("127.0.0.1", 0)) as holder:
        ports = [backend.free_port(), holder.getsockname()[1]]
        free = ports[0]
        monkeypatch.setattr(backend, "free_port", lambda _taken: ports.pop())
        instance = stack.start_instance({})
        assert instance.url == f"http://127.0.0.1:{free}"
        assert get(instance.url)["peer"]


@pytest.mark.usefixtures("engine")
def test_a_port_is_kept_from_others_until_its_container_takes_it(tmp_path: Path) -> None:
    wait = ("python3", "-c", "import time; time.sleep(3600)")
    seen = []

    def look(info: StackInfo) -> None:
        port = int(info.url.rpartition(":")[2])
        seen.append((listens(port), is_free(port)))
        raise KeyboardInterrupt

    sockets = open_sockets()
    with pytest.raises(KeyboardInterrupt):
        launch(target_in(tmp_path, command=wait), backend="docker", before_service=look)
    assert seen == [(False, False)]
    assert open_sockets() == sockets


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
