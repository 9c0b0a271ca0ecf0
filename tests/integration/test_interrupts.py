"""Ctrl-C ends each command that may take long within two seconds, with 130; what does not want to end is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.gate_target import PROGRAM, Small, make_small
from tests.own_time import waited_s
from tests.scripted_server import Line, ScriptedServer
from tests.stack_target import eventually

SUITE = """
import time, pytest

@pytest.mark.check("own.long")
@pytest.mark.parametrize("number", range(4))
def test_takes_long(client, number):
    client.get("/")
    while True:
        try:
            time.sleep(300)
        except KeyboardInterrupt:
            pass
"""
DRAINS = PROGRAM.replace("lambda *_: sys.exit(0)", "lambda *_: time.sleep(30)")
"""A service that takes its time over the requests that it has, and over ending."""
FIRST, *CONTEXT = DRAINS.split("\n")[:4]
PATCH = "\n".join(
    ["--- a/service/service.py", "+++ b/service/service.py", "@@ -1,4 +1,4 @@"]
    + [f"-{FIRST}", f"+{FIRST}, json"]
    + [f" {line}" for line in CONTEXT]
)
DEFECT = 'id = "one"\nkind = "{kind}"\narea = "own"\ntitle = "x"\nwhy = "x"\nexpect = {{ criterion = "own" }}\n{more}\n'
DEFECTS = {
    "patch": 'patch = "change.patch"',
    "wire": 'operator = "R4XX"\nargs = { to = 404 }\nwhere = { operation = "GET /", status = "200" }',
}
PYTEST = " -m pytest "
WITHIN_S = 2.0


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


def interrupt(process: psutil.Process, send: Callable[[int, int], None] = os.kill) -> tuple[int, float]:
    """Its exit status, and the seconds until then in which none of its processes waited for a processor."""
    known: dict[int, float] = {}
    seconds, begun = 0.0, time.monotonic()
    last = begun
    send(process.pid, signal.SIGINT)
    while process.poll() is None and time.monotonic() - begun < 60:
        time.sleep(0.01)
        waits = {one.pid: waited_s(one.pid) for one in tree(process)}
        now = time.monotonic()
        # what several waited for at the same time counts once: where the machine is free, these are the clock's seconds
        waited = max((wait - known.get(pid, wait) for pid, wait in waits.items()), default=0.0)
        seconds += max(0.0, now - last - waited)
        known, last = waits, now
    return process.wait(5), seconds


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """A service that drains, tests that go on, and a defect of each kind."""
    made = make_small(tmp_path / "small", "start_timeout_s = 60", 'cwd = "service"')
    made.suite(SUITE)
    (made.folder / "service.py").unlink()
    (made.folder / "service").mkdir()
    (made.folder / "service" / "service.py").write_text(DRAINS)
    for kind, more in DEFECTS.items():
        folder = made.folder / kind / "one"
        folder.mkdir(parents=True)
        (folder / "defect.toml").write_text(DEFECT.format(kind=kind, more=more))
        (folder / "change.patch").write_text(f"{PATCH}\n")
    yield made
    made.end()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "group"])
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
        (("prove", "--kind", "gate", "--only", "stack-of-another-target"), " --name lie-"),
        (("prove", "--kind", "patch", "--catalogue", "patch", "{proved}"), PYTEST),
        (("prove", "--kind", "wire", "--catalogue", "wire", "{proved}"), PYTEST),
    ],
    ids=[
        "gate in tests",
        "gate in start",
        "run",
        "load",
        "preflight",
        "up",
        "lies",
        "lie with a stack",
        "patch",
        "wire",
    ],
)
def test_a_command_on_a_stack(
    tmp_path: Path, small: Small, words: tuple[str, ...], sign: str, send: Callable[[int, int], None]
) -> None:
    lists = {"{aimed}": small.aimed, "{proved}": ["--target", str(small.profile), "--policy", str(small.policy)]}
    given = [part.format(profile=small.profile) for word in words for part in lists.get(word, [word])]
    out = [] if words[0] == "up" else ["--out", str(tmp_path / "out")]
    with (tmp_path / "said").open("w") as said:
        started = small.start(*given, *out, stdout=said, stderr=said)
    process = psutil.Process(started.pid)
    process.poll = started.poll
    process.wait = started.wait
    assert eventually(lambda: has_begun(process, sign), 120)
    assert process.poll() is None, (tmp_path / "said").read_text()
    status, seconds = interrupt(process, send)
    assert status == 130, (tmp_path / "said").read_text()
    assert seconds <= WITHIN_S
    # what was killed is cleared up by its supervisors
    assert eventually(lambda: not small.processes(), 12), small.processes()


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
