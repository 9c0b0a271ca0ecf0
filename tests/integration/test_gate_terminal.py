"""What a gate shows while it works, and that a script can rely on what it prints."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.machine.lock import MachineLock
from tests.gate_target import Small, make_small
from tests.stack_target import eventually

SLOW = """\
import pathlib, time, pytest

@pytest.mark.check("own.some")
@pytest.mark.parametrize("number", range(4))
def test_some(number, client):
    time.sleep(0.4)
    assert client.get("/").status_code == 200
"""

PHASES = ["stack up", "preflight", "tests", "reports"]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.end()


def on_a_terminal(small: Small, *words: str, **env: str) -> tuple[int, str]:
    """`harness WORDS` with all three streams on a terminal; its status, and all that it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=small.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "SMALL_TOKEN": small.token, **env},
    )
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                written += os.read(ours, 65536)
            except OSError:
                # Linux's way to say that the other end is closed
                break
        elif process.poll() is not None:
            break
    os.close(ours)
    return process.wait(10), written.decode()


def test_plain_lines_tell_the_phases_on_standard_error_only(small: Small) -> None:
    ran = small.harness("gate", *small.aimed, "-n", "1")
    assert ran.returncode == 3
    lines = ran.stderr.splitlines()
    assert all(re.fullmatch(r" *\d+\.\d s  [a-z -]+: .+", line) for line in lines), ran.stderr
    begun = [line.split(" s  ")[1].removesuffix(": begun") for line in lines if line.endswith(": begun")]
    assert begun == PHASES
    times = [float(line.split(" s  ")[0]) for line in lines]
    assert times == sorted(times)
    assert "\x1b" not in ran.stdout + ran.stderr
    # a path that can be copied from a log, however long
    assert f"page: {small.run / 'report' / 'index.html'}" in ran.stdout.splitlines()


def test_json_is_the_verdict_and_nothing_else(small: Small) -> None:
    ran = small.harness("gate", *small.aimed, "-n", "1", "--json")
    assert ran.returncode == 3
    assert ran.stdout == (small.run / "verdict.json").read_text()
    assert json.loads(ran.stdout)["verdict"] == "INCONCLUSIVE"


def test_a_terminal_sees_phase_time_and_tests_done(small: Small) -> None:
    small.suite(SLOW)
    status, written = on_a_terminal(small, "gate", *small.aimed, "-n", "1")
    assert status == 3, written
    shown = ESCAPE.sub("", written)
    counts = re.findall(r"(\d+\.\d) s  tests  (\d)/4 tests", shown)
    assert {int(done) for _, done in counts} >= {1, 2, 3}, shown
    moments = [float(moment) for moment, _ in counts]
    assert moments == sorted(moments)
    assert len(set(moments)) > 3, "the time goes on between events"
    assert "\x1b[3" in written, "colours"
    assert "INCONCLUSIVE" in shown


def test_no_color_is_honoured_on_a_terminal(small: Small) -> None:
    status, written = on_a_terminal(small, "gate", *small.aimed, "-n", "1", NO_COLOR="1")
    assert status == 3
    assert re.findall(r"\x1b\[[0-9;]*3[0-7][0-9;]*m", written) == []


def test_a_reader_that_leaves_does_not_change_the_verdict(small: Small) -> None:
    """Neither into a GO, nor into the exit 1 of libraries that print: INCONCLUSIVE is a 3."""
    process = small.start("gate", *small.aimed, "-n", "1")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        said = stderr.read()
    assert process.wait(60) == 3, said
    assert "Broken" not in said
    assert small.document("verdict.json")["verdict"] == "INCONCLUSIVE"


def test_a_pipe_of_ours_that_breaks_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object, **_more: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("harness.run.find_run", broken)
    assert run_command(["judge", "latest"]) == 4
    assert "Broken pipe" in capsys.readouterr().err


def test_waiting_for_the_machine_is_shown(small: Small) -> None:
    with MachineLock().exclusive():
        process = small.start("gate", *small.aimed, "-n", "1")
        assert process.stderr is not None
        # held back until the stack is up: what is seen of it is that no stack is there yet
        assert eventually((small.out / "latest" / "run.json").exists, 60)
        assert small.document("run.json")["stack"] is None
        assert not eventually(lambda: small.document("run.json")["stack"], 2)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 3, out + err
    assert "stack up: waiting for the machine: another run measures time, or is about to" in err
    up = next(phase for phase in small.document("run.json")["phases"] if phase["name"] == "stack up")
    assert up["waited"] > 1
    assert up["waited"] <= up["seconds"]
