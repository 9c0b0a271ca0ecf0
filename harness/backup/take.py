"""Taking a backup: the server's files with the write-ahead log up to a point, or a dump.

A base backup goes on until a named point after the copy of the files; what the database holds there is read in the
same moment, while nobody writes (PostgreSQL 18, 25.3.3 and 9.28.3). So it can be compared exactly, whatever is written
meanwhile, and all that was acknowledged before the point is in it. A dump shows the moment at which it begins.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import harness
from harness.backup.facts import DatabaseFacts, logged_tables, read_facts, read_sequences
from harness.backup.manifest import (
    DATA,
    SCHEMA,
    Backup,
    Manifest,
    Method,
    Point,
    open_backup,
    stored_files,
    write_manifest,
)
from harness.backup.source import DUMP, Programs, Source, find_programs, read_server, why_no_base
from harness.backup.workspace import Workspace, workspace
from harness.errors import StackError, UsageError
from harness.machine.decoding import Reader
from harness.run import utc_now

if TYPE_CHECKING:
    import psycopg

DUMP_FILE = "database.dump"
_SEGMENT = re.compile(r"[0-9A-F]{24}")
"""Of the log, by the name of its file."""
_LOCK_MS = 100
"""Shorter than `deadlock_timeout` (1 s): where we and a writer wait for each other, we give up, and it goes on."""
_LOCK_TRIES_S = 20.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class _Ending:
    """The end of a backup, the facts there, and for how long nobody could write."""

    point: Point
    facts: DatabaseFacts
    locked_ms: float


class _Span(msgspec.Struct, rename={"end": "End-LSN"}):
    """A part of the log, as `pg_basebackup` names it."""

    end: str


class _Copied(msgspec.Struct, rename={"spans": "WAL-Ranges"}):
    """Of `backup_manifest` what is needed (PostgreSQL 18, 69.1)."""

    spans: list[_Span]


_COPIED = Reader(_Copied)


def take_backup(source: Source, folder: Path, method: Method | None = None) -> Backup:
    """Take a backup into `folder`, which must not be there; a base backup where it is possible, unless told otherwise.

    Raises UsageError where the folder is there or the method is impossible, StackError where it fails; then nothing is
    left.
    """
    begun, programs = time.monotonic(), find_programs()
    with _made_aside(folder) as (place, aside), source.connect() as connection:
        chosen, why = _choose(source, connection, programs, method)
        data, server = aside / DATA, read_server(source, connection)
        data.mkdir(mode=0o700)
        if chosen == "base":
            ending = _copy_files(place, source, connection, programs, data)
        else:
            ending = _dump(place, source, programs, data)
        files, folders = stored_files(data)
        manifest = Manifest(
            schema=SCHEMA,
            harness=harness.__version__,
            method=chosen,
            why=why,
            server=server,
            database=source.database,
            point=ending.point,
            facts=ending.facts,
            files=files,
            folders=folders,
            seconds=round(time.monotonic() - begun, 3),
            locked_ms=ending.locked_ms,
        )
        write_manifest(aside, manifest)
    return open_backup(folder)


def advance_backup(source: Source, backup: Backup, folder: Path) -> Backup:
    """A backup into `folder` that ends now, made of a base backup and the log since its end; that one stays as it is.

    Their common files are one on the disk, where both lie on one. Raises UsageError where the backup is no base backup
    of that server, StackError where the server has no longer all of the log since.
    """
    begun, programs, old = time.monotonic(), find_programs(), backup.manifest
    with _made_aside(folder) as (place, aside), source.connect() as connection:
        server = read_server(source, connection)
        if old.method != "base" or (old.server.system, old.server.stack) != (server.system, server.stack):
            raise UsageError(f"{backup.folder}: is no base backup of this server; take one")
        data = aside / DATA
        shutil.copytree(backup.data, data, copy_function=_link)
        log = data / "pg_wal"
        # cut at the point: it is had anew, whole
        last = max(path for path in log.iterdir() if _SEGMENT.fullmatch(path.name))
        last.unlink()
        ending = _receive_log(place, source, connection, programs, log)
        files, folders = stored_files(data, [file for file in old.files if file.path != f"pg_wal/{last.name}"])
        manifest = replace(
            old,
            server=server,
            point=ending.point,
            facts=ending.facts,
            files=files,
            folders=folders,
            seconds=round(time.monotonic() - begun, 3),
            locked_ms=ending.locked_ms,
        )
        write_manifest(aside, manifest)
    return open_backup(folder)


@contextlib.contextmanager
def _made_aside(folder: Path) -> Iterator[tuple[Workspace, Path]]:
    """A workspace, and a folder beside `folder` that takes its name at the end, unless something was raised."""
    folder = folder.absolute()
    if folder.exists():
        raise UsageError(f"{folder}: is there already; give the name of a new folder")
    with workspace() as place:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = place.own(folder.parent / f".{folder.name}.{place.mark}")
        aside.mkdir(mode=0o700)
        yield place, aside
        aside.rename(folder)


def _link(old: str, new: str) -> None:
    """One file under both names; a copy where there cannot be one."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def _choose(
    source: Source, connection: psycopg.Connection[Any], programs: Programs, method: Method | None
) -> tuple[Method, str]:
    """How it is taken, and why not by a base backup."""
    why = why_no_base(source, connection, programs) if method != "dump" else "a dump was asked for"
    if not why:
        return "base", ""
    if method == "base":
        raise UsageError(f"no base backup: {why}; leave --method out for a dump")
    missing, major = programs.missing(DUMP), connection.info.server_version // 10000
    if missing:
        raise UsageError(f"no backup: {why}, and for a dump it has no {', '.join(missing)}")
    if major > programs.major:
        raise UsageError(f"no backup: the server is Postgres {major}, and the programs here are {programs.major}")
    return "dump", why


def _copy_files(
    place: Workspace, source: Source, connection: psycopg.Connection[Any], programs: Programs, data: Path
) -> _Ending:
    words = ("--pgdata", str(data), "--wal-method=stream", "--checkpoint=fast", "--no-sync")
    place.run((programs.path("pg_basebackup"), *words), source.environment)
    log = data / "pg_wal"
    _drop_torn(log, _last_segment(connection, data))
    return _receive_log(place, source, connection, programs, log)


def _receive_log(
    place: Workspace, source: Source, connection: psycopg.Connection[Any], programs: Programs, log: Path
) -> _Ending:
    """The log from the last segment that is there, up to a point that is made now."""
    ending = _mark_point(source, f"harness-{secrets.token_hex(6)}")
    # what follows the point is of no interest, but its segment is only whole with it
    connection.execute("SELECT pg_switch_wal()")
    words = ("--directory", str(log), f"--endpos={ending.point.lsn}", "--no-loop", "--no-sync")
    place.run((programs.path("pg_receivewal"), *words), source.environment)
    for unfinished in log.glob("*.partial"):
        unfinished.rename(unfinished.with_suffix(""))
    return ending


def _last_segment(connection: psycopg.Connection[Any], data: Path) -> str:
    """Name of the segment in which the copy of the files ended; the server begins another one then."""
    (span,) = _COPIED.json((data / "backup_manifest").read_bytes()).spans
    row = connection.execute("SELECT pg_walfile_name(%s)", (span.end,)).fetchone()
    return row[0] if row else ""


def _drop_torn(log: Path, last: str) -> None:
    """Remove what was streamed beyond that segment: it is cut, filled up with zeros, and looks whole."""
    for segment in log.iterdir():
        if _SEGMENT.fullmatch(segment.name) and segment.name > last:
            segment.unlink()


def _mark_point(source: Source, name: str) -> _Ending:
    """Name a point of the log in a moment in which nobody writes, and read what the database holds in that moment."""
    with source.connect() as holder, source.connect() as reader:
        with _nobody_writes(holder):
            begun = time.monotonic()
            sequences = read_sequences(holder)
            row = holder.execute("SELECT pg_create_restore_point(%s)::text, pg_export_snapshot()", (name,)).fetchone()
            lsn, snapshot = row or ("", "")
            point = Point(name=name, lsn=lsn, at=utc_now())
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            reader.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        locked_ms = round((time.monotonic() - begun) * 1000, 3)
        return _Ending(point, read_facts(reader, sequences), locked_ms)


@contextlib.contextmanager
def _nobody_writes(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction in which no table with rows of the service is written. Raises StackError if there is no moment."""
    from psycopg import errors

    deadline = time.monotonic() + _LOCK_TRIES_S
    first: list[tuple[str, str]] = []
    while True:
        tables = logged_tables(connection)
        # who writes several takes them in an order of his own: what we had to wait for is had before the others
        first = [table for table in first if table in tables]
        busy = _lock(connection, [*first, *(table for table in tables if table not in first)])
        if busy is None:
            break
        connection.execute("ROLLBACK")
        first = [busy, *(table for table in first if table != busy)]
        if time.monotonic() > deadline:
            name = ".".join(busy)
            raise StackError(
                f"for {_LOCK_TRIES_S:g} s there was no moment in which nobody wrote: a transaction that does not end "
                f"has {name}; end it (pg_stat_activity shows it), or take a dump (--method dump)"
            )
        time.sleep(_PAUSE_S)
    try:
        yield
    except errors.Error:
        connection.execute("ROLLBACK")
        raise
    else:
        connection.execute("COMMIT")


def _lock(connection: psycopg.Connection[Any], tables: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Begin a transaction, and lock those tables in that order; the one that could not be had, None if all were."""
    from psycopg import errors, sql

    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    connection.execute(f"SET LOCAL lock_timeout = {_LOCK_MS}")
    for table in tables:
        try:
            connection.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE MODE").format(sql.Identifier(*table)))
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.UndefinedTable):
            return table
    return None


def _dump(place: Workspace, source: Source, programs: Programs, data: Path) -> _Ending:
    """Of the snapshot that the facts are read of too: writers go on, and are not in it."""
    with source.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # before the snapshot is made, which the first statement does: what is acknowledged later need not be in it
        point = Point(name="", lsn="", at=utc_now())
        sequences = read_sequences(reader)
        row = reader.execute("SELECT pg_export_snapshot()").fetchone()
        words = ("--format=custom", "--file", str(data / DUMP_FILE), "--snapshot", row[0] if row else "")
        place.run((programs.path("pg_dump"), *words, "--dbname", source.database), source.environment)
        return _Ending(point, read_facts(reader, sequences), 0.0)
