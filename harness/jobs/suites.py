"""Suites without a verdict: up, suites, down, and what they found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.jobs.gate import fresh_stack, stack_for
from harness.jobs.session import run_session
from harness.model import Evidence, Invocation, Listener, Outcome
from harness.report import write_reports
from harness.runner.artifacts import full_disk_named
from harness.runner.checks import BROKEN_OFF
from harness.runner.discovery import Suite
from harness.runner.phases import SuiteOptions, run_suites
from harness.stack.selection import TargetSelection
from harness.stack.supervisor.scratch import guarded_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCounts:
    """What the suites of a run said, test by test; a line that another attempt replaced is not counted."""

    run: str
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    failures: tuple[Evidence, ...]

    @property
    def exit_code(self) -> int:
        """A fail 1; any error, flake, or nothing run 3; else 0 (docs/commands.md#exit-statuses)."""
        if self.failed:
            return 1
        return 3 if self.errors or self.flaky or not self.passed else 0


def run_alone(
    selection: TargetSelection, suites: Sequence[Suite], options: SuiteOptions, out: Path, listen: Listener
) -> tuple[Path, SuiteCounts]:
    """Run the suites on the target. Raises `StartupError` and `StackError` where it does not come up."""
    with full_disk_named(out):
        return _run_alone(selection, suites, options, out, listen)


def _run_alone(
    selection: TargetSelection, suites: Sequence[Suite], options: SuiteOptions, out: Path, listen: Listener
) -> tuple[Path, SuiteCounts]:
    # whoever judges it: what was chosen by hand is not all that a release has to show
    names = tuple(suite.name for suite in suites)
    narrowed = " ".join(["harness run", *names, *options.extra])
    selecting = (*selection.words, *options.words)
    invocation = Invocation(
        command=("harness", "run", *names, *selecting, *(("--", *options.extra) if options.extra else ())),
        selection=selecting,
    )
    with run_session(
        "run", selection.target, out, narrowed=narrowed, overrides=selection.overrides, invocation=invocation
    ) as session:
        run = session.run
        with stack_for(selection, session, listen) as stack:
            run_suites(run, suites, stack, fresh_stack(selection, session, listen), options, listen)
        reading = session.close()
    write_reports(run.path, guarded_folder, reading)
    return run.path, count(run.id, [line for line in reading.lines if line.suite in names or _tells_of_missing(line)])


def _tells_of_missing(line: Evidence) -> bool:
    """Is it why tests are missing, whichever suite's?"""
    return line.check in BROKEN_OFF and line.outcome in (Outcome.FAIL, Outcome.ERROR)


def count(run: str, lines: Sequence[Evidence]) -> SuiteCounts:
    """Count outcomes; measured lines are no outcome."""
    last = [line for line in lines if not line.superseded]
    found = Counter(line.outcome for line in last)
    return SuiteCounts(
        run=run,
        passed=found[Outcome.PASS],
        failed=found[Outcome.FAIL],
        errors=found[Outcome.ERROR],
        skipped=found[Outcome.SKIP],
        flaky=found[Outcome.FLAKY],
        failures=tuple(line for line in last if line.outcome in (Outcome.FAIL, Outcome.ERROR)),
    )
