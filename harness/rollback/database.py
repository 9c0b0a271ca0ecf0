"""The database of a stack as it was before a release went live: kept, and brought up beside the one that runs.

The bad release never meets the restored server: that has a port of its own, and the copies of the other release are
started on it. So the former server is there until these are asked alone, and all can go back until then.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg

from harness.backup import (
    Backup,
    Expected,
    advance_backup,
    find_flaws,
    find_programs,
    open_backup,
    read_facts,
    restore,
    source_of,
    take_backup,
)
from harness.errors import StackError, UsageError
from harness.machine.decoding import Reader
from harness.model import Release, StackInfo, Target
from harness.stack.ports import HOST, free_port
from harness.stack.readiness import tail, wait_until
from harness.stack.servers.binaries import servers_account, start_program
from harness.stack.servers.clients import connect_cache
from harness.stack.servers.pgwire import query_problem
from harness.stack.servers.postgres import DATABASE, OPTIONS, SUPERUSER, server_order
from harness.stack.supervisor.client import RefusedOrderError, Supervision
from harness.stack.supervisor.process import MARK
from harness.stack.supervisor.registry import OWNER, data_folder, home_folder, read_owner, write_owner

if TYPE_CHECKING:
    import redis

SERVER = "postgres"
"""The name of a stack's database server among its processes."""
_KEPT = "backups.json"
_MOST_KEPT = 3
_ANSWERS_S = 15.0
_SHOWN = 4
_MARK_S = 3600
"""So long the mark in the cache lives where nobody empties it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBackup:
    """A backup that was taken before another release went live."""

    folder: str
    release: Release
    """What ran when it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """Which backup is restored, and where its server will be."""

    backup: str
    at: str
    """Its end: what was acknowledged before is in it, what came later is not."""
    server: str
    """Name of the server's process until it takes over."""
    data: str
    port: int
    database_url: str
    leave_out: tuple[str, ...]
    """Tables that may have lost their rows, as the profile says."""


_READER = Reader(tuple[KeptBackup, ...])


def kept_backups(info: StackInfo) -> tuple[KeptBackup, ...]:
    """Those of a stack, oldest first. Raises StackError if what is kept of them cannot be read."""
    path = Path(info.state_dir) / _KEPT
    try:
        return _READER.json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise StackError(f"{path}: cannot be read ({error}); name a backup with --backup") from error


def keep_backup(info: StackInfo, release: Release, since: Backup | None = None) -> Backup:
    """Take a base backup before another release goes live, or go on with the one `since`; it goes with the stack.

    Raises UsageError or StackError where none can be taken.
    """
    kept = kept_backups(info)
    place = Path(info.state_dir) / "backups"
    folder = place / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    source = source_of(info)
    backup = take_backup(source, folder, "base") if since is None else advance_backup(source, since, folder)
    left = (*kept, KeptBackup(folder=str(folder), release=release))[-_MOST_KEPT:]
    path = Path(info.state_dir) / _KEPT
    aside = path.with_name(f".{_KEPT}.new")
    aside.write_bytes(msgspec.json.encode(left))
    aside.replace(path)
    for gone in place.iterdir():
        if str(gone) not in {one.folder for one in left}:
            shutil.rmtree(gone, ignore_errors=True)
    return backup


def choose_backup(info: StackInfo, wanted: Path | None) -> tuple[Backup, Release | None]:
    """The backup that a stack's database is set back to, and the release that ran then, where that is known.

    Raises UsageError in one line for one that is missing or unfit.
    """
    if info.database_url is None:
        raise UsageError(f"level full sets a database back, and stack {info.name} has none of ours; use --level code")
    kept = kept_backups(info)
    if wanted is None and not kept:
        raise UsageError(
            f"no backup of stack {info.name}: `harness up --roll` takes one before a release goes live, and none went; "
            "name one of `harness backup take` with --backup"
        )
    folder = (wanted or Path(kept[-1].folder)).absolute()
    source = source_of(info)
    expected = Expected(stack=source.stack, database=source.database, major=find_programs().major)
    flaws = find_flaws(folder, expected, datetime.now(UTC))
    if flaws:
        more = f", and {len(flaws) - 1} more" if len(flaws) > 1 else ""
        raise UsageError(f"backup {folder} cannot be used: {flaws[0]}{more}; name another one with --backup")
    backup = open_backup(folder)
    if backup.manifest.method != "base":
        raise UsageError(f"backup {folder} is a dump, which has no logins; name a base backup with --backup")
    return backup, next((one.release for one in kept if one.folder == str(folder)), None)


def plan_restoring(profile: Target, info: StackInfo, backup: Backup, plan_id: str) -> Restoring:
    """Where a backup's server will be; nothing is made yet."""
    name, port = f"{info.settings[MARK]}-{plan_id}", free_port()
    url = urlsplit(info.database_url or "")
    login = url.netloc.rpartition("@")[0]
    return Restoring(
        backup=str(backup.folder),
        at=backup.manifest.point.at,
        server=f"{SERVER}-{plan_id}",
        # as the stack's own: in memory where there is plenty
        data=str((data_folder(name) or home_folder(name)) / SERVER),
        port=port,
        database_url=urlunsplit(url._replace(netloc=f"{login}@{HOST}:{port}")),
        leave_out=profile.backup.unlogged,
    )


def data_at_risk(info: StackInfo, backup: Backup) -> str:
    """What was written since a backup, as far as the live database says it."""
    told = f"data at risk: all that was written since {backup.manifest.point.at}"
    try:
        with source_of(info).connect() as connection, connection.transaction():
            now = read_facts(connection).tables
    except (StackError, psycopg.Error) as error:
        return f"{told}; how much cannot be told: {' '.join(str(error).split())}"
    then = backup.manifest.facts.tables
    changed = [
        f"{name} ({table.rows} rows then, {now[name].rows if name in now else 'no table'} now)"
        for name, table in then.items()
        if name not in now or now[name].checksum != table.checksum
    ]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{told}; {', '.join(changed[:_SHOWN])}{more}" if changed else f"{told}; no table differs"


def restore_beside(supervision: Supervision, info: StackInfo, restoring: Restoring) -> None:
    """Restore the backup, compare it with what it was taken of, and keep its data. To be repeated without harm.

    Raises StackError where it is not what was taken; then nothing is left of it.
    """
    data = Path(restoring.data)
    if data.exists():
        return
    _own(supervision, info, data.parent)
    data.parent.mkdir(mode=0o711, exist_ok=True)
    # whatever the umask: the servers' user passes through
    data.parent.chmod(0o711)
    restoration = restore(open_backup(Path(restoring.backup)), data, restoring.leave_out)
    if restoration.differences:
        raise StackError(
            f"the restored database is not what was backed up: {restoration.differences[0]}"
            f" ({len(restoration.differences)} differences)"
        )


def start_beside(supervision: Supervision, info: StackInfo, restoring: Restoring) -> int:
    """Start a server on the restored data, whatever an earlier try has left; returns its pid.

    What the cache holds until now is marked.
    Raises StackError where the server does not answer.
    """
    with contextlib.suppress(RefusedOrderError):
        supervision.stop(restoring.server)
    log = log_of(info, restoring)
    options = {**OPTIONS, "port": str(restoring.port)}
    order = server_order(
        find_programs().postgres, Path(restoring.data), log, servers_account(), options, restoring.server
    )
    start_program(supervision, order)
    password = info.secrets["postgres_superuser"]
    wait = wait_until(
        lambda: query_problem(restoring.port, SUPERUSER, password, DATABASE),
        lambda: supervision.exit_status(restoring.server),
        _ANSWERS_S,
    )
    if not wait.ready:
        raise StackError(f"the restored Postgres {wait.failure()}; its log says why", output=tail(log))
    with _cache(info) as cache:
        if cache is not None:
            cache.set(_marker(restoring), "", ex=_MARK_S)
    return supervision.pids[restoring.server]


def remove_beside(supervision: Supervision, restoring: Restoring) -> None:
    """End that server, if it runs, and remove its data."""
    with contextlib.suppress(RefusedOrderError):
        supervision.stop(restoring.server)
    shutil.rmtree(Path(restoring.data).parent, ignore_errors=True)


def take_over(supervision: Supervision, restoring: Restoring) -> None:
    """End the former server, and let the restored one have its name. To be repeated without harm."""
    with contextlib.suppress(RefusedOrderError):
        supervision.succeed(SERVER, restoring.server)


def empty_cache(info: StackInfo) -> None:
    """Forget all that the stack's cache holds. Raises StackError where it cannot be reached."""
    with _cache(info) as cache:
        if cache is not None:
            cache.flushall()


def cache_problems(info: StackInfo, restoring: Restoring) -> tuple[str, ...]:
    """Whether the cache still has what the bad release put there: a phrase."""
    try:
        with _cache(info) as cache:
            is_left = cache is not None and bool(cache.exists(_marker(restoring)))
    except StackError as error:
        return (error.message,)
    return ("the cache still holds what was in it before the rollback",) if is_left else ()


def migrate(info: StackInfo, file: Path) -> None:
    """Run a file of SQL as the service's own role, all or nothing. Raises StackError where the database refuses it."""
    try:
        with psycopg.connect(info.database_url or "") as connection:
            connection.execute(file.read_text(encoding="utf-8").encode())
    except psycopg.Error as error:
        raise StackError(f"{file}: the database refuses it: {' '.join(str(error).split())}") from error


def log_of(info: StackInfo, restoring: Restoring) -> Path:
    """Of the restored server."""
    return Path(info.state_dir) / "logs" / f"{restoring.server}.log"


def _marker(restoring: Restoring) -> str:
    return f"harness:{restoring.server}"


@contextlib.contextmanager
def _cache(info: StackInfo) -> Iterator[redis.Redis | None]:
    """Raises StackError where it cannot be reached."""
    import redis

    if info.redis_url is None:
        yield None
        return
    cache = connect_cache(info.redis_url)
    try:
        yield cache
    except redis.RedisError as error:
        raise StackError(f"the cache cannot be reached: {error}") from error
    finally:
        cache.close()


def _own(supervision: Supervision, info: StackInfo, folder: Path) -> None:
    """Have that folder removed with the stack; where its supervisor is killed, by whoever clears up after it."""
    supervision.own_folder(folder)
    owner = read_owner(Path(info.state_dir))
    if owner is None or str(folder) in owner.folders:
        return
    owner = replace(owner, folders=(*owner.folders, str(folder)))
    for place in map(Path, owner.folders):
        if (place / OWNER).is_file():
            write_owner(place, owner)
