"""What happens around each test, in whichever process runs it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.machine.encodable import encodable_data
from harness.model import Observation
from harness.probes.exchange import curl_line
from harness.pytest_plugin import allure_labels
from harness.pytest_plugin.evidence import SHOWN_REQUESTS, check_mark, observe
from harness.pytest_plugin.pacing import Pace
from harness.pytest_plugin.redaction import clean_report
from harness.pytest_plugin.stash import CONTEXT, MACHINE_LOCK, NOTES, REDACT, WAITED, ItemNotes
from harness.stack.permissions import Action, allowed

ACTIONS: Mapping[str, Action] = {"writes": "write", "attacks": "attack", "breaks": "fault"}
_WORTH_NOTING_S = 0.01
REPORT_KEY = "harness_observations"
"""Attribute of a TestReport: observations; as plain data where xdist carries it from a worker to the controller."""
USAGE_KEY = "harness_usage"
"""Member of what a worker leaves to the controller at its end: why the session cannot be."""


class ItemHooks:
    """MachineLock, permissions, notes and observations of each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._in_worker = hasattr(config, "workerinput")
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
        items.sort(key=lambda item: (item.get_closest_marker("beside") is not None) == last)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Take a turn on the machine: alone for what measures time, shared for all else."""
        turns = self._config.stash[MACHINE_LOCK]
        pace = self._config.stash[CONTEXT].pace
        beside = item.get_closest_marker("beside") is not None
        if beside and pace is None:
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
        allure_labels.label(item, context.target)
        for marker, action in ACTIONS.items():
            if item.get_closest_marker(marker):
                refusal = allowed(action, context.info, context.target, context.active)
                if refusal:
                    pytest.skip(refusal)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to the report what this phase observed."""
        report = yield
        notes = item.stash.get(NOTES, ItemNotes())
        error = call.excinfo.value if call.excinfo is not None else None
        observed: list[Observation] = []
        if report.when != "setup" or not report.passed:
            observed += notes.observations
            notes.observations = []
        context = self._config.stash[CONTEXT]
        outcome = observe(item, report, error, notes, context.info)
        if outcome is not None:
            waited = item.stash.get(WAITED, 0.0)
            if waited >= _WORTH_NOTING_S:
                outcome = replace(outcome, detail={**outcome.detail, "waited_s": round(waited, 3)})
            observed.append(outcome)
        if outcome is not None and outcome.outcome == "error" and report.passed:
            report.outcome = "failed"
            report.longrepr = str(outcome.detail["message"])
        if report.failed and notes.exchanges:
            lines = "\n".join(curl_line(exchange) for exchange in notes.exchanges[-SHOWN_REQUESTS:])
            report.sections.append(("the last requests, to repeat", lines))
            allure_labels.attach(item, self._config.stash[REDACT](lines))
        setattr(report, REPORT_KEY, self._builtins(observed) if self._in_worker else observed)
        clean_report(report, self._config, self._config.stash[REDACT])
        return report

    def _builtins(self, observed: list[Observation]) -> list[Any]:
        """Plain data that execnet can carry, without the secrets that only this process may have learned."""
        redact = self._config.stash[REDACT]
        seen = [replace(one, subject=redact(one.subject), detail=redact.data(one.detail)) for one in observed]
        plain: list[Any] = encodable_data(msgspec.to_builtins(seen))
        return plain
