"""Runs suites by pytest, in processes of their own: what waits beside the rest, what shares, what wants to be alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from harness.catalogue import Suite
from harness.model import Listener, Observation, Outcome, Progress
from harness.places import root
from harness.run import Run
from harness.stack import Stack
from harness.turns import Turns

_POLL_S = 0.1
_GRACE_S = 10.0
_USUAL_EXITS = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """How suites are run."""

    workers: int
    retries: int = 0
    active: bool = False
    traces: bool = False
    extra: tuple[str, ...] = ()
    """More words for pytest."""


@dataclass(frozen=True, slots=True)
class _Phase:
    name: str
    suites: tuple[Suite, ...]
    marks: str
    workers: int


def run_suites(
    run: Run,
    suites: Sequence[Suite],
    stack: Stack,
    fresh_stack: Callable[[], Stack] | None,
    options: SuiteOptions,
    listen: Listener,
) -> None:
    """Run all suites and wait for them; everything they have to say is evidence of `run`.

    What waits runs beside all else. What shares the machine runs first, what wants it alone afterwards, one suite
    after the other, each on a stack of its own where `fresh_stack` can make one.
    """
    beside = _Phase("beside", _with_turn(suites, "beside"), "beside", 0)
    shared = _Phase("tests", _with_turn(suites, "shared"), "not alone and not beside", options.workers)
    with _running(run, beside, stack, options) as waiting:
        with timed(run, "tests", listen) as waited:
            waited(_run_phase(run, shared, stack, options, listen))
        for suite in _with_turn(suites, "alone"):
            phase = _Phase(suite.name, (suite,), "alone", 0)
            with timed(run, f"{suite.name} (alone)", listen) as waited:
                if fresh_stack is None:
                    waited(_run_phase(run, phase, stack, options, listen))
                    continue
                with Turns().shared() as seconds:
                    waited(seconds)
                    own = fresh_stack()
                with own:
                    waited(_run_phase(run, phase, own, options, listen))
        if waiting is not None:
            with timed(run, "waiting for what ran beside", listen):
                _wait(run, beside, waiting, listen)


@contextmanager
def timed(run: Run, name: str, listen: Listener) -> Iterator[Callable[[float], None]]:
    """Note in `run.json` how long a phase took; yields a function that notes seconds of it spent waiting for a turn."""
    listen(Progress(phase=name, text="begun"))
    begun = time.monotonic()
    waits: list[float] = []
    try:
        yield waits.append
    finally:
        seconds = time.monotonic() - begun
        with run.editing() as document:
            document["phases"].append({"name": name, "seconds": round(seconds, 3), "waited": round(sum(waits), 3)})
        listen(Progress(phase=name, text=f"ended after {seconds:.1f} s"))


def _with_turn(suites: Sequence[Suite], turn: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in suites if turn in suite.turns)


def _run_phase(run: Run, phase: _Phase, stack: Stack, options: SuiteOptions, listen: Listener) -> float:
    """Run one phase to its end; returns the seconds that its tests, one process with another, waited for turns."""
    log = run.path / "evidence.jsonl"
    before = log.stat().st_size
    with _running(run, phase, stack, options) as process:
        if process is not None:
            _wait(run, phase, process, listen)
    with log.open("rb") as file:
        file.seek(before)
        waits = [msgspec.json.decode(line).get("detail", {}).get("waited_s", 0.0) for line in file]
    return float(sum(waits)) / max(1, phase.workers)


@contextmanager
def _running(run: Run, phase: _Phase, stack: Stack, options: SuiteOptions) -> Iterator[subprocess.Popen[bytes] | None]:
    """pytest in a process group of its own, owned by the stack's supervisor; ended if we leave early."""
    if not phase.suites:
        yield None
        return
    scratch = Path(tempfile.mkdtemp(prefix="harness-tests-"))
    stack.own_folder(scratch)
    with (run.path / "logs" / f"pytest-{phase.name}.log").open("wb") as log:
        process = subprocess.Popen(
            _command(run, phase, stack, options),
            cwd=root(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "TMPDIR": str(scratch)},
        )
    stack.own_process(process.pid)
    try:
        yield process
    finally:
        if process.poll() is None:
            end_process(process)
        shutil.rmtree(scratch, ignore_errors=True)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Ask a process that leads a group to stop, as Ctrl-C would; after a grace, end the whole group."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(run: Run, phase: _Phase, stack: Stack, options: SuiteOptions) -> list[str]:
    words = [sys.executable, "-m", "pytest", "-c", str(root() / "pytest.ini"), "--rootdir", str(root())]
    words += ["-p", "no:cacheprovider", "-q", "--continue-on-collection-errors", "-m", phase.marks]
    words += ["--run", str(run.path), "--stack-file", str(Path(stack.info.state_dir) / "stack.json")]
    words += ["--alluredir", str(run.path / "allure-results")]
    if phase.workers > 1:
        words += ["-n", str(phase.workers), "--max-worker-restart", "2"]
    if options.retries:
        words += ["--reruns", str(options.retries)]
    words += ["--active"] if options.active else []
    words += ["--traces"] if options.traces else []
    words += options.extra
    return [*words, *(str(path) for suite in phase.suites for path in suite.paths[:1])]


def _wait(run: Run, phase: _Phase, process: subprocess.Popen[bytes], listen: Listener) -> None:
    watch = _LineCount(run.path / "evidence.jsonl")
    while process.poll() is None:
        listen(Progress(phase=phase.name, text="running", done=watch.count()))
        time.sleep(_POLL_S)
    if process.returncode not in _USUAL_EXITS:
        run.record([_crash(run, phase, process.returncode)])


@dataclass
class _LineCount:
    """Lines in a file that only grows."""

    path: Path
    lines: int = 0
    offset: int = 0

    def count(self) -> int:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        self.offset += len(text)
        self.lines += text.count(b"\n")
        return self.lines


def _crash(run: Run, phase: _Phase, status: int) -> Observation:
    log = (run.path / "logs" / f"pytest-{phase.name}.log").read_text(errors="replace")
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return Observation(
        suite=phase.suites[0].name,
        check="suite.crashed",
        subject=phase.name,
        outcome=Outcome.ERROR,
        detail={"reason": f"pytest {how}", "message": log[-2000:]},
    )
