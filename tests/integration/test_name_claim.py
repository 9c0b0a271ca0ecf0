"""Commands that want one stack's name at one moment: each works or is refused, and none ends what another one made."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate_target import Small, make_small
from tests.stack_target import eventually

HOLDS = """\
import pathlib, time, pytest

@pytest.mark.check("own.answers")
def test_answers(client):
    pathlib.Path(r"{folder}/begun").touch()
    deadline = time.monotonic() + 60
    while not pathlib.Path(r"{folder}/go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.get("/").status_code == 200
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = make_small(tmp_path / "small")
    yield made
    made.end()
    made.harness("down", "--name", "one")


def at_once(small: Small, *commands: list[str]) -> list[tuple[int, str]]:
    """Start all of them, then wait for all."""
    started = [small.start(*words) for words in commands]
    said = [process.communicate(timeout=100)[1] for process in started]
    return sorted(zip((process.returncode for process in started), said, strict=True))


def gate(small: Small) -> list[str]:
    return ["gate", *small.aimed, "--keep-up", "--name", "one", "-n", "1"]


def up(small: Small) -> list[str]:
    return ["up", "--target", str(small.profile), "--name", "one"]


def is_well(small: Small) -> bool:
    asked = small.harness("status", "--json", "--name", "one")
    return json.loads(asked.stdout)["backend"] is not None and asked.stderr == ""


def test_of_two_gates_that_keep_one_name_one_is_refused(small: Small) -> None:
    (refused, said), (ruled, _) = at_once(small, gate(small), gate(small))
    # narrowed by --only
    assert (refused, ruled) == (2, 3), said
    assert "'one'" in said.splitlines()[0]
    assert [line for line in small.evidence() if line["outcome"] in ("fail", "error")] == []
    assert len(list(small.out.glob("runs/2*"))) == 1
    assert is_well(small)


def test_an_up_and_a_gate_at_once_end_nothing_of_each_other(small: Small) -> None:
    found = at_once(small, up(small), gate(small))
    assert [status for status, _ in found] in ([0, 2], [2, 3]), found
    assert is_well(small)


def test_two_ups_at_once_make_one_stack(small: Small) -> None:
    (first, _), (second, said) = at_once(small, up(small), up(small))
    assert (first, second) == (0, 0), said
    assert is_well(small)


@pytest.mark.parametrize("words", [["down"], ["up"], ["up", "--mode", "fresh"], ["gate"]])
def test_nobody_takes_a_stack_from_the_gate_that_makes_it(small: Small, words: list[str]) -> None:
    small.suite(HOLDS.format(folder=small.folder))
    first = small.start(*gate(small))
    assert eventually((small.folder / "begun").exists, 60)
    command = {"down": ["down", "--name", "one"], "up": up(small), "gate": gate(small)}[words[0]]
    second = small.harness(*command, *words[1:])
    assert (second.returncode, "'one'" in second.stderr.splitlines()[0]) == (2, True), second.stderr
    (small.folder / "go").touch()
    first.communicate(timeout=100)
    assert first.returncode == 3
    assert is_well(small)


def test_the_name_of_a_killed_gate_is_free_at_once(small: Small) -> None:
    small.suite(HOLDS.format(folder=small.folder))
    first = small.start(*gate(small))
    assert eventually((small.folder / "begun").exists, 60)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    (small.folder / "go").touch()
    again = small.harness(*gate(small))
    assert again.returncode == 3, again.stderr
    assert is_well(small)
