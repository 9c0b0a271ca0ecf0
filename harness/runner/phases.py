"""Runs suites in phases: what waits beside the rest, what shares the machine, what wants it alone."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from harness.errors import StackError, StartupError
from harness.model import Listener, Observation, Outcome, PhaseBegan, PhaseEnded, PhaseRecord
from harness.run import Run
from harness.runner.discovery import Suite
from harness.runner.progress import SuiteProgress
from harness.runner.pytest_process import Phase, SuiteOptions, crashed, follow, running
from harness.runner.startup_checks import startup_failed
from harness.stack import Stack

__all__ = ["FreshStack", "SuiteOptions", "Waited", "run_suites", "timed"]

Waited = Callable[[float], None]
"""Is told of seconds spent waiting for the machine."""
FreshStack = Callable[[str, Waited], AbstractContextManager[Stack]]
"""Starts a stack for the suite of that name alone."""


def run_suites(
    run: Run,
    suites: Sequence[Suite],
    stack: Stack,
    fresh_stack: FreshStack | None,
    options: SuiteOptions,
    listen: Listener,
) -> None:
    """Run all suites and wait for them; everything they have to say is evidence of `run`.

    What waits runs beside all else. What shares the machine runs first, what wants it alone afterwards, one suite
    after the other, each on a stack of its own where `fresh_stack` can make one. A stack that fails from here on is
    evidence too: it costs the suites that needed it, and the verdict still decides (docs/commands.md). So is a check
    that a suite promises and that no test spoke of.
    """
    progress = SuiteProgress(run)
    with contextlib.ExitStack() as opened:
        waiting: list[tuple[Phase, subprocess.Popen[bytes]]] = []
        for phase in _by_base(Phase("beside", _of_kind(suites, "beside"), "beside", 0)):
            with _stack_blamed(run, phase):
                waiting.append((phase, opened.enter_context(running(run, phase, stack, options))))
        shared = Phase("tests", _of_kind(suites, "shared"), "not alone and not beside", options.workers)
        for phase in _by_base(shared):
            with timed(run, phase.name, listen) as waited, _stack_blamed(run, phase):
                _run_phase(run, phase, stack, options, progress, listen, waited)
        for suite in _of_kind(suites, "alone"):
            phase = Phase(suite.name, (suite,), "alone", 0)
            with timed(run, f"{suite.name} (alone)", listen) as waited, _stack_blamed(run, phase):
                if fresh_stack is None:
                    _run_phase(run, phase, stack, options, progress, listen, waited)
                    continue
                with fresh_stack(suite.name, waited) as own:
                    _run_phase(run, phase, own, options, progress, listen, waited)
        if waiting:
            with timed(run, "waiting for what ran beside", listen):
                for phase, process in waiting:
                    follow(run, phase, process, progress, listen)
    if not options.extra:
        run.record(_silent_checks(suites, progress))


@contextmanager
def timed(run: Run, name: str, listen: Listener) -> Iterator[Waited]:
    """Note in `run.json` how long a phase took; yields a function that is told seconds of it spent waiting."""
    listen(PhaseBegan(name))
    begun = time.monotonic()
    waits: list[float] = []
    completed = False
    try:
        yield waits.append
        completed = True
    finally:
        seconds = time.monotonic() - begun
        phase = PhaseRecord(name=name, seconds=round(seconds, 3), waited=round(sum(waits), 3))
        run.update(lambda record: replace(record, phases=(*record.phases, phase)))
        listen(PhaseEnded(name, seconds, completed))


def _silent_checks(suites: Sequence[Suite], progress: SuiteProgress) -> Iterator[Observation]:
    """Checks that left no line though nothing went wrong: a suite's own hooks or settings left their tests out."""
    progress.look()
    if progress.broken_off:
        return
    for suite in suites:
        for check in sorted(suite.promised - progress.checks[suite.name]):
            reason = "no test left a line of it, and its suite was run to the end: who left the test out?"
            detail = {"reason": reason, "message": reason}
            yield Observation(suite=suite.name, check=check, subject=suite.name, outcome=Outcome.ERROR, detail=detail)


@contextmanager
def _stack_blamed(run: Run, phase: Phase) -> Iterator[None]:
    """Turn a stack that fails into evidence about the suites that needed it."""
    try:
        yield
    except StartupError as error:
        run.record([startup_failed(f"another one for {phase.name}", error)])
    except StackError as error:
        run.record(crashed(phase, error.message, error.output))


def _by_base(phase: Phase) -> Iterator[Phase]:
    """A phase as one process for each base that its suites have: pytest knows one only."""
    for number, base in enumerate(dict.fromkeys(suite.base for suite in phase.suites)):
        suites = tuple(suite for suite in phase.suites if suite.base == base)
        yield replace(phase, name=f"own-{phase.name}" if number else phase.name, suites=suites)


def _of_kind(suites: Sequence[Suite], kind: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in suites if kind in suite.turns)


def _run_phase(
    run: Run,
    phase: Phase,
    stack: Stack,
    options: SuiteOptions,
    progress: SuiteProgress,
    listen: Listener,
    waited: Waited,
) -> None:
    """Run one phase to its end, and tell what its tests, one process with another, waited for the machine."""
    before = progress.waited_s
    with running(run, phase, stack, options) as process:
        follow(run, phase, process, progress, listen)
    waited((progress.waited_s - before) / max(1, phase.workers))
