"""Which tests can notice a defect, and what of a judged run says that one did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.judge import judge
from harness.judge.select import final_attempts, select
from harness.model import Criterion, Evidence, MutantStatus, Outcome, Policy, Ruling, Status, Verdict
from harness.prove.model import Expectation
from harness.run import load_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of a gate that looks at one criterion, or at one check of it."""

    criterion: str
    check: str
    suites: tuple[str, ...]
    tests: tuple[str, ...]
    preflight: bool
    until: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return (self.criterion, self.check)

    @property
    def control(self) -> str:
        """What the healthy service's run of it is called."""
        return f"control-{self.criterion}-{self.check or 'all'}".replace("*", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """What one trial came to."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]

    def ruling(self, criterion: str) -> Ruling | None:
        """The ruling of that criterion; None if the policy does not have it for this target."""
        return next((one for one in self.verdict.criteria if one.id == criterion), None)

    def status(self, criterion: str) -> Status | None:
        """How that criterion was ruled; None if the policy does not have it for this target."""
        ruling = self.ruling(criterion)
        return ruling.status if ruling is not None else None

    @property
    def failed(self) -> tuple[str, ...]:
        """Criteria that failed."""
        return tuple(one.id for one in self.failed_rulings)

    @property
    def failed_rulings(self) -> tuple[Ruling, ...]:
        """Rulings that failed."""
        return tuple(one for one in self.verdict.criteria if one.status is Status.FAIL)

    @property
    def failures(self) -> tuple[Evidence, ...]:
        """Lines of checks that failed."""
        return final_lines(self.evidence, Outcome.FAIL)

    @property
    def checks(self) -> tuple[str, ...]:
        """Checks that failed."""
        return tuple(sorted({line.check for line in self.failures}))

    @property
    def error(self) -> str:
        """The first error of the harness or the stack in this run; "" if there was none."""
        line = next(iter(final_lines(self.evidence, Outcome.ERROR)), None)
        if line is None:
            return ""
        said = line.reason or line.message or "an error"
        return f"{line.check}: {' '.join(said.split())[:200]}"


def judge_run(run: Path, policy: Policy) -> JudgedRun:
    """Judge the run in that folder by the policy. Raises BrokenRunError as `load_record` does."""
    record = load_record(run)
    return JudgedRun(verdict=judge(policy, (), record), evidence=record.evidence)


def final_lines(evidence: Iterable[Evidence], outcome: Outcome) -> tuple[Evidence, ...]:
    """The lines that stand once attempts are repeated, and that ended so."""
    return tuple(one.line for one in final_attempts(evidence).outcomes if one.outcome is outcome)


def select_tests(criterion: Criterion, check: str, healthy: Iterable[Evidence]) -> Selection | None:
    """What of a healthy run's tests the criterion looks at: only these can prove that it would have failed.

    With `check`, only those that prove it. Where the gate or preflight writes the evidence, no test is needed. None if
    the healthy run has no such evidence: then nothing can be selected.
    """
    selected = (one.line for one in select(criterion, final_attempts(healthy).outcomes))
    lines = [line for line in selected if fnmatchcase(line.check, check or "*")]
    if not lines:
        return None
    tests = {line.test: line.suite for line in lines if line.test}
    return Selection(
        criterion=criterion.id,
        check=check,
        suites=tuple(sorted(set(tests.values()))),
        tests=tuple(sorted(tests)),
        preflight=not tests,
        until=(check,) if check else criterion.select.checks,
    )


def decide_status(
    expect: Expectation, run: JudgedRun, control: Status | None, *, narrowed: bool
) -> tuple[MutantStatus, str]:
    """What became of a defect that is expected to fail a criterion, and why that is said.

    `control` is how the healthy service fared in the same selection of tests. What could not be measured is never a
    kill. Where suites were left out, a criterion that could not be run is as good as none: what nothing else fails has
    survived.
    """
    left_out = narrowed and control in (None, Status.NOT_RUN)
    if control is not Status.PASS and not left_out:
        return MutantStatus.INCONCLUSIVE, f"{expect.criterion} is {control} on the healthy service: it can say nothing"
    expected = {one.id: one for one in run.failed_rulings}.get(expect.criterion)
    if expected is not None:
        return _attribute(expect.check, expected, run)
    other = next((one for one in run.failed_rulings if one.required), None)
    if other is not None:
        return MutantStatus.MISATTRIBUTED, f"not {expect.criterion}, but {other.id}: {other.reason}"
    if run.error:
        return MutantStatus.INCONCLUSIVE, run.error
    return MutantStatus.SURVIVED, f"{expect.criterion} is {run.status(expect.criterion)}; nothing failed"


def _attribute(check: str, failed: Ruling, run: JudgedRun) -> tuple[MutantStatus, str]:
    """The expected criterion failed: a kill, unless a named check should have failed and did not."""
    if check and not any(fnmatchcase(one, check) for one in run.checks):
        return MutantStatus.MISATTRIBUTED, f"{failed.id} failed, but not by {check}"
    return MutantStatus.KILLED, failed.reason


def criterion_of(policy: Policy, id_: str) -> Criterion:
    """The policy's criterion of that id, which was checked to exist."""
    return next(one for one in policy.criteria if one.id == id_)
