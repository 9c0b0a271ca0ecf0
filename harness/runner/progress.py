"""How far suites have come, read from the files of their run while pytest writes them."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.machine.decoding import Reader
from harness.machine.lock import DEFAULT_FOLDER, LOCK_FILES, MachineLock
from harness.model import Evidence, Listener, MachineAwaited, Outcome
from harness.run import Run, read_run_record
from harness.runner.checks import BROKEN_OFF

_EVIDENCE = Reader(Evidence)
_WORTH_SAYING_S = 1.0
"""Seconds of waiting for the machine from which on it is shown."""


@contextmanager
def machine_shared(phase: str, listen: Listener, waited: Callable[[float], None] = lambda _: None) -> Iterator[None]:
    """Hold the machine together with others; a wait that is worth it is shown, and every wait is told to `waited`."""
    notice = threading.Timer(_WORTH_SAYING_S, listen, [MachineAwaited(phase)])
    notice.daemon = True
    notice.start()
    try:
        with MachineLock().shared() as seconds:
            notice.cancel()
            waited(seconds)
            yield
    finally:
        notice.cancel()


@dataclass
class SuiteProgress:
    """What the evidence says while it is written, each line looked at once; of tests, those that ended since then."""

    run: Run
    waited_s: float = 0.0
    """Seconds that tests waited for the machine, one process after another."""
    total: int = 0
    """Tests collected so far; a later phase adds its own."""
    checks: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Every check that left a line, by its suite."""
    broken_off: bool = False
    """Does a line say why tests are missing?"""
    failed: bool = False
    """Did a test fail, or not work?"""
    _offset: int = 0
    _done: set[str] = field(default_factory=set)
    _known: int = 0

    def __post_init__(self) -> None:
        self.look()
        self._done.clear()
        self.waited_s = 0.0

    @property
    def done(self) -> int:
        """Tests that have ended."""
        return len(self._done)

    def unended(self) -> tuple[str, ...]:
        """Tests of the run that were collected and have no outcome."""
        return tuple(test for test in read_run_record(self.run.path).collected if test not in self._done)

    def look(self) -> None:
        """Read what is new. Half a line is left for the next look; what is no evidence is the judge's business."""
        with (self.run.path / "evidence.jsonl").open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            with suppress(msgspec.DecodeError):
                self._take(_EVIDENCE.json(line))
        self._count_collected()

    def _take(self, line: Evidence) -> None:
        self.checks[line.suite].add(line.check)
        self.failed |= line.test is not None and line.outcome in (Outcome.FAIL, Outcome.ERROR)
        self.broken_off |= line.check in BROKEN_OFF and line.outcome in (Outcome.FAIL, Outcome.ERROR)
        self.waited_s += line.waited_s
        # a measured line comes before its test's outcome, a superseded one before another attempt
        if line.test and line.outcome != Outcome.MEASURED and not line.superseded:
            self._done.add(line.test)

    def _count_collected(self) -> None:
        changed = (self.run.path / "run.json").stat().st_mtime_ns
        if changed != self._known:
            self.total = len(read_run_record(self.run.path).collected)
            self._known = changed


def waits_for_machine(group: int, folder: Path = DEFAULT_FOLDER) -> bool:
    """Whether a process of that process group waits for the machine; False where the kernel does not say.

    `/proc/locks` marks a process that waits with `->`, after the lock that it waits for (proc_locks(5)).
    """
    try:
        locks = {(folder / name).stat().st_ino for name in LOCK_FILES}
        text = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    for line in text.splitlines():
        fields = line.split()
        if fields[1] == "->" and int(fields[6].rpartition(":")[2]) in locks and _in_group(int(fields[5]), group):
            return True
    return False


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False
