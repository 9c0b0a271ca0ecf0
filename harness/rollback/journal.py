"""What a rollback has done, a line an event, on the disk before the next thing is done."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import StackError, UsageError
from harness.machine.decoding import Reader
from harness.model import Instance, StackInfo, Worker
from harness.rollback.plan import RollbackPlan, StepName
from harness.rollback.tables import TableState
from harness.run import utc_now

Outcome = Literal["done", "back", "unverified"]
"""The other release runs, and is verified; all is as it was; it runs, and something is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a step made."""

    instances: tuple[Instance, ...] = ()
    workers: tuple[Worker, ...] = ()
    tables: dict[str, TableState] | None = None
    """What the restored database holds."""
    server: tuple[int, str] | None = None
    """Pid and log of the restored database's server."""

    @property
    def processes(self) -> tuple[Instance | Worker, ...]:
        """All copies and workers."""
        return (*self.instances, *self.workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. Which members are set goes by `kind`."""

    kind: Literal["planned", "begun", "done", "ended"]
    at: str = ""
    step: StepName | None = None
    seconds: float = 0.0
    plan: RollbackPlan | None = None
    tables: dict[str, TableState] | None = None
    """As they were before."""
    started: Started | None = None
    outcome: Outcome | None = None


_ENTRY = Reader(Entry)


class Journal:
    """The journal of one rollback. Its folder is private: settings stand in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = _read(path)

    @property
    def plan(self) -> RollbackPlan | None:
        """What it is about; None where it was broken off before that was written."""
        return next((entry.plan for entry in self.entries if entry.plan is not None), None)

    @property
    def tables(self) -> dict[str, TableState]:
        """The tables as they were before; where a database was restored, as they are in there."""
        planned = [entry.tables for entry in self.entries if entry.tables is not None]
        restored = [
            entry.started.tables for entry in self.entries if entry.started and entry.started.tables is not None
        ]
        return [{}, *planned, *restored][-1]

    @property
    def ended(self) -> bool:
        """Whether it came to an end."""
        return any(entry.kind == "ended" for entry in self.entries)

    @property
    def started(self) -> Started:
        """What the steps made that were done."""
        made = [entry.started for entry in self.entries if entry.kind == "done" and entry.started is not None]
        return Started(
            instances=tuple(one for each in made for one in each.instances),
            workers=tuple(one for each in made for one in each.workers),
            server=next((each.server for each in made if each.server is not None), None),
        )

    @property
    def begun(self) -> int:
        """How many steps were begun, repeated ones each time."""
        return sum(entry.kind == "begun" for entry in self.entries)

    def has_begun(self, step: StepName) -> bool:
        """Whether that step was begun."""
        return any(entry.kind == "begun" and entry.step == step for entry in self.entries)

    def is_done(self, step: StepName) -> bool:
        """Whether that step was done."""
        return any(entry.kind == "done" and entry.step == step for entry in self.entries)

    def times(self) -> dict[str, float]:
        """Seconds of each step that was done."""
        return {entry.step: entry.seconds for entry in self.entries if entry.kind == "done" and entry.step}

    def append(self, entry: Entry) -> None:
        """Write a line; returns when it is on the disk."""
        noted = replace(entry, at=utc_now())
        line = msgspec.json.encode(noted) + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            is_whole = os.write(descriptor, line) == len(line)
            os.fsync(descriptor)
        except OSError:
            is_whole = False
        finally:
            os.close(descriptor)
        if not is_whole:
            raise StackError(f"{self.path}: the journal cannot be written; free some space, then use --resume")
        self.entries.append(noted)


def _read(path: Path) -> list[Entry]:
    """All whole lines. The last one may be torn, where its writer was killed: it is cut off, and was not said."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        os.truncate(path, len(content) - len(torn))
    try:
        return [_ENTRY.json(line) for line in whole.splitlines() if line]
    except msgspec.MsgspecError as error:
        raise StackError(f"{path}: is no journal of a rollback ({error}); look at the stack, then remove it") from error


def journal_folder(info: StackInfo) -> Path:
    """Where the journals of a stack's rollbacks lie."""
    folder = Path(info.state_dir) / "rollback"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def claimed_stack(info: StackInfo) -> Iterator[None]:
    """Have the stack's rollbacks to oneself. Raises UsageError while another one runs."""
    with (journal_folder(info) / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"stack {info.name} is being rolled back by another process; wait for it") from None
        yield


def last_journal(info: StackInfo) -> Journal | None:
    """The journal of the newest rollback; None where there was none."""
    found = sorted(journal_folder(info).glob("*.jsonl"))
    return Journal(found[-1]) if found else None


def new_journal(info: StackInfo) -> tuple[int, Path]:
    """Number and file of a rollback that is to begin."""
    found = sorted(journal_folder(info).glob("*.jsonl"))
    number = int(found[-1].stem) + 1 if found else 1
    return number, journal_folder(info) / f"{number:04}.jsonl"
