"""Ctrl-C ends each command that may take long: within two seconds of its own time, with 130."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.gate_target import make_small
from tests.own_time import waited_s
from tests.scripted_server import Line, ScriptedServer
from tests.stack_target import eventually

SUITE = """
import time, pytest

@pytest.mark.check("own.long")
@pytest.mark.parametrize("number", range(4))
def test_takes_long(client, number):
    client.get("/")
    time.sleep(300)
"""
PYTEST = " -m pytest "
WITHIN_S = 2.0
PROOF_WITHIN_S = 6.0
"""A proof first waits for the gates that it has begun, each of which has a stack to take down."""


def silent(line: Line) -> None:
    line.read()
    line.read()


def tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def has_begun(process: psutil.Process, sign: str) -> bool:
    """Whether a process of it has that in its command line; an end counts too, so that nobody waits for more."""

    def words(one: psutil.Process) -> str:
        try:
            return f" {' '.join(one.cmdline())} "
        except psutil.Error:
            return ""

    return process.poll() is not None or any(sign in words(one) for one in tree(process)[1:])


def interrupt(process: psutil.Process) -> tuple[int, float]:
    """Its exit status, and seconds of its own until then: without what its processes waited for a processor."""
    waits: dict[int, list[float]] = {}
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    while process.poll() is None and time.monotonic() - begun < 60:
        for one in tree(process):
            waited = waited_s(one.pid)
            waits.setdefault(one.pid, [waited, waited])[1] = waited
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    return process.wait(5), seconds - sum(last - first for first, last in waits.values())


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (("gate", "{aimed}"), PYTEST),
        (("gate", "{aimed}"), "/dev/fd/"),
        (("run", "security", "--target", "{profile}", "-n", "2"), "exec(eval("),
        (("load", "--target", "{profile}", "--path", "/", "--rate", "5", "--duration", "60s"), "harness.load.process"),
        (("preflight", "--target", "{profile}"), "/dev/fd/"),
        (("up", "--target", "{profile}"), "/dev/fd/"),
        (("prove", "--kind", "gate"), PYTEST),
    ],
    ids=["gate in tests", "gate in start", "run", "load", "preflight", "up", "prove"],
)
def test_a_command_on_a_stack(tmp_path: Path, words: tuple[str, ...], sign: str) -> None:
    small = make_small(tmp_path / "small", "start_timeout_s = 60")
    small.suite(SUITE)
    try:
        given = [part for word in words for part in (small.aimed if word == "{aimed}" else [word])]
        given = [word.format(profile=small.profile) for word in given]
        out = [] if words[0] == "up" else ["--out", str(tmp_path / "out")]
        with (tmp_path / "said").open("w") as said:
            started = small.start(*given, *out, stdout=said, stderr=said)
        process = psutil.Process(started.pid)
        process.poll = started.poll
        process.wait = started.wait
        assert eventually(lambda: has_begun(process, sign), 120)
        status, seconds = interrupt(process)
        assert status == 130, (tmp_path / "said").read_text()
        assert seconds <= (PROOF_WITHIN_S if words[0] == "prove" else WITHIN_S)
    finally:
        small.end()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", ["init", "preflight", "gate", "run", "load"])
def test_a_command_that_waits_for_a_service_that_says_nothing(tmp_path: Path, command: str) -> None:
    with ScriptedServer(silent) as server:
        words = {"init": [server.url], "run": ["e2e", "--url", server.url]}.get(command, ["--url", server.url])
        out = tmp_path / ("drawn.toml" if command == "init" else "out")
        with (tmp_path / "said").open("w") as said:
            process = psutil.Popen(
                [sys.executable, "-m", "harness", command, *words, "--out", str(out)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            assert eventually(lambda: server.peers, 60)
            status, seconds = interrupt(process)
        assert status == 130, (tmp_path / "said").read_text()
        assert seconds <= WITHIN_S
