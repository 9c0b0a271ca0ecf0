"""Runs of the suites, or of some of their tests, against a service behind our proxy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.config import policy_document, target_document
from harness.jobs.gate import closed_at_the_end
from harness.machine.bundle import root
from harness.machine.decoding import Reader
from harness.machine.redaction import Redactor
from harness.model import Policy
from harness.prove.patch.runner import AttemptError, read_ruled
from harness.prove.selection import Ruled
from harness.prove.wire.proxied_stack import Wired
from harness.proxy import Handler, pass_on
from harness.pytest_plugin.session import teach
from harness.pytest_plugin.timeline import Journal
from harness.run import create_run
from harness.runner.discovery import Suite
from harness.runner.pytest_process import Phase, SuiteOptions, running

_JOURNAL = Reader(Journal)
UNDISTURBED = "not rig and not breaks"
"""Tests that speak to the stack that we stand before: others have one of their own, or would break this one."""
_GOOD_ENDS = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRuns:
    """Makes one run after another; each has a folder below `folder`."""

    wired: Wired
    policy: Policy
    suites: tuple[Suite, ...]
    folder: Path
    scratch: Path
    active: bool
    seconds: float
    """Within which pytest must have ended."""

    def run(
        self,
        name: str,
        handler: Handler = pass_on,
        *,
        tests: Collection[str] | None = None,
        until: Sequence[str] = (),
        marks: str = UNDISTURBED,
        journal: Path | None = None,
    ) -> Ruled:
        """Run tests while the proxy does that; None for all of them. Raises AttemptError if pytest did not end well."""
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        words = [word for check in until for word in ("--until-fails", check)]
        if tests is not None:
            listed = self.scratch / "tests.txt"
            listed.write_text("".join(f"{test}\n" for test in sorted(tests)), encoding="utf-8")
            words += ["--tests-file", str(listed)]
        if journal is not None:
            words += ["--journal", str(journal)]
        phase = Phase("wire", self._suites(tests), marks, 0)
        redact = Redactor()
        teach(redact, self.wired.stack.info)
        run = create_run(
            out,
            kind="prove",
            target=self.wired.target,
            policy=self.policy.name,
            commit=None,
            documents={"profile": target_document(self.wired.target), "policy": policy_document(self.policy)},
            redact=redact,
        )
        options = SuiteOptions(workers=0, active=self.active, extra=tuple(words))
        with closed_at_the_end(run, redact):
            self.wired.proxy.handler = handler
            try:
                with running(run, phase, self.wired.stack, options) as process:
                    if process is None:
                        raise AttemptError("there is no suite to run")
                    process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                raise AttemptError(f"the tests did not end within {self.seconds:g} s") from None
            finally:
                self.wired.proxy.handler = pass_on
        if process.returncode not in _GOOD_ENDS:
            raise AttemptError(f"pytest ended with {process.returncode}; {run.path / 'logs'} says why")
        return read_ruled(run.path, self.policy)

    def _suites(self, tests: Collection[str] | None) -> tuple[Suite, ...]:
        """The suites, or the files alone in which these tests lie: collecting all of them takes longer than a test."""
        if tests is None:
            return self.suites
        files = {root() / test.partition("::")[0] for test in tests}
        if not all(file.is_file() for file in files):
            return self.suites
        return tuple(replace(self.suites[0], name=file.parent.name, paths=(file,)) for file in sorted(files))


def read_journal(path: Path) -> Journal:
    """What a run's session wrote of its tests."""
    return _JOURNAL.json(path.read_bytes())
