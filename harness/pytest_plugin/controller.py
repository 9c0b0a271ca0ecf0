"""The controlling process of a test session: it owns stack and run, and is the only one that writes evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.model import Observation, Outcome
from harness.pytest_plugin.items import REPORT_KEY
from harness.pytest_plugin.outcomes import suite_of
from harness.run import Run


class Recorder:
    """Writes what tests observed, attempt by attempt, as it arrives from whichever process ran them."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self._run = run
        self._config = config
        self._collected: dict[str, None] = {}
        self._failed_before: set[str] = set()
        self._attempts: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the tests that will run."""
        self._collected |= dict.fromkeys(item.nodeid for item in session.items)
        self._note_collected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:  # noqa: ARG002
        """With xdist: what a worker found."""
        new = dict.fromkeys(ids) | self._collected
        if len(new) != len(self._collected):
            self._collected = new
            self._note_collected()

    def _note_collected(self) -> None:
        with self._run.editing() as document:
            document["collected"] = sorted({*document["collected"], *self._collected})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is an error of its suite, not fewer tests."""
        if report.failed:
            path = self._config.rootpath / report.nodeid.split("::")[0]
            self._run.record(
                [
                    Observation(
                        suite=suite_of(path),
                        check="collection",
                        subject=report.nodeid,
                        outcome=Outcome.ERROR,
                        detail={"message": str(report.longrepr)[-2000:], "reason": "the file could not be collected"},
                    )
                ]
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the observations of one phase; know an attempt that is followed by another."""
        raw: list[Any] | None = getattr(report, REPORT_KEY, None)
        if raw is None:
            if report.failed:
                self._run.record([_crash(report, self._config)])
            return
        if not raw:
            return
        attempt = int(getattr(report, "rerun", 0)) + 1
        superseded = report.outcome == "rerun"  # type: ignore[comparison-overlap]  # rerunfailures' fourth outcome
        self._run.record(
            self._attempted(observation, attempt=attempt, superseded=superseded)
            for observation in msgspec.convert(raw, list[Observation])
        )
        if superseded:
            self._failed_before.add(report.nodeid)

    def _attempted(self, seen: Observation, *, attempt: int, superseded: bool) -> Observation:
        detail = dict(seen.detail) | {"attempt": attempt}
        outcome = seen.outcome
        if superseded:
            detail["superseded"] = True
        elif outcome is Outcome.PASS and seen.test in self._failed_before:
            outcome = Outcome.FLAKY
            detail["reason"] = f"failed, then passed on attempt {attempt}"
        return replace(seen, outcome=outcome, detail=detail)


def _crash(report: pytest.TestReport, config: pytest.Config) -> Observation:
    """A worker died while it ran this test."""
    path = config.rootpath / report.nodeid.split("::")[0]
    return Observation(
        suite=suite_of(path),
        check="worker.crashed",
        subject=report.nodeid,
        outcome=Outcome.ERROR,
        detail={"message": str(report.longrepr)[-2000:], "reason": "the process that ran the test died"},
        test=report.nodeid,
    )
