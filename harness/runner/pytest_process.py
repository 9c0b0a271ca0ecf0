"""pytest as a process of its own: started for some suites, followed to its end, and nothing of it left."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from harness.config import target_document
from harness.machine.bundle import root
from harness.model import Listener, MachineAwaited, Observation, Outcome, PhaseAdvanced, StackInfo
from harness.run import Run, write_document
from harness.runner.checks import GateCheck
from harness.runner.discovery import Suite
from harness.runner.progress import SuiteProgress, waits_for_machine
from harness.runner.turns import SuiteTurn, read_turns
from harness.stack.supervisor.process import MARK
from harness.stack.supervisor.registry import owner_of_own, write_owner

_POLL_S = 0.1
_GRACE_S = 0.5
"""Whoever pressed Ctrl-C wants the terminal back; what a killed pytest leaves goes with its stack."""
_MOST_OF_LOG = 2000
_WORDS_FOR_PYTEST = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
_USUAL_EXITS = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})


def usual_workers() -> int:
    """Test processes where nobody says: one more than there are cores, since many tests wait, and four at most."""
    return min((os.cpu_count() or 1) + 1, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """How suites are run."""

    workers: int
    retries: int = 0
    active: bool = False
    traces: bool = False
    extra: tuple[str, ...] = ()
    """More words for pytest."""

    @property
    def words(self) -> tuple[str, ...]:
        """The options of a command line that say what may be done to the target."""
        return ("--active",) if self.active else ()


class Tested(Protocol):
    """What pytest needs of a stack: its facts, and that nothing of pytest outlives it."""

    @property
    def info(self) -> StackInfo:
        """Endpoints and facts."""

    def own_process(self, pid: int) -> None:
        """End that process and its descendants with the stack."""

    def own_folder(self, path: Path) -> None:
        """Remove that folder with the stack."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Suites of one base that run together, and which of their tests."""

    name: str
    suites: tuple[Suite, ...]
    turn: str = ""
    """The turn of the tests (`turns.turn_of`); "" for all of them."""
    marks: str = ""
    """An expression over markers; "" for all tests."""
    workers: int = 0
    """Test processes beside pytest's own; 0 or 1 for none."""


@dataclass(frozen=True, slots=True)
class PytestProcess:
    """pytest while it runs a phase, and where it says which turns there are tests for."""

    process: subprocess.Popen[bytes]
    _turns: Path

    def turns(self) -> frozenset[SuiteTurn] | None:
        """Which suites of the phase have tests chosen for which turn; None where it does not say."""
        return read_turns(self._turns)


@contextmanager
def running(run: Run, phase: Phase, stack: Tested, options: SuiteOptions) -> Iterator[PytestProcess]:
    """pytest in a process group of its own, owned by the stack's supervisor; ended if we leave early."""
    mark = secrets.token_hex(6)
    scratch = Path(tempfile.gettempdir()) / f"harness-tests-{mark}"
    stack.own_folder(scratch)
    scratch.mkdir(mode=0o700)
    # should we be killed together with the stack's supervisor, the next start knows that nobody answers for it
    write_owner(scratch, owner_of_own(mark, scratch))
    process: subprocess.Popen[bytes] | None = None
    try:
        process = _start(run, phase, stack, options, scratch, mark)
        stack.own_process(process.pid)
        yield PytestProcess(process, _turns_file(scratch))
    finally:
        if process is not None:
            end_process(process)
        shutil.rmtree(scratch, ignore_errors=True)


def follow(run: Run, phase: Phase, process: subprocess.Popen[bytes], progress: SuiteProgress, listen: Listener) -> None:
    """Show progress until pytest has ended; one that crashed or was killed is an error of each of its suites."""
    was_waiting = False
    while process.poll() is None:
        progress.look()
        waiting = waits_for_machine(process.pid)
        advanced = PhaseAdvanced(phase.name, progress.done, progress.total)
        if waiting and not was_waiting:
            listen(MachineAwaited(phase.name, advanced))
        elif not waiting:
            listen(advanced)
        was_waiting = waiting
        time.sleep(_POLL_S)
    progress.look()
    if process.returncode not in _USUAL_EXITS:
        run.record(_crashes(run, phase, process.returncode))


def end_process(process: subprocess.Popen[bytes], grace_s: float = _GRACE_S) -> None:
    """Ask a process that leads a group to stop, as Ctrl-C would; then, after a grace, end what is left of its group."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    finally:
        # its workers and browsers outlive one that was killed
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def crashed(phase: Phase, reason: str, message: str) -> list[Observation]:
    """The evidence that a phase was not run to its end, one line a suite."""
    return [
        Observation(
            suite=suite.name,
            check=GateCheck.SUITE_CRASHED,
            subject=phase.name,
            outcome=Outcome.ERROR,
            detail={"reason": reason, "message": message},
        )
        for suite in phase.suites
    ]


def _start(
    run: Run, phase: Phase, stack: Tested, options: SuiteOptions, scratch: Path, mark: str
) -> subprocess.Popen[bytes]:
    with (run.path / "logs" / f"pytest-{phase.name}.log").open("wb") as log:
        return subprocess.Popen(
            [*_command(run, phase, stack, options, scratch), *_paths(phase)],
            cwd=root(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment() | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "TMPDIR": str(scratch), MARK: mark},
        )


def _environment() -> dict[str, str]:
    """Ours, without words for pytest: what a shell happens to hold must not leave out tests that a gate demands."""
    kept = {name: value for name, value in os.environ.items() if name not in _WORDS_FOR_PYTEST}
    # each worker reads the tests for itself: parameters from a set have to come in one order (pytest#437)
    return {"PYTHONHASHSEED": "0"} | kept


def _turns_file(scratch: Path) -> Path:
    return scratch / "turns.json"


def _target_file(run: Run, scratch: Path) -> Path | None:
    """The target for pytest alone, in a folder that only we can read: the run's own profile.json has no secrets."""
    if run.target is None:
        return None
    path = scratch / "target.json"
    write_document(path, target_document(run.target))
    return path


def _command(run: Run, phase: Phase, stack: Tested, options: SuiteOptions, scratch: Path) -> list[str]:
    # pytest works in the folder of the suites: what was given relative to ours must be said in full
    folder, target = run.path.resolve(), _target_file(run, scratch)
    words = [sys.executable, "-m", "pytest", "-c", str(root() / "pytest.ini"), "--rootdir", str(phase.suites[0].base)]
    words += ["-p", "no:cacheprovider", "-q", "--continue-on-collection-errors"]
    words += ["-m", phase.marks] if phase.marks else []
    words += ["--turn", phase.turn, "--turns-file", str(_turns_file(scratch))] if phase.turn else []
    words += ["--run", str(folder), "--stack-file", str(Path(stack.info.state_dir) / "stack.json")]
    words += ["--target-file", str(target)] if target is not None else []
    words += ["--alluredir", str(folder / "allure-results")]
    if phase.workers > 1:
        words += ["-n", str(phase.workers), "--max-worker-restart", "2"]
    if options.retries:
        words += ["--reruns", str(options.retries)]
    words += ["--active"] if options.active else []
    words += ["--traces"] if options.traces else []
    return [*words, *options.extra]


def _paths(phase: Phase) -> Iterator[str]:
    yield from (str(path) for suite in phase.suites for path in suite.paths[:1])


def _crashes(run: Run, phase: Phase, status: int) -> list[Observation]:
    log = (run.path / "logs" / f"pytest-{phase.name}.log").read_text(encoding="utf-8", errors="replace")
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return crashed(phase, f"pytest {how}", log[-_MOST_OF_LOG:])
