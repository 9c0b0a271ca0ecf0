"""A backup restored into a fresh server, looked through there, and ended.

The server has a folder of its own and listens at a socket inside its data alone, which nobody but its user can reach.
A base backup is replayed up to its point and no further (PostgreSQL 18, 25.3.5). Whatever happens, what was there
before stays as it was: a folder to keep takes its name only when all of it was compared.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backup.facts import DatabaseFacts, Difference, compare, read_facts
from harness.backup.manifest import Backup, Restoration, write_restoration
from harness.backup.source import DUMP, Programs, find_programs
from harness.backup.take import DUMP_FILE
from harness.backup.workspace import Workspace, telling_line, workspace
from harness.errors import StackError, UsageError
from harness.run import utc_now
from harness.stack.readiness import tail, wait_until
from harness.stack.servers.binaries import Account, servers_account, start_program
from harness.stack.servers.data_cache import clone_folder
from harness.stack.servers.postgres import MAINTENANCE, OPTIONS, fresh_data, server_order
from harness.stack.supervisor.registry import data_folder

if TYPE_CHECKING:
    import psycopg

_SERVER = "restored"
_REPLAY_S = 3600.0
"""A server that replays for longer is not waited for; one that ends is known at once."""
_LONGEST_SOCKET = 90
"""Of the folder's path; a socket's own is 107 bytes at most, its file's name among them."""
_IN_MEMORY = 512 * 2**20
"""Larger backups are restored on the disk."""
_FULL_BYTES = 2**20
"""With less a server does not go on: it writes its log in segments of that size at least."""
_PID_FILE_STATUS = 7
"""The line of `postmaster.pid` that says how far it is (`pidfile.h` of PostgreSQL)."""
_ROOM = 1.2
"""How many times its bytes a backup needs: the server writes while it replays."""


class UnrestorableError(StackError):
    """A backup that no server can be made of, though its files are what was taken and there was room for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredServer:
    """A server that holds what a backup has, alone."""

    data: Path
    socket: Path
    port: int
    user: str
    database: str
    seconds: float = 0.0
    """From the first byte copied until it answered."""

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A connection in autocommit, as its superuser."""
        import psycopg

        words: dict[str, Any] = {"host": str(self.socket), "port": self.port, "user": self.user}
        return psycopg.connect(**words, dbname=database or self.database, autocommit=True, connect_timeout=5)

    def facts(self) -> DatabaseFacts:
        """What it holds."""
        with self.connect() as connection, connection.transaction():
            return read_facts(connection)


@contextmanager
def restored(backup: Backup) -> Iterator[RestoredServer]:
    """A fresh server with the backup in it; ended, and gone, afterwards.

    A backup is taken as it is: `find_flaws` has found none. Raises StackError where it cannot be restored.
    """
    with workspace() as place:
        yield _bring_up(place, backup)


def restore(backup: Backup, into: Path | None = None, leave_out: tuple[str, ...] = ()) -> Restoration:
    """Restore it, compare it with what it was taken of, and note beside it that this was done.

    `into` keeps the data for a server to be started on: a folder that must not be there, and is there afterwards only
    if nothing differs. Tables of `leave_out` may have lost their rows. Raises StackError where it cannot be restored.
    """
    into = into.absolute() if into is not None else None
    if into is not None and into.exists():
        raise UsageError(f"{into}: is there already; give the name of a new folder")
    with workspace() as place:
        if into is not None:
            into.parent.mkdir(parents=True, exist_ok=True)
            _check_room(into.parent, backup)
        server = _bring_up(place, backup)
        restoration = check_restored(backup, server, leave_out)
        if into is not None and not restoration.differences:
            _keep(place, server, into)
    write_restoration(backup, restoration)
    return restoration


def check_restored(backup: Backup, server: RestoredServer, leave_out: tuple[str, ...] = ()) -> Restoration:
    """What a restored server has not as the backup's manifest says."""
    found = server.facts()
    return Restoration(
        at=utc_now(),
        manifest=backup.digest,
        seconds=round(server.seconds, 3),
        rows=found.rows,
        differences=find_differences(backup, found, leave_out),
    )


def find_differences(backup: Backup, found: DatabaseFacts, leave_out: tuple[str, ...] = ()) -> tuple[Difference, ...]:
    """What a database has not as it was at the backup's end."""
    return compare(backup.manifest.facts, found, exact=backup.manifest.method == "base", leave_out=leave_out)


def _bring_up(place: Workspace, backup: Backup) -> RestoredServer:
    programs, account = find_programs(), servers_account()
    data, begun = _folder_for(place, backup), time.monotonic()
    start = _start_base if backup.manifest.method == "base" else _start_dump
    return replace(start(place, programs, account, backup, data), seconds=time.monotonic() - begun)


def _folder_for(place: Workspace, backup: Backup) -> Path:
    """Where the data will lie, which its server's user can reach; it goes with the workspace."""
    memory = data_folder(place.mark) if backup.manifest.bytes * _ROOM < _IN_MEMORY else None
    folder = memory or place.home / "restored"
    _check_room(folder.parent, backup)
    place.own(folder).mkdir(mode=0o711)
    folder.chmod(0o711)
    return folder / "data"


def _check_room(folder: Path, backup: Backup) -> None:
    """Raises StackError where a disk has no room for the backup's data."""
    needed, free = int(backup.manifest.bytes * _ROOM), shutil.disk_usage(folder).free
    if free < needed:
        raise StackError(
            f"{folder}: {needed / 2**20:.0f} MiB are needed to restore the backup, {free / 2**20:.0f} are free; "
            "free some, or restore elsewhere (TMPDIR, --into)"
        )


def _keep(place: Workspace, server: RestoredServer, into: Path) -> None:
    """End the server, and give its data the name that it is to be kept by, once all of it is there."""
    # little is left to be written, so that the server ends in time
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    place.supervision.stop(_SERVER)
    aside = place.own(into.with_name(f".{into.name}.{place.mark}"))
    clone_folder(server.data, aside)
    aside.rename(into)


def _start_base(
    place: Workspace, programs: Programs, account: Account | None, backup: Backup, data: Path
) -> RestoredServer:
    clone_folder(backup.data, data)
    for folder in backup.manifest.folders:
        (data / folder).mkdir(parents=True, exist_ok=True)
    (data / "recovery.signal").touch()
    point = {
        # all of the log is in the backup already
        "restore_command": "false",
        "recovery_target_name": backup.manifest.point.name,
        "recovery_target_action": "promote",
        "hot_standby": "off",
    }
    return _start(place, programs, account, backup, data, point)


def _start_dump(
    place: Workspace, programs: Programs, account: Account | None, backup: Backup, data: Path
) -> RestoredServer:
    from psycopg import sql

    missing = programs.missing(DUMP)
    if missing:
        raise StackError(f"no restoring of a dump: this machine has no {', '.join(missing)}")
    fresh_data(programs.postgres, data, account, place.supervision)
    server = _start(place, programs, account, backup, data, {})
    database = sql.Identifier(server.database)
    with server.connect(MAINTENANCE) as connection:
        there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in backup.manifest.server.roles:
            if role not in there:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(database))
    words = ("--exit-on-error", "--dbname", server.database, str(backup.data / DUMP_FILE))
    login = {"PGHOST": str(server.socket), "PGPORT": str(server.port), "PGUSER": server.user}
    try:
        place.run((programs.path("pg_restore"), *words), login)
    except StackError as error:
        raise _failure(error.what, error.output, data) from error
    return server


def _failure(what: str, output: str, data: Path) -> StackError:
    """The backup's own fault, unless the disk is full."""
    if shutil.disk_usage(data.parent).free < _FULL_BYTES:
        return StackError(f"{data.parent}: no space is left to restore the backup ({what})", output=output)
    return UnrestorableError(f"the backup cannot be restored: {what}", output=output)


def _start(
    place: Workspace,
    programs: Programs,
    account: Account | None,
    backup: Backup,
    data: Path,
    more: dict[str, str],
) -> RestoredServer:
    """Start a server on the data, reached by nobody else, and wait until it takes writes."""
    data.chmod(0o700)
    if account is not None:
        _give(data, account)
    doors, log = place.home / "pg_hba.conf", place.home / "restored.log"
    doors.write_text("local all all trust\n", encoding="ascii")
    doors.chmod(0o644)
    server = RestoredServer(
        data=data,
        socket=_socket_folder(place, account, data),
        port=5432,
        user=backup.manifest.server.superuser,
        database=backup.manifest.database,
    )
    options = {
        **OPTIONS,
        "listen_addresses": "",
        "unix_socket_directories": str(server.socket),
        "hba_file": str(doors),
        "port": str(server.port),
        **more,
    }
    start_program(place.supervision, server_order(programs.postgres, data, log, account, options, _SERVER))
    wait = wait_until(lambda: _problem(server), lambda: place.supervision.exit_status(_SERVER), _REPLAY_S)
    if not wait.ready:
        said = tail(log)
        raise _failure(f"its server {wait.failure()}: {telling_line(said, ('FATAL:', 'PANIC:'))}", said, data)
    return server


def _problem(server: RestoredServer) -> str | None:
    """Why it does not take writes yet; None if it does."""
    import psycopg

    # whoever knocks before is refused with a FATAL line in the log, where the reason of an end is looked for
    with contextlib.suppress(OSError, IndexError):
        said = (server.data / "postmaster.pid").read_text(encoding="ascii").splitlines()[_PID_FILE_STATUS].strip()
        if said == "ready":
            try:
                with server.connect(MAINTENANCE) as connection:
                    connection.execute("SELECT 1")
            except psycopg.Error as error:
                return str(error).splitlines()[0]
            return None
    return "it still replays the log"


def _socket_folder(place: Workspace, account: Account | None, data: Path) -> Path:
    """The data itself, which is the server's user's alone; where its path is too long for a socket, one in /tmp."""
    if len(os.fsencode(data)) <= _LONGEST_SOCKET:
        return data
    folder = place.own(Path(f"/tmp/harness-{place.mark}-s"))  # noqa: S108 - the name is unguessable
    folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


def _give(data: Path, account: Account) -> None:
    """Let the servers' user have it."""
    for folder, _, names in os.walk(data):
        os.chown(folder, account.uid, account.gid)
        for name in names:
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)
