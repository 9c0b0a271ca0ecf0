"""The controlling process of a test session: it owns stack and run, and is the only one that writes evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.machine.decoding import Reader
from harness.model import Observation, Outcome
from harness.pytest_plugin.evidence import skip_reason, suite_of
from harness.pytest_plugin.items import REPORT_KEY, USAGE_KEY
from harness.pytest_plugin.stash import REDACT
from harness.run import Run
from harness.runner.discovery import checks_in

_MESSAGE_LIMIT = 2000
_COLLECTION = "collection"
_OBSERVATIONS = Reader(list[Observation])


class Recorder:
    """Writes what tests observed, attempt by attempt, as it arrives from whichever process ran them."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self._run = run
        self._config = config
        self._redact = config.stash[REDACT]
        self.written = 0
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
        """Under the names that evidence has: a test's parameter may hold what is a secret."""
        with self._run.editing() as document:
            document["collected"] = sorted({*document["collected"], *map(self._redact, self._collected)})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is an error of its suite, one that skips itself is no fewer checks."""
        if report.failed:
            self._record([_uncollected(report, self.path_of(report.nodeid))])
        elif report.skipped:
            self._skip_file(report.nodeid, skip_reason(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ANN401, ARG002 - xdist's WorkerController
        """What a worker leaves at its end; one that died leaves nothing."""
        left = getattr(node, "workeroutput", {})
        if USAGE_KEY in left:
            raise pytest.UsageError(left[USAGE_KEY])

    def _skip_file(self, nodeid: str, reason: str) -> None:
        """Each check that the file would have proven is skipped, so that a criterion on it sees that it did not run.

        (Every worker tells of the same file; xdist passes it on once.)
        """
        path = self.path_of(nodeid)
        suite = suite_of(path)
        checks = checks_in(path, suite) if path.is_file() else frozenset()
        self._record(
            Observation(suite=suite, check=check, subject=nodeid, outcome=Outcome.SKIP, detail={"reason": reason})
            for check in sorted(checks) or [_COLLECTION]
        )

    def path_of(self, nodeid: str) -> Path:
        """The file of a node. Outside of the root pytest names files from the argument under which it found them."""
        config, name = self._config, nodeid.partition("::")[0]
        given = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
        return next((start / name for start in (config.rootpath, *given) if (start / name).is_file()), Path(name))

    def _record(self, observations: Iterable[Observation]) -> None:
        """Write evidence. Where that fails the session ends in one line: what is not written never happened."""
        try:
            self.written += len(self._run.record(observations))
        except HarnessError as error:
            pytest.exit(error.message, returncode=pytest.ExitCode.INTERNAL_ERROR)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the observations of one phase; know an attempt that is followed by another."""
        raw: list[Any] | None = getattr(report, REPORT_KEY, None)
        if raw is None:
            if report.failed:
                self._record([_crash(report, self.path_of(report.nodeid))])
            return
        if not raw:
            return
        attempt = int(getattr(report, "rerun", 0)) + 1
        superseded = report.outcome == "rerun"  # type: ignore[comparison-overlap]  # rerunfailures' fourth outcome
        self._record(
            self._attempted(observation, attempt=attempt, superseded=superseded)
            for observation in _OBSERVATIONS.data(raw)
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


def _uncollected(report: pytest.CollectReport, path: Path) -> Observation:
    return Observation(
        suite=suite_of(path),
        check=_COLLECTION,
        subject=report.nodeid,
        outcome=Outcome.ERROR,
        detail={"message": str(report.longrepr)[-_MESSAGE_LIMIT:], "reason": "the file could not be collected"},
    )


def _crash(report: pytest.TestReport, path: Path) -> Observation:
    """A worker died while it ran this test."""
    return Observation(
        suite=suite_of(path),
        check="worker.crashed",
        subject=report.nodeid,
        outcome=Outcome.ERROR,
        detail={"message": str(report.longrepr)[-_MESSAGE_LIMIT:], "reason": "the process that ran the test died"},
        test=report.nodeid,
    )
