"""The controlling process of a test session: it owns stack and run, and is the only one that writes evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.model import Observation, Outcome
from harness.pytest_plugin.evidence import attached_observations, skip_reason
from harness.pytest_plugin.items import USAGE_KEY
from harness.pytest_plugin.markers import suite_of
from harness.pytest_plugin.stash import REDACT
from harness.run import Run
from harness.runner.checks import GateCheck
from harness.runner.sources import read_tests

_MESSAGE_LIMIT = 2000


class Recorder:
    """Writes what tests observed, attempt by attempt, as it arrives from whichever process ran them."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self._run = run
        self._config = config
        self._redact = config.stash[REDACT]
        self.written = 0
        self._collected: dict[str, None] = {}
        self._by_worker: dict[str, Mapping[str, Sequence[str]]] = {}
        self._unlike_told = False
        self._uncollected_told: set[str] = set()
        self._failed_before: set[str] = set()
        self._attempts: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the tests that will run."""
        self._collected |= dict.fromkeys(item.nodeid for item in session.items)
        self._note_collected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401 - xdist's
        """With xdist: what a worker found."""
        self._by_worker[node.gateway.id] = _by_file(ids)
        new = dict.fromkeys(ids) | self._collected
        if len(new) != len(self._collected):
            self._collected = new
            self._note_collected()

    def _note_collected(self) -> None:
        """Under the names that evidence has: a test's parameter may hold what is a secret."""
        known = frozenset(map(self._redact, self._collected))
        self._run.update(lambda record: replace(record, collected=tuple(sorted(known.union(record.collected)))))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is an error of its suite, one that skips itself is no fewer checks."""
        if report.failed and report.nodeid in self._by_worker:
            # xdist tells it of each worker that differs from the first: what matters is the file, once
            if not self._unlike_told:
                self._record(map(self._unlike, self._files_unlike()))
            self._unlike_told = True
        elif report.failed and report.nodeid not in self._uncollected_told:
            # each worker has its own words for the same file
            self._uncollected_told.add(report.nodeid)
            self._record([self._uncollected(report)])
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
        suite = self._suite_of(nodeid)
        checks = read_tests(path, suite).checks if path.is_file() else frozenset()
        self._record(
            Observation(suite=suite, check=check, subject=nodeid, outcome=Outcome.SKIP, detail={"reason": reason})
            for check in sorted(checks) or [GateCheck.COLLECTION]
        )

    def path_of(self, nodeid: str) -> Path:
        """The file of a node. Outside of the root pytest names files from the argument under which it found them."""
        config, name = self._config, nodeid.partition("::")[0]
        given = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
        return next((start / name for start in (config.rootpath, *given) if (start / name).exists()), Path(name))

    def _suite_of(self, nodeid: str) -> str:
        path = self.path_of(nodeid)
        # a folder is a node too: what its own files belong to
        return suite_of(path / "conftest.py" if path.is_dir() else path, self._config)

    def _files_unlike(self) -> list[str]:
        """Files of which two workers collected different tests; all of them where only their order differs."""
        found = list(self._by_worker.values())
        files = list(dict.fromkeys(name for one in found for name in one))
        return [name for name in files if any(one.get(name) != found[0].get(name) for one in found)] or files

    def _unlike(self, name: str) -> Observation:
        told = sorted({nodeid for one in self._by_worker.values() for nodeid in one.get(name, ())})
        reason = (
            "two test processes collected different tests of it, or in another order, so none was run: its parameters"
            " must not come from a set, from chance or from the clock"
        )
        detail = {"message": f"{name}: {reason}: {', '.join(told)}"[:_MESSAGE_LIMIT], "reason": reason}
        return Observation(
            suite=self._suite_of(name),
            check=GateCheck.COLLECTION,
            subject=name,
            outcome=Outcome.ERROR,
            detail=detail,
        )

    def _record(self, observations: Iterable[Observation]) -> None:
        """Write evidence. Where that fails the session ends in one line: what is not written never happened."""
        try:
            self.written += len(self._run.record(observations))
        except HarnessError as error:
            pytest.exit(error.message, returncode=pytest.ExitCode.INTERNAL_ERROR)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the observations of one phase; know an attempt that is followed by another."""
        observed = attached_observations(report)
        if observed is None:
            if report.failed:
                self._record([self._crash(report)])
            return
        if not observed:
            return
        attempt = int(getattr(report, "rerun", 0)) + 1
        superseded = report.outcome == "rerun"  # type: ignore[comparison-overlap]  # rerunfailures' fourth outcome
        self._record(self._attempted(observation, attempt=attempt, superseded=superseded) for observation in observed)
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

    def _uncollected(self, report: pytest.CollectReport) -> Observation:
        return Observation(
            suite=self._suite_of(report.nodeid),
            check=GateCheck.COLLECTION,
            subject=report.nodeid,
            outcome=Outcome.ERROR,
            detail={"message": str(report.longrepr)[-_MESSAGE_LIMIT:], "reason": "the file could not be collected"},
        )

    def _crash(self, report: pytest.TestReport) -> Observation:
        """A worker died while it ran this test."""
        return Observation(
            suite=self._suite_of(report.nodeid),
            check=GateCheck.WORKER_CRASHED,
            subject=report.nodeid,
            outcome=Outcome.ERROR,
            detail={"message": str(report.longrepr)[-_MESSAGE_LIMIT:], "reason": "the process that ran the test died"},
            test=report.nodeid,
        )


def _by_file(ids: Iterable[str]) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for nodeid in ids:
        files.setdefault(nodeid.partition("::")[0], []).append(nodeid)
    return files
