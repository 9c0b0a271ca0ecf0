"""Whom `harness doctor --reap` takes for left behind, and whom it lets be."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.stack import orphans
from harness.stack.supervisor.process import MARK, process_stat
from harness.stack.supervisor.registry import make_owner_record, write_owner


@pytest.fixture
def waiting() -> Iterator[Any]:
    """Starts a process with such an environment; it is ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", "import time; print(flush=True); time.sleep(100)"]
        process = subprocess.Popen(words, env=os.environ | environment, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answer_for(mark: str, place: Path, pid: int) -> None:
    """Let that process answer for a folder of tests in `place`, as a gate does for its pytest's."""
    found = process_stat(pid)
    assert found is not None
    folder = place / f"harness-tests-{mark}"
    folder.mkdir(parents=True)
    write_owner(folder, make_owner_record(mark, pid, found[2], (folder,), ""))


def is_taken(mark: str) -> bool:
    return any(one.kind == "process" and one.mark == mark for one in orphans.find_orphans())


def test_a_gate_with_a_temporary_folder_of_its_own_is_let_be(tmp_path: Path, waiting: Any) -> None:
    mark = secrets.token_hex(6)
    gate = waiting(TMPDIR=str(tmp_path / "own"))
    answer_for(mark, tmp_path / "own", gate.pid)
    waiting(**{MARK: mark})
    assert not is_taken(mark)
    gate.kill()
    gate.wait()
    assert is_taken(mark)


def test_a_gate_that_begins_while_we_look_is_let_be(
    tmp_path: Path, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = secrets.token_hex(6)
    gate = waiting(TMPDIR=str(tmp_path))
    seen = orphans._processes

    def while_it_begins() -> Any:
        if not (tmp_path / f"harness-tests-{mark}").exists():
            answer_for(mark, tmp_path, gate.pid)
            waiting(**{MARK: mark})
        return seen()

    monkeypatch.setattr(orphans, "_processes", while_it_begins)
    assert not is_taken(mark)
