"""Findings on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.cli.terminal import echo
from harness.model import Evidence, Invocation, Outcome
from harness.report.causes import Finding, command_for, findings

_FINDINGS = 50
"""Findings that are printed; the others are counted, and on the page."""
_PLACES = 3


def print_findings(lines: Iterable[Evidence], invocation: Invocation | None, *, debug: bool) -> None:
    """What failed, each cause once: what is wrong, where, why it matters, what to do, how to see it; with `debug`
    pytest's own words too.
    """
    found = findings(lines)
    for finding in found[:_FINDINGS]:
        for line in _lines(finding, invocation):
            echo(line)
        if debug and finding.first.pytest_words:
            echo("    pytest: " + finding.first.pytest_words.replace("\n", "\n            "))
    if len(found) > _FINDINGS:
        echo(f"{len(found) - _FINDINGS} more findings are on the page")


def _lines(finding: Finding, invocation: Invocation | None) -> Iterator[str]:
    first = finding.first
    bad = finding.severity if finding.outcome is Outcome.FAIL else "not tried"
    yield f"{finding.outcome}  {bad}  {first.check}  ({first.suite})"
    yield "    " + finding.says.strip().replace("\n", "\n    ")
    told = {
        "at": _places(finding),
        "reason": first.reason if first.reason not in finding.says else "",
        "why": first.why,
        "rule": first.source,
        "do": first.remedy,
        "see it": finding.curl,
        "again": command_for(first, invocation),
    }
    for name, words in told.items():
        if words:
            yield f"    {name}: {words}"


def _places(finding: Finding) -> str:
    places = finding.places
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return ", ".join(places[:_PLACES]) + more
