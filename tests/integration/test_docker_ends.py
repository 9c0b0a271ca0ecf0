"""Nothing is left of a stack in containers, however it ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import msgspec
import pytest

from harness.errors import GroundError
from harness.model import Outcome
from harness.runner.startup_checks import still_running
from harness.stack import launch
from harness.stack.docker.images import find_image
from harness.stack.docker.orphans import OWNER_LABEL, sweep_docker
from harness.stack.docker.watcher import STACK_LABEL
from harness.stack.orphans import find_orphans, remove_orphans
from harness.stack.supervisor.process import MARK, process_stat
from harness.stack.supervisor.registry import make_owner_record, sweep
from tests.docker_target import Relay, get, left_of, target_in
from tests.stack_target import eventually

HOLDER = """\
import sys, time
from pathlib import Path
from harness.stack import launch
from tests.docker_target import Relay, target_in
stack = launch(target_in(Path(sys.argv[1]), needs=("valkey",)), backend="docker")
print(stack.info.settings["HARNESS_STACK"], stack.info.supervisor_pid, flush=True)
time.sleep(600)
"""
ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def relay(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """The way to the daemon that everything here takes."""
    made = Relay(tmp_path, engine.socket)
    made.open()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made.path}")
    yield made
    made.cut()


def test_a_daemon_that_is_gone_is_no_end_of_the_service_and_back_in_time_it_is_told_to_remove_all(
    engine: Any, tmp_path: Path, relay: Relay
) -> None:
    with launch(target_in(tmp_path, needs=("valkey",)), backend="docker") as stack:
        mark, name = stack.info.settings[MARK], stack.info.instances[0].name
        relay.cut()

        assert stack.supervision.wait(name, 20.0) is not None
        assert "let go" in Path(stack.info.logs[name]).read_text()
        with pytest.raises(GroundError, match=f"let go of container {name}"):
            stack.backend.exit_status(name)
        (seen,) = still_running(stack)
        assert seen.outcome is Outcome.ERROR
        assert left_of(engine, mark)
        back = Timer(1.0, relay.open)
        back.start()
    back.join()
    assert left_of(engine, mark) == []


def test_what_is_left_since_the_daemon_was_gone_is_named_and_taken_later(
    engine: Any, tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    with launch(target_in(tmp_path, needs=("valkey",)), backend="docker") as stack:
        mark = stack.info.settings[MARK]
        relay.cut()
    assert left_of(engine, mark)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    left = tuple(one for one in find_orphans() if one.mark == mark)
    assert {one.kind for one in left} == {"container", "network", "volume"}
    assert remove_orphans(left) == ()
    assert left_of(engine, mark) == []


def test_volumes_go_with_their_stack_though_somebody_removed_the_container_alone(engine: Any, tmp_path: Path) -> None:
    with launch(target_in(tmp_path), backend="docker") as stack:
        mark = stack.info.settings[MARK]
        volumes = engine.client.volumes.list(filters={"label": f"{STACK_LABEL}={mark}"})
        assert len(volumes) == 1
        engine.client.api.remove_container(f"harness-{mark}-service-1", force=True, v=False)
        assert engine.client.volumes.get(volumes[0].id)
    assert left_of(engine, mark) == []


def test_a_stop_after_the_supervisor_was_killed_removes_all(engine: Any, tmp_path: Path) -> None:
    with launch(target_in(tmp_path, needs=("valkey",)), backend="docker") as stack:
        mark = stack.info.settings[MARK]
        os.kill(stack.info.supervisor_pid or 0, signal.SIGKILL)
        assert eventually(lambda: not stack.supervision.alive)
    assert left_of(engine, mark) == []


def test_what_a_dead_owner_left_is_swept_and_what_a_living_one_has_is_not(engine: Any) -> None:
    here = process_stat(os.getpid())
    assert here is not None
    dead = make_owner_record("dead", os.getpid(), here[2] + 1, (), "")
    living = make_owner_record("living", os.getpid(), here[2], (), "")
    image = find_image(engine, "python")
    containers = [
        engine.client.containers.create(image, labels={OWNER_LABEL: msgspec.json.encode(owner).decode()})
        for owner in (dead, living)
    ]
    name = f"harness-test-{secrets.token_hex(4)}"
    label = {OWNER_LABEL: msgspec.json.encode(dead).decode()}
    engine.client.networks.create(name, labels=label)
    engine.client.volumes.create(name, labels=label)
    try:
        left = {one.name for one in find_orphans()}
        assert [one.name in left for one in containers] == [True, False]
        assert {one.kind for one in find_orphans() if one.name == name} == {"network", "volume"}
        sweep_docker(engine)
        ids = {entry["Id"] for entry in engine.client.api.containers(all=True)}
        assert [one.id in ids for one in containers] == [False, True]
        assert engine.client.api.networks(names=[name]) == []
        assert name not in {one.name for one in engine.client.volumes.list()}
    finally:
        containers[1].remove(force=True)
