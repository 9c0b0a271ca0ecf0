"""Turns on one machine: what measures time runs alone, everything else shares the machine in short turns (DESIGN 5).

Two files are locked: the turn itself, held shared or exclusively, and a gate in front of it, held only while a turn is
asked for, so that a stream of short shared turns cannot starve one that wants the machine alone.
The files' path does not depend on HOME or on the checkout: all runs of all users of a machine take part.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

DEFAULT_FOLDER = Path("/tmp/harness-turns")  # noqa: S108 - one path for all users of the machine, on purpose


@dataclass(frozen=True, slots=True)
class Turns:
    """The machine's turns, kept in `folder`."""

    folder: Path = DEFAULT_FOLDER

    @contextmanager
    def shared(self) -> Iterator[float]:
        """Hold the machine together with others; yields the seconds spent waiting."""
        with self._held(fcntl.LOCK_SH) as waited:
            yield waited

    @contextmanager
    def alone(self) -> Iterator[float]:
        """Hold the machine alone; yields the seconds spent waiting. Never ask for it while holding a shared turn."""
        with self._held(fcntl.LOCK_EX) as waited:
            yield waited

    @contextmanager
    def _held(self, how: int) -> Iterator[float]:
        begun = time.monotonic()
        turn = self._open("turn")
        try:
            gate = self._open("gate")
            try:
                fcntl.flock(gate, fcntl.LOCK_EX)
                fcntl.flock(turn, how)
            finally:
                os.close(gate)
            yield time.monotonic() - begun
        finally:
            os.close(turn)

    def _open(self, name: str) -> int:
        """Open a lock file that every user of the machine may lock (reading is enough for flock)."""
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o1777)
            try:
                return os.open(self.folder / name, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                # protected_regular: root may not open with O_CREAT what another user made in a sticky folder
                if error.errno != errno.EACCES:
                    raise
                return os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise HarnessError(
                f"{self.folder / name}: cannot be opened ({error.strerror}); remove it and retry"
            ) from error
