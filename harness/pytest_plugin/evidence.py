"""From one attempt of a test to its observations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from harness.machine.decoding import Reader
from harness.machine.encodable import encodable_data
from harness.machine.redaction import Redactor
from harness.model import Observation, Outcome, StackInfo
from harness.probes.exchange import Exchange, SentRequest, curl_line
from harness.probes.http import ServiceUnavailable
from harness.pytest_plugin.attribution import outcome_of
from harness.pytest_plugin.markers import CheckMark, check_mark, suite_of
from harness.pytest_plugin.sentences import cause_of, said_by
from harness.pytest_plugin.stash import ItemNotes

SHOWN_REQUESTS = 3
"""How many of a failed test's requests are shown: the one that shows the failure, and those before it."""
_PROPERTY = "harness.observations"
"""Name of the property under which a report carries its observations."""
_MESSAGE_LIMIT = 2000
_OBSERVATIONS = Reader(list[Observation])


@dataclass(frozen=True, slots=True)
class EndedPhase:
    """A phase of one attempt of a test, as it ended."""

    item: pytest.Item
    report: pytest.TestReport
    error: BaseException | None
    notes: ItemNotes
    info: StackInfo
    """The parts that must answer for a failure to be the target's."""

    @property
    def mark(self) -> CheckMark:
        """What the test proves, of the subject that it named itself."""
        mark = check_mark(self.item)
        return replace(mark, subject=self.notes.subject) if self.notes.subject else mark

    @property
    def shown(self) -> Sequence[SentRequest]:
        """The request that shows the failure, at the end, and those before it.

        Without a known one, the page that the browser went to last, else the subject's last request, else the last.
        """
        sent = self.notes.exchanges
        telling = said_by(self.error, sent).exchange
        if telling is None and self.notes.visited:
            return self.notes.visited[-1:]
        named = (at for at, each in reversed([*enumerate(sent)]) if telling is None and _names(self.mark.subject, each))
        index = next((at for at, each in enumerate(sent) if each is telling), next(named, len(sent) - 1))
        return sent[max(0, index + 1 - SHOWN_REQUESTS) : index + 1]


def _names(subject: str, sent: SentRequest) -> bool:
    return subject == f"{sent.method} {urlsplit(sent.url).path}"


def observe(phase: EndedPhase) -> Observation | None:
    """What this phase of the attempt says; None where a later phase will say it."""
    if phase.report.skipped:
        return _observation(phase, Outcome.SKIP, {"reason": _bounded(skip_reason(phase.report))})
    if phase.report.failed:
        return _failure(phase)
    return _success(phase) if phase.report.when == "call" else None


def _failure(phase: EndedPhase) -> Observation:
    report, notes = phase.report, phase.notes
    outcome, reason = _blame(phase)
    said = said_by(phase.error, notes.exchanges)
    sentence = _bounded(said.sentence or _crash(report, phase.error))
    message = "\n".join([*(why for why in notes.misbehaved if why not in sentence), sentence])
    detail: dict[str, Any] = {"message": message, "phase": report.when}
    if said.pytest_words:
        detail["pytest_words"] = _bounded(said.pytest_words)
    if reason:
        detail["reason"] = reason
    shown = phase.shown
    detail["cause"] = said.cause or cause_of(message, phase.mark.subject, shown, _parameters(phase.item))
    # in its teardown the page of a test is gone already, and its picture was taken when it failed
    makers = notes.on_failure if report.when != "teardown" else []
    artifacts = tuple(name for make in makers for name in make())
    found = detail | _repeatable(shown, phase.error) | _listed(notes)
    return _observation(phase, outcome, found, (*notes.artifacts, *artifacts))


def _success(phase: EndedPhase) -> Observation:
    notes = phase.notes
    if notes.unasked or notes.assertions == 0:
        message = " · ".join(notes.unasked) or "the test executed no assertion, so it proved nothing"
        return _observation(phase, Outcome.ERROR, {"message": message, "reason": message})
    counts = {"assertions": notes.assertions, "requests": len(notes.exchanges)}
    return _observation(phase, Outcome.PASS, counts | _listed(notes), tuple(notes.artifacts))


def _listed(notes: ItemNotes) -> dict[str, Any]:
    return {"listed": notes.listed} if notes.listed else {}


def _repeatable(shown: Sequence[SentRequest], error: BaseException | None) -> dict[str, Any]:
    lines = [curl_line(exchange) for exchange in shown]
    if isinstance(error, ServiceUnavailable):
        attempt = error.attempt
        return {"curl": [*lines[1 - SHOWN_REQUESTS :], error.curl], "observed": {"request": _request(attempt)}}
    if not shown:
        return {}
    last = shown[-1]
    status = {"status": last.status} if isinstance(last, Exchange) else {}
    return {"curl": lines, "observed": {"request": _request(last), **status}}


def _request(sent: SentRequest) -> str:
    return f"{sent.method} {sent.url}"


def _parameters(item: pytest.Item) -> list[str]:
    callspec = getattr(item, "callspec", None)
    return [str(value) for value in callspec.params.values()] if callspec is not None else []


def _blame(phase: EndedPhase) -> tuple[Outcome, str]:
    notes = phase.notes
    if phase.report.when == "teardown":
        return Outcome.ERROR, "its teardown failed"
    if notes.unasked:
        return Outcome.ERROR, " · ".join(notes.unasked)
    if notes.misbehaved:
        return Outcome.FAIL, " · ".join(notes.misbehaved)
    if notes.limited:
        # a limiter does its work: what it kept from the test says nothing of what the test asks
        return (
            Outcome.ERROR,
            f"{notes.limited[0]} was refused with 429; add [ratelimit] limit and window_s to the profile",
        )
    if phase.error is None:
        return Outcome.ERROR, "it was expected to fail, and passed"
    return outcome_of(phase.error, phase.info)


def _observation(
    phase: EndedPhase, outcome: Outcome, detail: dict[str, Any], artifacts: tuple[str, ...] = ()
) -> Observation:
    item, mark = phase.item, phase.mark
    told = {"source": mark.source, "why": mark.why, "remedy": mark.remedy}
    extra = {"severity": mark.severity} | {key: words for key, words in told.items() if words}
    return Observation(
        suite=suite_of(item.path, item.config),
        check=mark.check,
        subject=mark.subject,
        outcome=outcome,
        detail=detail | extra,
        test=item.nodeid,
        artifacts=artifacts,
    )


def attach_observations(report: pytest.TestReport, observed: Sequence[Observation], redact: Redactor) -> None:
    """Let the report carry what was observed, as one text: it passes xdist, and a JUnit file shows it.

    Secrets are taken out here: only this process may have learned them.
    """
    clean = [replace(one, subject=redact(one.subject), detail=redact.data(one.detail)) for one in observed]
    report.user_properties.append((_PROPERTY, msgspec.json.encode(encodable_data(msgspec.to_builtins(clean))).decode()))


def attached_observations(report: pytest.TestReport) -> list[Observation] | None:
    """What a report carries; None for one that was not made where the test ran, as when its worker died."""
    for name, value in report.user_properties:
        if name == _PROPERTY:
            return _OBSERVATIONS.json(str(value))
    return None


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test, or a whole file, was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "") or report.longrepr)


def _crash(report: pytest.TestReport, error: BaseException | None) -> str:
    """What ended a test that did not end by its own word; without colour codes."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else str(error or report.longrepr)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def _bounded(text: str) -> str:
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]} …"
