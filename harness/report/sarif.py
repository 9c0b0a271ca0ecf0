"""`report.sarif`: what failed, for code-scanning views (SARIF 2.1.0, OASIS, 27 March 2020).

One result a finding with a location a place, one rule a check. A failure was seen at a running service, so its file is
the test's, or the target's profile where no test recorded it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import harness
from harness.model import Evidence, Outcome
from harness.report.causes import Finding, findings
from harness.report.findings import without_line
from harness.report.sources import RunFiles
from harness.report.text import one_line, plain, plural
from harness.run import write_document

_LEVELS: Mapping[str, str] = {
    "critical": "error",
    "high": "error",
    "normal": "warning",
    "minor": "note",
    "trivial": "note",
}
_SECURITY_SEVERITY: Mapping[str, str] = {
    "critical": "9.5",
    "high": "8.0",
    "normal": "5.5",
    "minor": "2.5",
    "trivial": "0.5",
}
"""GitHub's reading of rule.properties: over 9 is critical, 7 to 8.9 high, 4 to 6.9 medium, below that low."""
_TEXT = 4_000
_NOTIFICATIONS = 100
_LOCATIONS = 1_000
"""GitHub refuses a file with more for one result; the message says how many there were."""


def write_sarif(run: RunFiles) -> Path:
    """Write the run's `report.sarif`; returns its path."""
    path = run.path / "report.sarif"
    write_document(path, sarif_log(run))
    return path


def sarif_log(run: RunFiles) -> dict[str, Any]:
    """The log as a document."""
    found = findings(run.evidence)
    failed = [each for each in found if each.outcome is Outcome.FAIL]
    missing = _missing(run, [each for each in found if each.outcome is Outcome.ERROR])
    checks = list(dict.fromkeys(each.first.check for each in failed))
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "harness",
                        "version": harness.__version__,
                        "rules": [_rule(check, failed) for check in checks],
                    }
                },
                "automationDetails": {"id": one_line(f"harness/{run.facts.target}/{run.facts.run}", 200)},
                "invocations": [
                    {
                        "executionSuccessful": run.facts.state == "finished" and not missing,
                        "toolExecutionNotifications": [*missing, *_narrowed(run)],
                    }
                ],
                "results": [_result(each, checks.index(each.first.check), run) for each in failed],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _missing(run: RunFiles, errors: Sequence[Finding]) -> list[dict[str, Any]]:
    """What was to be tried and was not: a view that closes what it no longer finds must not take that for mended."""
    told = [_notification(each.first.check, f"{_subjects(each)}{each.says}") for each in errors[:_NOTIFICATIONS]]
    if len(errors) > _NOTIFICATIONS:
        told.append(_notification("more", f"{plural(len(errors) - _NOTIFICATIONS, 'more check')} could not be made"))
    silent = without_line(run)
    if silent:
        told.append(_notification("without_line", f"{plural(len(silent), 'test')} left no result, first {silent[0]}"))
    return told + [_notification("evidence", problem) for problem in run.problems[:_NOTIFICATIONS]]


def _narrowed(run: RunFiles) -> list[dict[str, Any]]:
    if not run.facts.narrowed:
        return []
    return [_notification("narrowed", f"the run was narrowed ({run.facts.narrowed}): the rest was not tried", "note")]


def _notification(name: str, text: str, level: str = "error") -> dict[str, Any]:
    return {"descriptor": {"id": one_line(name, 200)}, "level": level, "message": {"text": plain(text, _TEXT)}}


def _subjects(finding: Finding) -> str:
    places = finding.places
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{places[0]}{more}: " if places else ""


def _rule(check: str, failed: Sequence[Finding]) -> dict[str, Any]:
    finding = next(each for each in failed if each.first.check == check)
    first = finding.first
    rule: dict[str, Any] = {
        "id": one_line(check, 200),
        "shortDescription": {"text": one_line(f"{first.suite}: {check}", 200)},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
    }
    properties: dict[str, Any] = {"tags": [one_line(first.suite, 60)]}
    if first.suite == "security":
        properties["security-severity"] = _SECURITY_SEVERITY[finding.severity]
    rule["properties"] = properties
    told = [first.why, first.remedy, f"Rule from {first.source}" if first.source else ""]
    if any(told):
        rule["help"] = {"text": "\n".join(one_line(text, 400) for text in told if text)}
    return rule


def _result(finding: Finding, rule: int, run: RunFiles) -> dict[str, Any]:
    first = finding.first
    identity = "\0".join((first.suite, first.check, first.cause))
    shown = [f"remedy: {first.remedy}"] * bool(first.remedy) + [f"curl: {finding.curl}"] * bool(finding.curl)
    return {
        "ruleId": one_line(first.check, 200),
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": plain("\n".join([f"{_subjects(finding)}{finding.says}", *shown]), _TEXT)},
        "locations": [_location(line, run) for line in finding.lines[:_LOCATIONS]],
        "partialFingerprints": {"checkAndCause/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()},
        "properties": {"evidence": [line.seq for line in finding.lines], "suite": one_line(first.suite, 60)},
    }


def _location(line: Evidence, run: RunFiles) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": _place(line, run)}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": one_line(line.subject or line.check, 400), "kind": "resource"}],
    }


def _place(line: Evidence, run: RunFiles) -> str:
    """A relative URI inside the repository; a place outside it would say something about this machine."""
    file = PurePosixPath((line.test or "").partition("::")[0])
    if line.test and not file.is_absolute() and ".." not in file.parts:
        return quote(one_line(str(file), 400))
    return quote(f"profiles/{one_line(run.facts.target or 'unknown', 100)}.toml")
