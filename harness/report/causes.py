"""What failed, as findings: one cause is one finding with all its places (docs/run-folder.md#findings)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from harness.model import SEVERITIES, Evidence, Invocation, Outcome, Severity, last_attempt, worst

_SHOWN = (Outcome.FAIL, Outcome.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Lines of one check that failed for the same cause."""

    lines: tuple[Evidence, ...]
    """One a place, in the order of their subjects; never empty."""

    @property
    def first(self) -> Evidence:
        """The line that speaks for all."""
        return self.lines[0]

    @property
    def outcome(self) -> Outcome:
        """`fail`, or `error` for what could not be tried."""
        return self.first.outcome

    @property
    def severity(self) -> Severity:
        """How bad it is, at the worst of its places."""
        return max((line.severity for line in self.lines), key=SEVERITIES.index)

    @property
    def says(self) -> str:
        """What is wrong, in the sentence of the first place."""
        if self.first.says:
            return self.first.says
        return "the check failed" if self.outcome is Outcome.FAIL else "the check could not be made"

    @property
    def places(self) -> tuple[str, ...]:
        """Where it was seen, each once."""
        return tuple(dict.fromkeys(line.subject for line in self.lines if line.subject))

    @property
    def curl(self) -> str:
        """The request that shows it, at the first place that has one."""
        return next((line.curl[-1] for line in self.lines if line.curl), "")


def findings(lines: Iterable[Evidence]) -> tuple[Finding, ...]:
    """What failed or could not be tried in the last attempts: failures first, the worst severity first."""
    causes: dict[object, list[Evidence]] = {}
    for line in last_attempts(lines):
        if line.outcome in _SHOWN:
            causes.setdefault((line.suite, line.check, line.outcome, line.cause), []).append(line)
    # tests end in any order: a finding reads the same in each run
    found = [Finding(lines=tuple(sorted(group, key=lambda line: line.subject))) for group in causes.values()]
    return tuple(sorted(found, key=_rank))


def _rank(finding: Finding) -> tuple[int, int, str, str]:
    first = finding.first
    return _SHOWN.index(finding.outcome), -SEVERITIES.index(finding.severity), first.check, first.subject


def last_attempts(lines: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Of the lines of one (test, check, subject) the worst of the last attempt.

    An attempt that was to be repeated and never was counts as the last.
    """
    groups: dict[object, list[Evidence]] = {}
    for line in lines:
        if line.outcome is not Outcome.MEASURED:
            groups.setdefault(line.attempt_of, []).append(line)
    return tuple(worst(last_attempt(group)) for group in groups.values())


def command_for(line: Evidence, invocation: Invocation | None) -> str:
    """The command that tries the test of the line again; "" where no test left it, or nobody knows on which target."""
    if line.test is None or invocation is None:
        return ""
    name = line.test.rpartition("::")[2].partition("[")[0]
    return shlex.join(["harness", "run", line.suite, *invocation.selection, "--", "-k", name])
