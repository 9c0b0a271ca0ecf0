"""Tries mutants of the source: which tests ran the changed lines, and whether one of them fails now."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StartupError
from harness.model import Evidence, MutantStatus, Outcome
from harness.prove.model import NoVerdictError, Result
from harness.prove.selection import JudgedRun, final_lines
from harness.prove.source.drawing import SourceMutant
from harness.prove.source.line_tests import LineTests
from harness.prove.source.stack import SourceStack
from harness.prove.suite_runs import SuiteRuns

_FIRST_S = 4.0
"""What the tests that are tried first took together on the healthy service; each part after takes twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBaseline:
    """The healthy service under the suites: which tests ran which lines, and which checks passed."""

    lines: LineTests
    passed: frozenset[tuple[str | None, str]]
    """Tests and the checks of theirs that passed; what fails there already can notice nothing."""


def passed_checks(evidence: Collection[Evidence]) -> frozenset[tuple[str | None, str]]:
    """Tests and the checks of theirs that passed, and failed nowhere."""
    failed = {(line.test, line.check) for line in final_lines(evidence, Outcome.FAIL)}
    return frozenset((one.test, one.check) for one in final_lines(evidence, Outcome.PASS)) - failed


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTrials:
    """Tries one mutant after another on one stack."""

    stack: SourceStack
    runs: SuiteRuns
    baseline: SourceBaseline
    sources: Mapping[str, str]
    patches: Path
    """Where each mutant lies as a patch, and beside it the tests that can see it."""

    most_s: float
    """How much of what the healthy service took may be tried on one mutant."""

    def tests_of(self, mutant: SourceMutant) -> frozenset[str]:
        """The tests that can see it, and pass on the healthy service."""
        return self.baseline.lines.of(mutant.edit, self.sources) & {test for test, _ in self.baseline.passed if test}

    def try_mutant(self, mutant: SourceMutant) -> Result:
        """Start the service with the change, and run the tests that can see it, up to the first that fails.

        Raises StackError where the stack fails.
        """
        begun = time.monotonic()
        tests = self.tests_of(mutant)
        (self.patches / f"{mutant.defect.id}.tests").write_text("".join(f"{one}\n" for one in sorted(tests)))
        run: JudgedRun | None = None
        try:
            status, reason, run = self._try(mutant, tests)
        except NoVerdictError as error:
            status, reason = MutantStatus.INCONCLUSIVE, error.message
        return msgspec.structs.replace(
            mutant.defect.came_to(status, reason=reason, seconds=time.monotonic() - begun),
            failed=run.failed if run else (),
            checks=run.checks if run else (),
            before=mutant.edit.removed,
            after=mutant.edit.added,
        )

    def _try(self, mutant: SourceMutant, tests: Collection[str]) -> tuple[MutantStatus, str, JudgedRun | None]:
        if mutant.defect.equivalent:
            return MutantStatus.SURVIVED, "not tried", None
        if not tests:
            return MutantStatus.SURVIVED, "no test runs the line", None
        try:
            self.stack.plant(mutant.edit)
        except StartupError as error:
            return MutantStatus.STILLBORN, error.message, None
        run: JudgedRun | None = None
        ordered = self.baseline.lines.nearest(mutant.edit.file, tests)
        tried = within(ordered, self.baseline.lines.seconds, self.most_s)
        for part in parts_of(tried, self.baseline.lines.seconds):
            run = self.runs.run(mutant.defect.id, tests=part, until=("*",))
            killer = next((one for one in run.failures if (one.test, one.check) in self.baseline.passed), None)
            if killer is not None:
                return MutantStatus.KILLED, f"{killer.check} on {killer.subject}: {killer.message}", run
            if run.error:
                return MutantStatus.INCONCLUSIVE, run.error, run
        ran = f"{len(tests)} tests ran the line, and none failed"
        if len(tried) < len(tests):
            ran = f"{len(tests)} tests ran the line, and none of the {len(tried)} failed that were tried"
        return MutantStatus.SURVIVED, ran, run


def within(tests: Sequence[str], seconds: Mapping[str, float], most_s: float) -> tuple[str, ...]:
    """The tests in their order, without those that would take the whole past its bound; the first in any case."""
    chosen: list[str] = []
    total = 0.0
    for test in tests:
        took = seconds.get(test, 0.0)
        if not chosen or total + took <= most_s:
            chosen.append(test)
            total += took
    return tuple(chosen)


def parts_of(tests: Sequence[str], seconds: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
    """The tests in their order, in parts: the first takes a few seconds, each one after it twice as long."""
    parts: list[list[str]] = [[]]
    limit, total = _FIRST_S, 0.0
    for test in tests:
        if parts[-1] and total + seconds.get(test, 0.0) > limit:
            parts.append([])
            limit, total = 2 * limit, 0.0
        parts[-1].append(test)
        total += seconds.get(test, 0.0)
    return tuple(tuple(part) for part in parts if part)
