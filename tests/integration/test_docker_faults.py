"""Faults on a stack in containers: the same ones, by the same names, with the same outcomes as on processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from harness.errors import StackError, UsageError
from harness.faults import Rig
from harness.model import Target, Workers
from harness.probes.http import ServiceUnavailable
from harness.stack import launch
from harness.stack.supervisor.process import MARK
from tests.docker_target import left_of, target_in

WORKER = """\
import os, signal, sys
told = lambda *_: sys.exit(0)
signal.signal(signal.SIGTERM, told)
print('at work as', os.uname().nodename, os.getpid(), 'in life', os.urandom(4).hex(), flush=True)
while True:
    signal.pause()
"""
ALL = ("postgres", "valkey", "smtp")


def target_of(folder: Path) -> Target:
    worker = Workers(command=("python3", "-c", WORKER), count=1, ready="at work")
    return replace(target_in(folder, needs=ALL, timeout_s=2.0), workers=worker)


@pytest.fixture(scope="module")
def whole_rig(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    assert engine.client.ping()
    target = target_of(tmp_path_factory.mktemp("rig"))
    with launch(target, backend="docker", instances=2) as stack:
        rig = Rig(target, stack)
        try:
            yield rig
        finally:
            rig.let_go()


@pytest.fixture
def rig(whole_rig: Rig) -> Iterator[Rig]:
    """The module's rig, whole again after each test."""
    yield whole_rig
    whole_rig.mend()


def status(rig: Rig, number: int = 0) -> int:
    return rig.client(rig.instances[number]).exchange("GET", "/").status


def test_a_killed_copy_is_gone_and_comes_back_at_its_place(rig: Rig) -> None:
    one, two = rig.instances
    rig.kill(one)
    assert rig.exit_status(one) == -signal.SIGKILL
    with pytest.raises(ServiceUnavailable):
        status(rig)
    assert status(rig, 1) == 200
    with pytest.raises(StackError, match="has ended"):
        rig.kill(one)
    rig.start(one)
    assert (rig.exit_status(one), status(rig)) == (None, 200)
    with pytest.raises(StackError, match="runs"):
        rig.start(two)


def test_a_frozen_copy_takes_connections_and_answers_nothing(rig: Rig) -> None:
    one = rig.instances[0]
    rig.freeze(one)
    rig.freeze(one)
    with pytest.raises(ServiceUnavailable, match="no whole answer within"):
        status(rig)
    assert (rig.exit_status(one), status(rig, 1)) == (None, 200)
    with pytest.raises(UsageError, match="thaw it first"):
        rig.terminate(one)
    rig.thaw(one)
    assert status(rig) == 200


def test_what_is_left_frozen_is_mended(rig: Rig) -> None:
    rig.freeze(rig.instances[1])
    rig.freeze("valkey")
    rig.kill("smtp")
    rig.mend()
    assert rig.faults.open == {}
    assert status(rig, 1) == 200
    assert rig.mailbox.messages() == ()


def test_a_worker_is_told_to_end_and_its_log_goes_on_when_it_is_started_again(rig: Rig) -> None:
    (worker,) = rig.workers
    host, pid = rig.identity(worker)
    before = rig.logs(worker).splitlines()
    assert before[-1].startswith(f"at work as {host} {pid} in life ")
    assert rig.terminate(worker) == 0
    rig.start(worker)
    *old, new = rig.logs(worker).splitlines()
    assert (old, new in before) == (before, False)


def test_what_leaves_its_signal_to_the_system_runs_on_and_what_was_added_is_gone_afterwards(rig: Rig) -> None:
    # the first process of a container is one that the kernel ends by no signal that it does not handle
    more = rig.start_instance({"COLOUR": "red"})
    assert rig.terminate(more, seconds=0.5) is None
    assert len(rig.instances) == 3
    rig.mend()
    assert len(rig.instances) == 2


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_database_comes_back_at_its_port_with_its_data(rig: Rig, how: str) -> None:
    with rig.database() as connection:
        connection.execute("create table if not exists t (n int)")
        connection.execute("insert into t values (7)")
    getattr(rig, how)("postgres")
    with pytest.raises(psycopg.OperationalError):
        rig.database()
    rig.start("postgres")
    with rig.database() as connection:
        assert connection.execute("select distinct n from t").fetchall() == [(7,)]
    if how == "stop":
        assert "database system is shut down" in rig.logs("postgres")


def test_a_cache_server_forgets_and_can_be_frozen(rig: Rig) -> None:
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


def test_inside_its_network_a_stopped_server_is_missed_at_once(rig: Rig, engine: Any) -> None:
    rig.stop("valkey")
    mark = rig.info.settings[MARK]
    ask = "import socket, time; b = time.monotonic()\ntry: socket.create_connection(('valkey', 6379), 30)\n"
    ask += "except OSError: print(time.monotonic() - b < 5)"
    container = engine.client.containers.get(f"harness-{mark}-service-1")
    assert container.exec_run(["python3", "-c", ask]).output == b"True\n"


def test_nothing_is_left_of_a_stack_that_ends_while_it_is_broken(engine: Any, tmp_path: Path) -> None:
    target = target_of(tmp_path)
    with launch(target, backend="docker") as stack:
        mark = stack.info.settings[MARK]
        rig = Rig(target, stack)
        rig.kill(rig.instances[0])
        rig.stop("postgres")
        rig.freeze("valkey")
        rig.freeze(rig.workers[0])
        assert len(rig.faults.open) == 4
    assert left_of(engine, mark) == []
