"""What happens around each test, in whichever process runs it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.model import Observation
from harness.probes.exchange import curl_line
from harness.pytest_plugin import allure_labels
from harness.pytest_plugin.assertions import AssertionCounter
from harness.pytest_plugin.keys import CONTEXT, NOTES, REDACT, TURNS, WAITED, ItemNotes
from harness.pytest_plugin.outcomes import check_mark, observe
from harness.stack.safety import Action, allowed

ACTIONS: Mapping[str, Action] = {"writes": "write", "attacks": "attack", "breaks": "fault"}
_WORTH_NOTING_S = 0.01
REPORT_KEY = "harness_observations"
"""Attribute of a TestReport; xdist carries it from the worker to the controller."""


class ItemHooks:
    """Turns, permissions, notes and observations of each test."""

    def __init__(self, config: pytest.Config, counter: AssertionCounter) -> None:
        self._config = config
        self._counter = counter

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read every marker now, so that a malformed one stops the session; start first what waits longest."""
        for item in items:
            check_mark(item)
        items.sort(key=lambda item: item.get_closest_marker("beside") is None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Take a turn on the machine: alone for what measures time, shared for all else."""
        turns = self._config.stash[TURNS]
        if item.get_closest_marker("alone"):
            with turns.alone() as waited:
                item.stash[WAITED] = waited
                return (yield)
        if item.get_closest_marker("beside"):
            return (yield)
        with turns.shared() as waited:
            item.stash[WAITED] = waited
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A new attempt: fresh notes, and a refusal where nobody allowed what the test does."""
        item.stash[NOTES] = ItemNotes()
        self._counter.watch(item)
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
        if report.when == "call" or (report.when == "setup" and not report.passed):
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
            lines = self._config.stash[REDACT]("\n".join(curl_line(exchange) for exchange in notes.exchanges[-3:]))
            report.sections.append(("the last requests, to repeat", lines))
            allure_labels.attach(item, lines)
        setattr(report, REPORT_KEY, self._builtins(observed))
        if report.when == "teardown":
            self._counter.watch(None)
        return report

    def _builtins(self, observed: list[Observation]) -> list[Any]:
        """Plain data that execnet can carry, without secrets."""
        if not observed:
            return []
        text = self._config.stash[REDACT](msgspec.json.encode(observed).decode())
        decoded: list[Any] = msgspec.json.decode(text)
        return decoded
