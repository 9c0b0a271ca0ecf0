"""A lock on the machine: what measures time holds it alone, all else shares it.

Two files are locked: `turn`, held shared or exclusively, and `gate` in front of it, held only while the other is asked
for, so that a stream of short shared holds cannot starve one that wants the machine alone.
The files' path does not depend on HOME or on the checkout: all runs of all users of a machine take part.
The kernel lets go of a lock when its holder dies, however it dies.

Within one thread holds nest: who holds it may ask to share it and gets it at once (asking in earnest would wait for
whoever waits for us). Who shares it may not ask for it alone.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

DEFAULT_FOLDER = Path("/tmp/harness-turns")  # noqa: S108 - one path for all users of the machine, on purpose
LOCK_FILES = ("turn", "gate")
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_FOLLOWED = 100
"""How often a lock file may be replaced under our hands before we give up."""


class _Held(threading.local):
    """Folders whose lock this thread holds, with how it holds them."""

    def __init__(self) -> None:
        self.how: dict[Path, int] = {}


_HELD = _Held()


@dataclass(frozen=True, slots=True)
class MachineLock:
    """A lock that every process of the machine takes part in, kept in `folder`."""

    folder: Path = DEFAULT_FOLDER

    @contextmanager
    def shared(self) -> Iterator[float]:
        """Hold the machine together with others; yields the seconds spent waiting."""
        if self.folder in _HELD.how:
            yield 0.0
            return
        with self._taken(fcntl.LOCK_SH) as waited:
            yield waited

    @contextmanager
    def exclusive(self) -> Iterator[float]:
        """Hold the machine alone; yields the seconds spent waiting.

        Raises `HarnessError` in a thread that shares it: it would wait for itself.
        """
        held = _HELD.how.get(self.folder)
        if held == fcntl.LOCK_SH:
            raise HarnessError("the machine was asked for alone by who shares it; let go of it first")
        if held == fcntl.LOCK_EX:
            yield 0.0
            return
        with self._taken(fcntl.LOCK_EX) as waited:
            yield waited

    @contextmanager
    def _taken(self, how: int) -> Iterator[float]:
        begun = time.monotonic()
        turn_file, gate_file = LOCK_FILES
        gate = self._locked(gate_file, fcntl.LOCK_EX)
        try:
            turn = self._locked(turn_file, how)
        finally:
            os.close(gate)
        _HELD.how[self.folder] = how
        try:
            yield time.monotonic() - begun
        finally:
            del _HELD.how[self.folder]
            os.close(turn)

    def _locked(self, name: str, how: int) -> int:
        """The locked file, as the path names it now: a cleaner of /tmp may have removed the one we waited for."""
        path = self.folder / name
        for _ in range(_FOLLOWED):
            descriptor = self._open(path)
            try:
                fcntl.flock(descriptor, how)
                if _is_named(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        raise HarnessError(f"{path}: is removed again and again; find out by whom")

    def _open(self, path: Path) -> int:
        """Open a lock file that every user of the machine may lock (reading is enough for flock)."""
        try:
            try:
                return os.open(path, _FLAGS)
            except FileNotFoundError:
                self._make_folder()
                return _create(path)
        except OSError as error:
            raise HarnessError(
                f"{path}: cannot be opened ({error.strerror}); remove {self.folder} and retry"
            ) from error

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o1777)


def _create(path: Path) -> int:
    """With O_EXCL: protected_regular keeps even root from opening with O_CREAT what another user made in /tmp."""
    try:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, _FLAGS)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
