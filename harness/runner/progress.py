"""How far suites have come, read from the files of their run while pytest writes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.machine.decoding import Reader
from harness.machine.lock import DEFAULT_FOLDER, MachineLock
from harness.model import Evidence, Listener, Outcome, Progress
from harness.run import Run, read_document

WAITING = "waiting for the machine: another run measures time, or is about to"
_EVIDENCE = Reader(Evidence)
_WORTH_SAYING_S = 1.0
"""Seconds of waiting for a turn from which on it is shown."""


@contextmanager
def shared_turn(phase: str, listen: Listener, waited: Callable[[float], None] = lambda _: None) -> Iterator[None]:
    """Hold the machine together with others; a wait that is worth it is shown, and every wait is told to `waited`."""
    notice = threading.Timer(_WORTH_SAYING_S, listen, [Progress(phase=phase, text=WAITING)])
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
class Heard:
    """What tests have said since this object was made, each looked at once."""

    run: Run
    waited_s: float = 0.0
    """Seconds that tests waited for their turns, one process after another."""
    total: int = 0
    """Tests collected so far; a later phase adds its own."""
    _offset: int = 0
    _done: set[str] = field(default_factory=set)
    _known: int = 0

    def __post_init__(self) -> None:
        self._offset = (self.run.path / "evidence.jsonl").stat().st_size

    @property
    def done(self) -> int:
        """Tests that have ended."""
        return len(self._done)

    def look(self) -> None:
        """Read what is new. Half a line is left for the next look; what is no evidence is the judge's business."""
        with (self.run.path / "evidence.jsonl").open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            with suppress(msgspec.DecodeError):
                self._hear(_EVIDENCE.json(line))
        self._count_collected()

    def _hear(self, line: Evidence) -> None:
        self.waited_s += line.detail.get("waited_s", 0.0)
        # a measured line comes before its test's outcome, a superseded one before another attempt
        if line.test and line.outcome != Outcome.MEASURED and not line.detail.get("superseded"):
            self._done.add(line.test)

    def _count_collected(self) -> None:
        changed = (self.run.path / "run.json").stat().st_mtime_ns
        if changed != self._known:
            self.total = len(read_document(self.run.path / "run.json")["collected"])
            self._known = changed


def waits_for_turn(group: int, folder: Path = DEFAULT_FOLDER) -> bool:
    """Whether a process of that process group waits for a turn on the machine; False where the kernel does not say.

    `/proc/locks` marks a process that waits with `->`, after the lock that it waits for (proc_locks(5)).
    """
    try:
        turns = {(folder / name).stat().st_ino for name in ("turn", "gate")}
        text = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    for line in text.splitlines():
        fields = line.split()
        if fields[1] == "->" and int(fields[6].rpartition(":")[2]) in turns and _in_group(int(fields[5]), group):
            return True
    return False


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False
