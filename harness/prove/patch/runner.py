"""Tries patched copies of the service, one gate each, as processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.judge import judge
from harness.model import Policy, Target
from harness.prove.patch.source_copy import Source, copy_source
from harness.prove.patch.worker import GateOrder, write_order
from harness.prove.selection import Ruled, Selection
from harness.run import load_record
from harness.runner.pytest_process import end_process

_MOST_OF_LOG = 1500
_POLL_S = 0.1


class AttemptError(HarnessError):
    """A gate ended without a verdict, or not in time: nothing is known of the defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every attempt has in common."""

    target: Target
    overrides: Mapping[str, str]
    source: Source
    policy: Policy
    suites: tuple[str, ...]
    """All suites that may run."""
    narrowed: str
    """The words that left others out."""
    workers: int
    """Test processes of a gate over all of them."""
    folder: Path
    """Where runs are kept."""
    scratch: Path
    """Where copies of the service are made; emptied as we go."""
    environment: Mapping[str, str]
    """What makes a process end with the proof, whatever happens to us."""
    seconds: float
    """Within which a gate must come to its verdict."""
    stop: threading.Event
    """Ends all attempts."""

    def attempt(self, name: str, patch: Path | None, selection: Selection | None) -> Ruled:
        """A gate over a copy with that patch; None for no patch, or for all suites.

        Raises ConfigError for a patch that does not apply, AttemptError if there is no verdict.
        """
        copy = self.scratch / name
        shutil.rmtree(copy, ignore_errors=True)
        try:
            folder = copy_source(self.source, copy, patch)
            service = replace(self.target.service, cwd=str(folder))
            return self._gate(name, copy, replace(self.target, service=service), selection)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _gate(self, name: str, copy: Path, target: Target, selection: Selection | None) -> Ruled:
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        tests = ""
        if selection is not None and selection.tests:
            tests = str(copy / "tests.txt")
            Path(tests).write_text("\n".join(selection.tests) + "\n", encoding="utf-8")
        order = GateOrder(
            target=target,
            overrides=self.overrides,
            policy=self.policy,
            out=str(out),
            suites=self.suites if selection is None else tuple(one for one in selection.suites if one in self.suites),
            tests=tests,
            until=() if selection is None else selection.until,
            narrowed=self.narrowed if selection is None else f"prove: {selection.criterion} {selection.check}".strip(),
            preflight=selection is None or selection.preflight,
            workers=self.workers if selection is None else 0,
        )
        write_order(order, copy / "order.json")
        self._run(copy / "order.json", out / "gate.log")
        return read_ruled(next((out / "runs").iterdir()), self.policy)

    def _run(self, order: Path, log: Path) -> None:
        begun = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness.prove.patch.worker", str(order)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | dict(self.environment) | {"NO_COLOR": "1"},
            )
            try:
                while process.poll() is None:
                    if self.stop.wait(_POLL_S):
                        raise AttemptError("the proof was interrupted")
                    if time.monotonic() - begun > self.seconds:
                        raise AttemptError(f"no verdict within {self.seconds:g} s")
            finally:
                end_process(process)
        if process.returncode != 0:
            raise _ended(process.returncode, log)


def _ended(status: int, log: Path) -> AttemptError:
    text = log.read_text(encoding="utf-8", errors="replace")[-_MOST_OF_LOG:]
    said = [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")]
    return AttemptError(f"no verdict: {said[0] if said else f'the gate ended with {status}'}", output=text)


def read_ruled(run: Path, policy: Policy) -> Ruled:
    """What the run at that place came to."""
    record = load_record(run)
    return Ruled(verdict=judge(policy, (), record), evidence=record.evidence)
