"""Findings as the page shows them: what is wrong, why it matters, what to do, how to see it again, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model import Evidence, Invocation, Outcome
from harness.report.causes import Finding, command_for
from harness.report.text import one_line, plain

MOST_FINDINGS = 200
"""Findings in full; the others are counted, and stand under evidence."""
_PLACES = 100
_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One place of a finding."""

    subject: str
    seq: int
    curl: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding, ready to print."""

    anchor: str
    outcome: str
    severity: str
    suite: str
    check: str
    says: str
    reason: str
    """Why it ended so, where that is not in the sentence: whose fault it is."""
    why: str
    source: str
    remedy: str
    curl: str
    command: str
    places: tuple[PlaceView, ...]
    more_places: int


@dataclass(frozen=True, slots=True)
class FindingsPart:
    """All findings of a run, and which line of evidence belongs to which."""

    failed: tuple[FindingView, ...]
    untried: tuple[FindingView, ...]
    """What could not be tried: it says nothing of the target."""
    more: int
    of_line: Mapping[int, FindingView]


def findings_part(found: Sequence[Finding], invocation: Invocation | None) -> FindingsPart:
    """The findings as views."""
    views = [_view(f"f{at}", finding, invocation) for at, finding in enumerate(found[:MOST_FINDINGS], 1)]
    return FindingsPart(
        failed=tuple(view for view in views if view.outcome == Outcome.FAIL),
        untried=tuple(view for view in views if view.outcome != Outcome.FAIL),
        more=len(found) - len(views),
        of_line={line.seq: view for view, finding in zip(views, found, strict=False) for line in finding.lines},
    )


def _view(anchor: str, finding: Finding, invocation: Invocation | None) -> FindingView:
    first = finding.first
    shown = finding.lines[:_PLACES]
    return FindingView(
        anchor=anchor,
        outcome=finding.outcome.value,
        severity=finding.severity,
        suite=one_line(first.suite, 120),
        check=one_line(first.check, 160),
        says=plain(finding.says, _TEXT),
        reason=one_line(first.reason, 600) if first.reason not in finding.says else "",
        why=one_line(first.why, 600),
        source=one_line(first.source, 300),
        remedy=one_line(first.remedy, 600),
        curl=plain(finding.curl, _TEXT),
        command=one_line(command_for(first, invocation), _TEXT),
        places=tuple(_place(line) for line in shown),
        more_places=len(finding.lines) - len(shown),
    )


def _place(line: Evidence) -> PlaceView:
    curl = line.curl[-1] if line.curl else ""
    return PlaceView(one_line(line.subject, 300) or one_line(line.check, 160), line.seq, plain(curl, _TEXT))
