"""Runs suites in phases: what waits beside the rest, what shares the machine, what wants it alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from harness.errors import StackError, StartupError
from harness.model import Listener, Observation, Outcome, PhaseBegan, PhaseEnded, PhaseRecord
from harness.run import Run
from harness.runner.checks import GateCheck
from harness.runner.discovery import Suite
from harness.runner.progress import SuiteProgress
from harness.runner.pytest_process import Phase, PytestProcess, SuiteOptions, crashed, follow, running
from harness.runner.startup_checks import startup_failed
from harness.runner.turns import SHARED, SuiteTurn
from harness.stack import Stack

__all__ = ["FreshStack", "SuiteOptions", "Waited", "run_suites", "timed"]

Waited = Callable[[float], None]
"""Is told of seconds spent waiting for the machine."""
_MOST_OF_NAMES = 2000
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
        waiting: list[tuple[Phase, PytestProcess]] = []
        for phase in _by_base(Phase("beside", _of_turn(suites, "beside"), "beside")):
            with _stack_blamed(run, phase):
                waiting.append((phase, opened.enter_context(running(run, phase, stack, options))))
        unchosen: set[str] = set()
        for phase in _by_base(Phase("tests", _of_turn(suites, SHARED), SHARED, workers=options.workers)):
            with timed(run, phase.name, listen) as waited, _stack_blamed(run, phase):
                turns = _run_phase(run, phase, stack, options, progress, listen, waited)
                unchosen |= _without(turns, "alone", phase.suites)
        for suite in _of_turn(suites, "alone"):
            if suite.name in unchosen:
                # `-k` leaves nothing of it, and a stack takes seconds
                continue
            phase = Phase(suite.name, (suite,), "alone")
            with timed(run, f"{suite.name} (alone)", listen) as waited, _stack_blamed(run, phase):
                if fresh_stack is None:
                    _run_phase(run, phase, stack, options, progress, listen, waited)
                    continue
                with fresh_stack(suite.name, waited) as own:
                    _run_phase(run, phase, own, options, progress, listen, waited)
        if waiting:
            with timed(run, "waiting for what ran beside", listen):
                for phase, pytest in waiting:
                    follow(run, phase, pytest.process, progress, listen)
    progress.look()
    if not progress.broken_off:
        run.record(_not_run(suites, progress, options))


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


def _not_run(suites: Sequence[Suite], progress: SuiteProgress, options: SuiteOptions) -> Iterator[Observation]:
    """What left no line though nothing went wrong.

    Tests that were collected, where pytest ended in their midst and said that all is well; checks that a suite's own
    hooks or settings left out; suites of which nothing was chosen.
    """
    unended = () if progress.failed else progress.unended()
    if unended:
        reason = f"pytest ended before {len(unended)} of the tests that it had collected: who ended its process?"
        yield from _missing(suites, GateCheck.SUITE_CRASHED, reason, ", ".join(unended)[:_MOST_OF_NAMES])
        return
    if not options.extra:
        yield from _left_out(suites, progress)
    elif not any(progress.checks[suite.name] for suite in suites):
        reason = f"none of its tests was run: pytest was given {' '.join(options.extra)}"
        yield from _missing(suites, GateCheck.COLLECTION, reason, reason)


def _left_out(suites: Sequence[Suite], progress: SuiteProgress) -> Iterator[Observation]:
    reason = "no test left a line of it, and its suite was run to the end: who left the test out?"
    for suite in suites:
        for check in sorted(suite.promised - progress.checks[suite.name]):
            yield from _missing((suite,), check, reason, reason)
    silent = [suite for suite in suites if not suite.promised and not progress.checks[suite.name]]
    yield from _missing(silent, GateCheck.COLLECTION, "pytest found no test in it", "pytest found no test in it")


def _missing(suites: Iterable[Suite], check: str, reason: str, message: str) -> Iterator[Observation]:
    for suite in suites:
        detail = {"reason": reason, "message": message}
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


def _of_turn(suites: Sequence[Suite], turn: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in suites if turn in suite.turns)


def _without(chosen: Collection[SuiteTurn] | None, turn: str, suites: Iterable[Suite]) -> set[str]:
    """Suites of which pytest has chosen no test for that turn, as far as it said."""
    return {suite.name for suite in suites if chosen is not None and SuiteTurn(suite.name, turn) not in chosen}


def _run_phase(
    run: Run,
    phase: Phase,
    stack: Stack,
    options: SuiteOptions,
    progress: SuiteProgress,
    listen: Listener,
    waited: Waited,
) -> Collection[SuiteTurn] | None:
    """Run one phase to its end, and tell what its tests, one process with another, waited for the machine.

    Returns which suites have tests chosen for which turn; None where pytest does not say.
    """
    before = progress.waited_s
    with running(run, phase, stack, options) as pytest:
        follow(run, phase, pytest.process, progress, listen)
        turns = pytest.turns()
    waited((progress.waited_s - before) / max(1, phase.workers))
    return turns
