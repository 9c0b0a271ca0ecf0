"""Nothing is left of a stack in containers, however it ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.stack import launch
from harness.stack.docker_dead import KEEPER_LABEL, sweep_docker
from harness.stack.docker_images import find_image
from harness.stack.leftovers import find_left
from harness.stack.state import keeper_of, sweep
from harness.stack.supervisor import MARK, process_stat
from tests.docker_target import get, left_of, target_in
from tests.stack_target import eventually

HOLDER = """\
import sys, time
from pathlib import Path
from harness.stack import launch
from tests.docker_target import target_in
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
