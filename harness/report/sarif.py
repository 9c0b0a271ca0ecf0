"""`report.sarif`: what failed, for code-scanning views (SARIF 2.1.0, OASIS, 27 March 2020).

One result a failed line, one rule a check. A failure was seen at a running service, so its place is the test's file, or
the target's profile where no test recorded it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import harness
from harness.model import Evidence, Outcome
from harness.report.junit import last_attempts, particulars
from harness.report.sources import RunFiles
from harness.report.text import one_line, plain
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


def write_sarif(run: RunFiles) -> Path:
    """Write the run's `report.sarif`; returns its path."""
    path = run.path / "report.sarif"
    write_document(path, sarif_log(run))
    return path


def sarif_log(run: RunFiles) -> dict[str, Any]:
    """The log as a document."""
    failed = [line for line in last_attempts(run.evidence) if line.outcome is Outcome.FAIL]
    checks = list(dict.fromkeys(line.check for line in failed))
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
                "invocations": [{"executionSuccessful": run.facts.state == "finished"}],
                "results": [_result(line, checks.index(line.check), run) for line in failed],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _rule(check: str, failed: list[Evidence]) -> dict[str, Any]:
    first = next(line for line in failed if line.check == check)
    rule: dict[str, Any] = {
        "id": one_line(check, 200),
        "shortDescription": {"text": one_line(f"{first.suite}: {check}", 200)},
        "defaultConfiguration": {"level": _level(first)},
    }
    properties: dict[str, Any] = {"tags": [one_line(first.suite, 60)]}
    severity = first.severity
    if first.suite == "security" and severity in _SECURITY_SEVERITY:
        properties["security-severity"] = _SECURITY_SEVERITY[severity]
    rule["properties"] = properties
    if first.source.strip():
        rule["help"] = {"text": one_line(f"Rule from {first.source}", 400)}
    return rule


def _result(line: Evidence, rule: int, run: RunFiles) -> dict[str, Any]:
    words = [f"{line.subject}: {line.says or 'the check failed'}", *particulars(line)]
    identity = "\0".join((line.check, line.subject, line.test or ""))
    return {
        "ruleId": one_line(line.check, 200),
        "ruleIndex": rule,
        "level": _level(line),
        "message": {"text": plain("\n".join(words), _TEXT)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _place(line, run)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"fullyQualifiedName": one_line(line.subject or line.check, 400), "kind": "resource"}
                ],
            }
        ],
        "partialFingerprints": {"checkAndSubject/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()},
        "properties": {"evidence": line.seq, "suite": one_line(line.suite, 60)},
    }


def _level(line: Evidence) -> str:
    return _LEVELS.get(line.severity, "error")


def _place(line: Evidence, run: RunFiles) -> str:
    """A relative URI inside the repository; a place outside it would say something about this machine."""
    file = PurePosixPath((line.test or "").partition("::")[0])
    if line.test and not file.is_absolute() and ".." not in file.parts:
        return quote(one_line(str(file), 400))
    return quote(f"profiles/{one_line(run.facts.target or 'unknown', 100)}.toml")
