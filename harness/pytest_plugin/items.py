"""What happens around each test, in whichever process runs it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.machine.encodable import encodable, encodable_data
from harness.machine.foreign_text import MOST_KEPT, kept
from harness.machine.redaction import Redactor
from harness.model import Observation
from harness.probes.exchange import curl_line
from harness.pytest_plugin import allure
from harness.pytest_plugin.attribution import without_servers
from harness.pytest_plugin.evidence import EndedPhase, attach_observations, observe
from harness.pytest_plugin.markers import check_mark
from harness.pytest_plugin.pacing import Pace
from harness.pytest_plugin.stash import CONTEXT, INSTRUMENT, MACHINE_LOCK, NOTES, REDACT, WAITED, Instrument, ItemNotes
from harness.stack.ground import doubted
from harness.stack.permissions import Action

ACTIONS: Mapping[str, Action] = {"writes": "write", "attacks": "attack", "breaks": "fault"}
_WORTH_NOTING_S = 0.01
_CONTAINERS_S = 300
"""A test's own time-out where its rig is made of containers: on a busy machine a whole stack of them takes minutes."""
USAGE_KEY = "harness_usage"
"""Member of what a worker leaves to the controller at its end: why the session cannot be."""


class ItemHooks:
    """The machine's lock, permissions, notes and observations of each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tried: set[Path] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read every marker now, so that a malformed one stops the session; start first what waits longest.

        Where all requests are one client's, what would use up its limit comes last instead.
        """
        try:
            for item in items:
                check_mark(item)
        except pytest.UsageError as error:
            if not hasattr(self._config, "workeroutput"):
                raise
            # raised in a worker it would be shown as a crash of that worker: the controller raises it
            self._config.workeroutput[USAGE_KEY] = str(error)
            items.clear()
        last = self._config.stash[CONTEXT].pace is not None
        if self._config.stash[CONTEXT].info.backend == "docker":
            for item in items:
                if "rig" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
                    item.add_marker(pytest.mark.timeout(_CONTAINERS_S))
        items.sort(key=lambda item: (item.get_closest_marker("beside") is not None) == last)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Take a turn on the machine: alone for what measures time, shared for all else."""
        turns = self._config.stash[MACHINE_LOCK]
        pace = self._config.stash[CONTEXT].pace
        beside = item.get_closest_marker("beside") is not None
        if beside and pace is None:
            return (yield)
        if item.get_closest_marker("skip") is not None:
            # what is not going to run waits for nobody
            return (yield)
        alone = beside or item.get_closest_marker("alone") is not None
        with turns.exclusive() if alone else turns.shared() as waited:
            item.stash[WAITED] = waited
            if beside and pace is not None:
                with self._limit_unused(item.path, pace):
                    return (yield)
            return (yield)

    @contextmanager
    def _limit_unused(self, file: Path, pace: Pace) -> Iterator[None]:
        """The first test of a file that tries the limiter finds the limit unused, and leaves it used up."""
        if file in self._tried:
            yield
            return
        self._tried.add(file)
        pace.wait_for_silence()
        yield
        pace.exhaust()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A new attempt: fresh notes, and a refusal where nobody allowed what the test does."""
        item.stash[NOTES] = ItemNotes()
        context = self._config.stash[CONTEXT]
        allure.label(item, context.target)
        for marker, action in ACTIONS.items():
            refusal = context.refusal(action) if item.get_closest_marker(marker) else None
            if refusal is not None:
                pytest.skip(str(refusal))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Let the module's instrument mend what the test broke."""
        try:
            return (yield)
        finally:
            instrument = _instrument_of(item)
            if instrument is not None:
                instrument.mend()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to the report what this phase observed."""
        report = yield
        notes = item.stash.get(NOTES, ItemNotes())
        _ask_instrument(item, notes, call.when)
        error = call.excinfo.value if call.excinfo is not None else None
        info = self._config.stash[CONTEXT].info
        if item.get_closest_marker("breaks"):
            info = without_servers(info)
        observed: list[Observation] = []
        if report.when != "setup" or not report.passed:
            observed += notes.observations
            notes.observations = []
        phase = EndedPhase(item, report, error, notes, info)
        outcome = observe(phase)
        if outcome is not None:
            observed.append(_with_wait(outcome, item.stash.get(WAITED, 0.0)))
        observed = doubted(observed, info)
        if outcome is not None and outcome.outcome == "error" and report.passed:
            report.outcome = "failed"
            report.longrepr = outcome.message
        redact = self._config.stash[REDACT]
        if report.failed:
            _show_requests(phase, redact)
        attach_observations(report, observed, redact)
        _clean_report(report, self._config, redact)
        return report


def _show_requests(phase: EndedPhase, redact: Redactor) -> None:
    lines = "\n".join(map(curl_line, phase.shown))
    if lines:
        phase.report.sections.append(("the last requests, to repeat", lines))
        allure.attach(phase.item, redact(lines))


def _instrument_of(item: pytest.Item) -> Instrument | None:
    module = item.getparent(pytest.Module)
    return module.stash.get(INSTRUMENT, None) if module is not None else None


def _ask_instrument(item: pytest.Item, notes: ItemNotes, when: str) -> None:
    """Give the test what its module's instrument saw meanwhile, and the requests that it sent."""
    instrument = _instrument_of(item)
    if instrument is not None:
        notes.observations += instrument.observed(item)
        if when == "call":
            notes.kept += instrument.exchanges()


def _with_wait(outcome: Observation, seconds: float) -> Observation:
    if seconds < _WORTH_NOTING_S:
        return outcome
    return replace(outcome, detail={**outcome.detail, "waited_s": round(seconds, 3)})


def _clean_report(report: pytest.TestReport, config: pytest.Config, redact: Redactor) -> None:
    """Clean a report in place, before a terminal, a log or another process gets it: no secret, no text without end."""
    report.sections = [(title, kept(encodable(redact(text)))) for title, text in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, kept(encodable(redact(reason))))
        return
    if report.longrepr is not None and len(report.longreprtext) > MOST_KEPT:
        report.longrepr = kept(encodable(redact(report.longreprtext)))
        return
    if report.longrepr is None or encodable(redact(report.longreprtext)) == report.longreprtext:
        return
    # the way by which xdist sends reports: pytest's own, so that a traceback stays one
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    data = encodable_data(redact.data(data))
    clean: pytest.TestReport = config.hook.pytest_report_from_serializable(config=config, data=data)
    report.longrepr = clean.longrepr
