"""Lies that take more than one process: a gate that was stopped, a generator that was killed, somebody else's stack."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.prove.gate_lies.process import PATIENCE_S, ending_of, started, take_down
from harness.prove.gate_lies.scene import Ending, Lie, Scene
from harness.prove.gate_lies.small_gate import GATE, SOUND, gated, profile, set_up
from harness.prove.gate_lies.suite_lies import PLAIN
from harness.stack.ports import free_port

BUSY = """\
import pathlib, time, pytest

@pytest.mark.check("own.first")
def test_first(client):
    assert client.get("/").status_code == 200

@pytest.mark.check("own.last")
def test_last(client):
    pathlib.Path("REACHED").touch()
    time.sleep(60)
    assert client.get("/gone").status_code == 200
"""
LOAD = """\
import os, signal, pytest
from harness.load import GeneratorError, LoadPlan, Request, Stage, run_load
from harness.load.observations import failed_observations, observations
from harness.pytest_plugin import CONTEXT

@pytest.mark.check("load.completed", subject="the run")
def test_load(stack, record, pytestconfig):
    plan = LoadPlan(
        url=stack.info.url,
        requests=(Request(path="/"),),
        stages=(Stage(rate=40, seconds=2.5),),
        lateness_limit_s=5.0,
    )
    processes = []
    def hear(event):
        if os.environ.get("KILL") and event.second:
            os.kill(processes[-1], signal.SIGKILL)
    try:
        result = run_load(
            plan, folder=pytestconfig.stash[CONTEXT].run, listen=hear, on_start=processes.append
        )
    except GeneratorError as error:
        record(*failed_observations(error))
        raise
    record(*observations(result))
    assert result.generator.sent == result.generator.expected
"""
LOAD_POLICY = """\
schema = 1
[[criterion]]
id = "load.errors"
area = "load"
requires = "Under load at most 5 % of requests fail."
select = { check = ["load.errors", "load.completed", "load.generator"], subject = "ALL" }
demand = { stat = "error_rate", op = "<=", value = 0.05, unit = "ratio" }
"""
WATCH = ("watch", "--target", "small.toml", "--out", "out", "--for", "8s", "--every", "0.25s")
_POLL_S = 0.05


def _stopped_half_way(how: signal.Signals) -> Scene:
    """A gate that is sent the signal in mid-suite; then `judge` is asked about what it left."""

    def play(scratch: Path) -> Ending:
        reached = scratch / "reached"
        set_up(scratch, {"own/test_own.py": BUSY.replace("REACHED", str(reached))})
        with started(scratch, *GATE) as process:
            _wait(lambda: reached.exists() or process.poll() is not None)
            process.send_signal(how)
            try:
                process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                return Ending(exit=None)
        return ending_of(scratch, "judge", "latest", "--out", "out")

    return play


def _judged_after(command: str, *words: str) -> Scene:
    """Another command of the harness, then `judge` on the run that it left, by the policy."""

    def play(scratch: Path) -> Ending:
        set_up(scratch, {"own/test_own.py": PLAIN})
        ending_of(scratch, command, *words)
        return ending_of(scratch, "judge", "latest", "--out", "out", "--policy", "policy.toml")

    return play


def _on_a_service(how: str) -> Scene:
    """The gate of a service that somebody else started, by its address."""

    def play(scratch: Path) -> Ending:
        set_up(scratch, {"small.toml": profile().replace("[health]", '[build]\npath = "/version"\n[health]')})
        with _served(scratch, HOW=how) as url:
            return ending_of(scratch, *GATE, "--url", url)

    return play


def _watched(**env: str) -> Scene:
    """A watch of a service that somebody else started."""

    def play(scratch: Path) -> Ending:
        watched = profile("[watch]", 'paths = ["/", "/item"]')
        set_up(scratch, {"small.toml": watched})
        with _served(scratch, **env) as url:
            return ending_of(scratch, *WATCH, "--url", url)

    return play


@contextmanager
def _served(scratch: Path, **env: str) -> Iterator[str]:
    """The address of the small service, which we start and end."""
    port = free_port()
    service = subprocess.Popen(
        [sys.executable, "service.py"], cwd=scratch, env={**os.environ, "PORT": str(port), **env}
    )
    try:
        _wait(lambda: service.poll() is not None or _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        service.kill()
        service.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _wait(over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not over() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _on_a_stack_of(served: str) -> Scene:
    """The gate of target `small`, attached to a stack that runs the target `served`."""

    def play(scratch: Path) -> Ending:
        set_up(scratch, {"shop.toml": profile(name="shop")})
        name = f"lie-{secrets.token_hex(4)}"
        up = ending_of(scratch, "up", "--target", f"{served}.toml", "--name", name)
        if up.exit != 0:
            return up
        try:
            return ending_of(scratch, *GATE, "--stack", "attach", "--name", name)
        finally:
            take_down(scratch, name)

    return play


LIES: Mapping[str, Lie] = {
    "gate-interrupted": Lie(told=_stopped_half_way(signal.SIGINT), honest=SOUND),
    "gate-killed": Lie(told=_stopped_half_way(signal.SIGKILL), honest=SOUND),
    "tests-chosen-by-hand": Lie(
        told=_judged_after(
            "run", "own", "--target", "small.toml", "--out", "out", "--env", "HOW=broken", "--", "-k", "root"
        ),
        honest=_judged_after(*GATE),
    ),
    "stack-of-another-target": Lie(told=_on_a_stack_of("shop"), honest=_on_a_stack_of("small")),
    "deployed-in-mid-run": Lie(told=_on_a_service("deployed"), honest=_on_a_service("well")),
    "burn-rate-without-traffic": Lie(told=_watched(LIMIT="1", WINDOW_S="3600"), honest=_watched()),
    "load-worker-killed": Lie(
        told=gated(suite=LOAD, policy=LOAD_POLICY, env={"KILL": "1"}), honest=gated(suite=LOAD, policy=LOAD_POLICY)
    ),
}
