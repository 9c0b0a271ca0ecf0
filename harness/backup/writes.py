"""Rows written while a backup is taken, each acknowledged by the database: which of them does the backup have?

They lie in a schema of their own in the database that is backed up, which is removed afterwards. The recovery point
objective (RPO) of a backup is counted in them: those acknowledged before the backup's end that a restored server has
not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.backup.manifest import Backup, now
from harness.backup.source import Source
from harness.errors import StackError

if TYPE_CHECKING:
    import psycopg

SCHEMA = "harness_backup"
_TABLE = f"{SCHEMA}.acknowledged"
_INSERT = f"INSERT INTO {_TABLE} VALUES (%s)"  # noqa: S608 - a word of ours
_NUMBERS = f"SELECT number FROM {_TABLE}"  # noqa: S608
_LOCK = 0x6861726E
"""Of Postgres's advisory locks: one writer at a time in a database."""
_PAUSE_S = 0.002
_JOIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What became of the rows."""

    before_end: int
    """Acknowledged before the backup's end."""
    lost: int
    """Of those, how many a restored server has not: the backup's RPO in rows."""
    after_end: int
    """Acknowledged while the backup was still being written down, after its end: in no backup."""
    longest_wait_ms: float
    """Of one row, from its sending to its acknowledgement: how long the backup made a writer wait at most."""


@dataclass
class Writes:
    """The rows so far."""

    acknowledged: dict[int, datetime] = field(default_factory=dict)
    longest_wait_ms: float = 0.0
    failed: str = ""

    def count(self, backup: Backup, restored: psycopg.Connection[Any]) -> Acknowledged:
        """Look for them in a restored server. Raises StackError where there are none to look for."""
        if self.failed:
            raise StackError(f"the writer beside the backup failed: {self.failed}")
        end = datetime.fromisoformat(backup.manifest.point.at)
        before = {number for number, at in self.acknowledged.items() if at < end}
        if not before:
            raise StackError("no row was acknowledged before the backup's end: nothing is known of what it loses")
        found = {number for (number,) in restored.execute(_NUMBERS).fetchall()}
        return Acknowledged(
            before_end=len(before),
            lost=len(before - found),
            after_end=len(self.acknowledged) - len(before),
            longest_wait_ms=round(self.longest_wait_ms, 3),
        )


@contextmanager
def writing(source: Source) -> Iterator[Writes]:
    """Write rows, one after the other, until the end of the block. Raises StackError where somebody does so already."""
    writes, over = Writes(), threading.Event()
    with source.connect() as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        if row is None or not row[0]:
            raise StackError("somebody else writes rows beside a backup of this database; wait for it")
        # one that was killed may have left it
        remove_rows(connection)
        connection.execute(f"CREATE SCHEMA {SCHEMA} CREATE TABLE acknowledged (number bigint PRIMARY KEY)")
        writer = threading.Thread(target=_write, args=(source, writes, over), daemon=True)
        writer.start()
        try:
            yield writes
        finally:
            over.set()
            writer.join(_JOIN_S)
            remove_rows(connection)


def remove_rows(connection: psycopg.Connection[Any]) -> None:
    """Remove them from a database that has them, as a restored one may."""
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def _write(source: Source, writes: Writes, over: threading.Event) -> None:
    import psycopg

    try:
        with source.connect() as connection:
            number = 0
            while not over.wait(_PAUSE_S):
                begun = time.monotonic()
                connection.execute(_INSERT, (number,))
                writes.acknowledged[number] = now()
                writes.longest_wait_ms = max(writes.longest_wait_ms, (time.monotonic() - begun) * 1000)
                number += 1
    except (psycopg.Error, StackError) as error:
        writes.failed = str(error)
