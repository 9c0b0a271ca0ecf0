"""What is known of suites while they run: who waits for the machine, and how many tests have ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.machine.lock import MachineLock
from harness.model import MachineAwaited, Observation, Outcome, ProgressEvent
from harness.run import Run, create_run
from harness.runner.checks import GateCheck
from harness.runner.progress import SuiteProgress, machine_shared, waits_for_machine
from tests.stack_target import eventually

TAKES_A_TURN = """\
import pathlib, sys
from harness.machine.lock import MachineLock
with MachineLock(pathlib.Path(sys.argv[1])).{how}():
    print("got it", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["shared", "exclusive"])
def test_a_process_that_waits_for_a_turn_is_seen(tmp_path: Path, how: str) -> None:
    with MachineLock(tmp_path).exclusive():
        words = [sys.executable, "-c", TAKES_A_TURN.format(how=how), str(tmp_path)]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert eventually(lambda: waits_for_machine(child.pid, tmp_path), 30)
        # nobody else's group waits, and nobody waits for another folder's turns
        assert not waits_for_machine(child.pid + 1, tmp_path)
        assert not waits_for_machine(child.pid)
    assert child.stdout is not None
    assert child.stdout.readline() == b"got it\n"
    assert not waits_for_machine(child.pid, tmp_path)
    child.communicate(timeout=30)


def test_no_turns_yet_is_no_waiting(tmp_path: Path) -> None:
    assert not waits_for_machine(1, tmp_path / "nowhere")


def test_a_turn_that_is_free_is_taken_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.runner.progress.MachineLock", lambda: MachineLock(tmp_path))
    told: list[ProgressEvent] = []
    waits: list[float] = []
    with machine_shared("tests", told.append, waits.append):
        pass
    assert told == []
    assert len(waits) == 1


def test_a_turn_that_is_taken_is_waited_for_aloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.runner.progress.MachineLock", lambda: MachineLock(tmp_path))
    words = [sys.executable, "-c", TAKES_A_TURN.format(how="exclusive"), str(tmp_path)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"got it\n"
    told: list[ProgressEvent] = []
    waits: list[float] = []

    def tell(happened: ProgressEvent) -> None:
        told.append(happened)
        # heard of it: the machine is let go
        holder.stdin.close()

    with machine_shared("tests", tell, waits.append):
        pass
    assert told == [MachineAwaited("tests")]
    assert waits[0] > 0.5
    holder.stdout.close()
    holder.wait(30)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path, kind="gate", target=None, policy=None, commit=None, documents={})


@pytest.fixture
def say(run: Run) -> Callable[..., None]:
    def record(test: str | None, outcome: Outcome = Outcome.PASS, **detail: object) -> None:
        run.record([Observation(suite="s", check="c", subject="x", outcome=outcome, detail=detail, test=test)])

    return record


def test_tests_are_counted_as_they_end(run: Run, say: Callable[..., None]) -> None:
    say("before::any")
    progress = SuiteProgress(run)
    progress.look()
    assert (progress.done, progress.total) == (0, 0)
    run.update(lambda record: replace(record, collected=("a", "b", "c")))
    say("a", Outcome.MEASURED)
    progress.look()
    assert (progress.done, progress.total) == (0, 3), "a measured line comes before its test has ended"
    say("a")
    say("b", Outcome.FAIL, superseded=True)
    say(None)
    progress.look()
    assert progress.done == 1
    say("b", Outcome.FLAKY, waited_s=1.5)
    # a teardown that fails is one more line of the same test
    say("a", Outcome.ERROR, waited_s=0.25)
    progress.look()
    assert (progress.done, progress.waited_s) == (2, 1.75)


def test_half_a_line_is_waited_for_and_nonsense_is_left_to_the_judge(run: Run, say: Callable[..., None]) -> None:
    progress = SuiteProgress(run)
    say("a")
    log = run.path / "evidence.jsonl"
    whole = log.read_bytes()
    log.write_bytes(b"\xff nonsense\n[1]\n" + whole[:-10])
    progress.look()
    assert progress.done == 0
    with log.open("ab") as file:
        file.write(whole[-10:])
    progress.look()
    assert progress.done == 1
    assert json.loads(whole)["test"] == "a"


def test_who_spoke_and_whether_something_broke_off_is_known_from_the_runs_first_line(run: Run) -> None:
    def seen(check: str, outcome: Outcome) -> Observation:
        return Observation(suite="s", check=check, subject="x", outcome=outcome)

    run.record([seen("startup", Outcome.PASS), seen("before", Outcome.PASS)])
    progress = SuiteProgress(run)
    run.record([seen("own", Outcome.FAIL)])
    progress.look()
    assert set().union(*progress.checks.values()) == {"startup", "before", "own"}
    assert not progress.broken_off
    run.record([seen(GateCheck.SUITE_CRASHED, Outcome.ERROR)])
    progress.look()
    assert progress.broken_off
