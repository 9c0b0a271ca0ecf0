"""Runs of the suites, or of some of their tests, against a stack that stays up over many mutants."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.jobs.session import run_session
from harness.machine.bundle import root
from harness.model import Policy, Target
from harness.prove.model import NoVerdictError
from harness.prove.selection import JudgedRun, judge_run
from harness.runner.discovery import Suite
from harness.runner.pytest_process import Phase, SuiteOptions, Tested, running

_POLL_S = 0.05
_GOOD_ENDS = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRuns:
    """Makes one run after another; each has a folder below `folder`."""

    target: Target
    stack: Tested
    policy: Policy
    suites: tuple[Suite, ...]
    folder: Path
    scratch: Path
    active: bool
    seconds: float
    """Within which pytest must have ended."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends a run, whoever waits for it."""

    def run(
        self,
        name: str,
        *,
        tests: Collection[str] | None = None,
        until: Sequence[str] = (),
        marks: str = "",
        journal: Path | None = None,
    ) -> JudgedRun:
        """Run tests, None for all with these marks. Raises NoVerdictError if pytest did not end well."""
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        words = [word for check in until for word in ("--until-fails", check)]
        if tests is not None:
            listed = self.scratch / "tests.txt"
            listed.write_text("".join(f"{test}\n" for test in sorted(tests)), encoding="utf-8")
            words += ["--tests-file", str(listed)]
        if journal is not None:
            words += ["--journal", str(journal)]
        phase = Phase("mutant", self._suites(tests), marks=marks)
        if not phase.suites:
            raise NoVerdictError("there is no suite to run")
        options = SuiteOptions(workers=0, active=self.active, extra=tuple(words))
        with run_session("prove", self.target, out, policy=self.policy) as session:
            run = session.run
            session.learn(self.stack.info)
            with running(run, phase, self.stack, options) as pytest:
                self._await(pytest.process)
        if pytest.process.returncode not in _GOOD_ENDS:
            raise NoVerdictError(f"pytest ended with {pytest.process.returncode}; {run.path / 'logs'} says why")
        return judge_run(run.path, self.policy)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.seconds
        while process.poll() is None:
            if self.stop.wait(_POLL_S):
                raise NoVerdictError("the proof was interrupted")
            if time.monotonic() > deadline:
                raise NoVerdictError(f"the tests did not end within {self.seconds:g} s")

    def _suites(self, tests: Collection[str] | None) -> tuple[Suite, ...]:
        """The suites, or the files alone in which these tests lie: collecting all of them takes longer than a test."""
        if tests is None:
            return self.suites
        files = {root() / test.partition("::")[0] for test in tests}
        if not all(file.is_file() for file in files):
            return self.suites
        return tuple(replace(self.suites[0], name=file.parent.name, paths=(file,)) for file in sorted(files))
