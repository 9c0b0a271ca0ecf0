"""Runs suites in phases: what waits beside the rest, what shares the machine, what wants it alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from harness.errors import StackError, StartupError
from harness.model import Listener, Observation, Outcome, PhaseBegan, PhaseEnded, PhaseRecord
from harness.run import Run, read_evidence
from harness.runner.checks import GateCheck
from harness.runner.discovery import Suite
from harness.runner.progress import Heard
from harness.runner.pytest_process import Phase, SuiteOptions, crashed, follow, running
from harness.runner.startup_checks import startup_failed
from harness.stack import Stack

__all__ = ["FreshStack", "SuiteOptions", "Waited", "run_suites", "timed"]

Waited = Callable[[float], None]
"""Is told of seconds spent waiting for a turn on the machine."""
FreshStack = Callable[[str, Waited], AbstractContextManager[Stack]]
"""Starts a stack for the suite of that name alone."""
_BROKEN_OFF = frozenset({GateCheck.COLLECTION, GateCheck.STARTUP, GateCheck.SUITE_CRASHED, GateCheck.WORKER_CRASHED})
"""Where one of these is red, it says why tests are missing."""


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
    evidence too: it costs the suites that needed it, and the verdict still decides (DESIGN 4.1). So is a check that a
    suite promises and that no test spoke of.
    """
    heard = Heard(run)
    beside = Phase("beside", _with_turn(suites, "beside"), "beside", 0)
    shared = Phase("tests", _with_turn(suites, "shared"), "not alone and not beside", options.workers)
    with contextlib.ExitStack() as opened:
        waiting = None
        with _stack_blamed(run, beside):
            waiting = opened.enter_context(running(run, beside, stack, options))
        with timed(run, "tests", listen) as waited, _stack_blamed(run, shared):
            _run_phase(run, shared, stack, options, heard, listen, waited)
        for suite in _with_turn(suites, "alone"):
            phase = Phase(suite.name, (suite,), "alone", 0)
            with timed(run, f"{suite.name} (alone)", listen) as waited, _stack_blamed(run, phase):
                if fresh_stack is None:
                    _run_phase(run, phase, stack, options, heard, listen, waited)
                    continue
                with fresh_stack(suite.name, waited) as own:
                    _run_phase(run, phase, own, options, heard, listen, waited)
        if waiting is not None:
            with timed(run, "waiting for what ran beside", listen):
                follow(run, beside, waiting, heard, listen)
    if not options.extra:
        run.record(_unheard(run, suites))


@contextmanager
def timed(run: Run, name: str, listen: Listener) -> Iterator[Waited]:
    """Note in `run.json` how long a phase took; yields a function that notes seconds of it spent waiting for a turn."""
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


def _unheard(run: Run, suites: Sequence[Suite]) -> Iterator[Observation]:
    """Checks that left no line though nothing went wrong: a suite's own hooks or settings left their tests out."""
    lines = read_evidence(run.path / "evidence.jsonl", run.id).lines
    if any(line.check in _BROKEN_OFF and line.outcome in (Outcome.FAIL, Outcome.ERROR) for line in lines):
        return
    heard = {line.check for line in lines}
    for suite in suites:
        for check in sorted(suite.promised - heard):
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


def _with_turn(suites: Sequence[Suite], turn: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in suites if turn in suite.turns)


def _run_phase(
    run: Run, phase: Phase, stack: Stack, options: SuiteOptions, heard: Heard, listen: Listener, waited: Waited
) -> None:
    """Run one phase to its end, and tell what its tests, one process with another, waited for turns."""
    before = heard.waited_s
    with running(run, phase, stack, options) as process:
        if process is not None:
            follow(run, phase, process, heard, listen)
    waited((heard.waited_s - before) / max(1, phase.workers))
