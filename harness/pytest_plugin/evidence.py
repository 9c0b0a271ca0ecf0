"""From one attempt of a test to its observations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.model import Observation, Outcome, StackInfo
from harness.probes.exchange import curl_line
from harness.pytest_plugin.attribution import outcome_of, without_servers
from harness.pytest_plugin.stash import ItemNotes

SHOWN_REQUESTS = 3
"""How many of a failed test's requests are shown, the last ones."""
_MESSAGE_LIMIT = 2000
_SEVERITIES = ("trivial", "minor", "normal", "high", "critical")


@dataclass(frozen=True, slots=True)
class CheckMark:
    """What `@pytest.mark.check` says of a test."""

    check: str
    subject: str
    severity: str
    source: str


def suite_of(path: Path) -> str:
    """The suite a test file belongs to: the folder under `suites/`, else its own folder's name."""
    parts = path.parts
    if "suites" in parts[:-1]:
        index = len(parts) - 1 - parts[::-1].index("suites")
        if index + 2 < len(parts):
            return parts[index + 1]
    return path.parent.name


_MARK = pytest.StashKey[CheckMark]()


def check_mark(item: pytest.Item) -> CheckMark:
    """What the marker says; a test without one proves something under its own name.

    Raises `pytest.UsageError` for a marker that is malformed.
    """
    if _MARK not in item.stash:
        item.stash[_MARK] = _read_mark(item)
    return item.stash[_MARK]


def _read_mark(item: pytest.Item) -> CheckMark:
    suite = suite_of(item.path)
    name = getattr(item, "originalname", None) or item.name
    marker = item.get_closest_marker("check")
    parameters = _parameters(item)
    subject = " ".join(str(value) for value in parameters.values()) or name
    if marker is None:
        return CheckMark(check=f"{suite}.{name.removeprefix('test_')}", subject=subject, severity="normal", source="")
    words: dict[str, Any] = dict(marker.kwargs)
    if len(marker.args) != 1 or not isinstance(marker.args[0], str) or not marker.args[0]:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.check takes one check id, for example 'headers.hsts'")
    unknown = set(words) - {"severity", "source", "subject"}
    if unknown or words.get("severity", "normal") not in _SEVERITIES:
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.check knows subject, source and severity ({', '.join(_SEVERITIES)}),"
            f" not {sorted(unknown) or words['severity']!r}"
        )
    template = words.get("subject", "")
    try:
        said = template.format(**parameters)
    except (LookupError, ValueError, AttributeError) as error:
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.check: subject {template!r} does not fit the test's parameters"
            f" ({', '.join(parameters) or 'it has none'}): {error!r}"
        ) from error
    return CheckMark(
        check=marker.args[0],
        subject=said or subject,
        severity=words.get("severity", "normal"),
        source=words.get("source", ""),
    )


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def observe(
    item: pytest.Item,
    report: pytest.TestReport,
    error: BaseException | None,
    notes: ItemNotes,
    info: StackInfo,
) -> Observation | None:
    """What this phase of the attempt says; None where a later phase will say it."""
    mark = check_mark(item)
    if report.skipped:
        return _observation(item, mark, Outcome.SKIP, {"reason": skip_reason(report)})
    if report.failed:
        outcome, reason = _blame(item, report, error, notes, info)
        message = "\n".join([*notes.misbehaved, _message(report, error)])
        detail: dict[str, Any] = {"message": message, "phase": report.when}
        if reason:
            detail["reason"] = reason
        if notes.exchanges:
            detail["curl"] = [curl_line(exchange) for exchange in notes.exchanges[-SHOWN_REQUESTS:]]
            last = notes.exchanges[-1]
            detail["observed"] = {"request": f"{last.method} {last.url}", "status": last.status}
        # in its teardown the page of a test is gone already, and its picture was taken when it failed
        makers = notes.on_failure if report.when != "teardown" else []
        return _observation(item, mark, outcome, detail, tuple(name for make in makers for name in make()))
    if report.when != "call":
        return None
    if notes.unasked or notes.assertions == 0:
        message = " · ".join(notes.unasked) or "the test executed no assertion, so it proved nothing"
        return _observation(item, mark, Outcome.ERROR, {"message": message, "reason": message})
    return _observation(item, mark, Outcome.PASS, {"assertions": notes.assertions, "requests": len(notes.exchanges)})


def _blame(
    item: pytest.Item, report: pytest.TestReport, error: BaseException | None, notes: ItemNotes, info: StackInfo
) -> tuple[Outcome, str]:
    if report.when == "teardown":
        return Outcome.ERROR, "its teardown failed"
    if notes.unasked:
        return Outcome.ERROR, " · ".join(notes.unasked)
    if notes.misbehaved:
        return Outcome.FAIL, " · ".join(notes.misbehaved)
    if error is None:
        return Outcome.ERROR, "it was expected to fail, and passed"
    return outcome_of(error, without_servers(info) if item.get_closest_marker("breaks") else info)


def _observation(
    item: pytest.Item, mark: CheckMark, outcome: Outcome, detail: dict[str, Any], artifacts: tuple[str, ...] = ()
) -> Observation:
    extra = {"severity": mark.severity} | ({"source": mark.source} if mark.source else {})
    return Observation(
        suite=suite_of(item.path),
        check=mark.check,
        subject=mark.subject,
        outcome=outcome,
        detail=detail | extra,
        test=item.nodeid,
        artifacts=artifacts,
    )


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test, or a whole file, was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "") or report.longrepr)


def _message(report: pytest.TestReport, error: BaseException | None) -> str:
    """The assertion's own words: what was expected, what came back; bounded, without colour codes."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else str(error or report.longrepr)
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " …"
