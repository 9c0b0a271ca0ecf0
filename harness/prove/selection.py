"""Which tests can notice a defect, and what of a run says that one did. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.judge.select import final_attempts, select
from harness.model import Criterion, Evidence, Outcome, Policy, Status, Verdict
from harness.prove.model import Expectation, Fate


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
class Ruled:
    """What one gate over one copy of the service came to."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]

    def status(self, criterion: str) -> Status | None:
        """How that criterion was ruled; None if the policy does not have it for this target."""
        return next((one.status for one in self.verdict.criteria if one.id == criterion), None)

    @property
    def failed(self) -> tuple[str, ...]:
        """Criteria that failed."""
        return tuple(one.id for one in self.verdict.criteria if one.status is Status.FAIL)

    @property
    def checks(self) -> tuple[str, ...]:
        """Checks that failed."""
        found = final_attempts(self.evidence).outcomes
        return tuple(sorted({one.line.check for one in found if one.outcome is Outcome.FAIL}))


def select_tests(criterion: Criterion, check: str, healthy: Iterable[Evidence]) -> Selection | None:
    """What of a healthy run's tests the criterion looks at: only these can prove that it would have failed.

    With `check`, only those that prove it. Where the gate or preflight writes the evidence, no test is needed. None if
    the healthy run has no such evidence: then nothing can be selected.
    """
    chosen = [one.line for one in select(criterion, final_attempts(healthy).outcomes)]
    if check:
        chosen = [line for line in chosen if fnmatchcase(line.check, check)]
    if not chosen:
        return None
    tests = sorted({line.test for line in chosen if line.test})
    return Selection(
        criterion=criterion.id,
        check=check,
        suites=tuple(sorted({line.suite for line in chosen if line.test})),
        tests=tuple(tests),
        preflight=not tests,
        until=(check,) if check else criterion.select.checks,
    )


def settle_fate(expect: Expectation, seen: Ruled, control: Status | None, *, narrowed: bool) -> tuple[Fate, str]:
    """What became of a defect that is expected to fail a criterion, and why that is said.

    `control` is how the healthy service fared in the same selection of tests. What could not be measured is never a
    kill. Where suites were left out, a criterion that could not be run is as good as none: what nothing else fails has
    survived.
    """
    left_out = narrowed and control in (None, Status.NOT_RUN)
    if control is not Status.PASS and not left_out:
        return Fate.INCONCLUSIVE, f"{expect.criterion} is {control} on the healthy service: it can say nothing"
    status = seen.status(expect.criterion)
    if status is Status.FAIL:
        if expect.check and not any(fnmatchcase(check, expect.check) for check in seen.checks):
            return Fate.MISATTRIBUTED, f"{expect.criterion} failed, but not by {expect.check}"
        return Fate.KILLED, _reason(seen, expect.criterion)
    others = [name for name in seen.failed if _required(seen, name)]
    if others:
        return Fate.MISATTRIBUTED, f"not {expect.criterion}, but {others[0]}: {_reason(seen, others[0])}"
    unclear = _unclear(seen)
    if unclear:
        return Fate.INCONCLUSIVE, unclear
    return Fate.SURVIVED, f"{expect.criterion} is {status}; nothing failed"


def _unclear(seen: Ruled) -> str:
    """The first error of the harness or the stack in this run; "" if there was none."""
    line = next((one.line for one in final_attempts(seen.evidence).outcomes if one.outcome is Outcome.ERROR), None)
    if line is None:
        return ""
    told = line.reason or line.message or "an error"
    return f"{line.check}: {' '.join(told.split())[:200]}"


def _reason(seen: Ruled, criterion: str) -> str:
    return next((one.reason for one in seen.verdict.criteria if one.id == criterion), "")


def _required(seen: Ruled, criterion: str) -> bool:
    return any(one.required for one in seen.verdict.criteria if one.id == criterion)


def criterion_of(policy: Policy, id_: str) -> Criterion:
    """The policy's criterion of that id, which was checked to exist."""
    return next(one for one in policy.criteria if one.id == id_)
