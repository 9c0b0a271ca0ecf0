"""Are the schema's migrations told apart by their numbers, and is the database where their files say it is?

Any runner will do that keeps files `NUMBER_name.sql` in a folder and a row for each that it applied.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import psycopg
from psycopg import sql

from harness.model import PreflightRules
from harness.model.migrations import migration_files, names_of, number_of
from harness.preflight.check import (
    CannotAskError,
    Check,
    ReadinessFinding,
    Scene,
    fine,
    first_few,
    nothing_to_ask,
    timed,
    unknown,
    wrong,
)
from harness.preflight.checks.servers import connect_database, database_address

_SHOWN = 5


def check_migration_files(scene: Scene) -> ReadinessFinding:
    """No two migrations have one number: which of them runs first would be chance."""
    files = _files(scene)
    if isinstance(files, ReadinessFinding):
        return files
    numbered: dict[int, list[str]] = defaultdict(list)
    for name in files:
        numbered[number_of(name)].append(name)
    twice = {number: names for number, names in numbered.items() if len(names) > 1}
    told = {"files": len(files), "twice": {str(number): names for number, names in twice.items()}}
    if twice:
        shown = "; ".join(f"number {number}: {', '.join(names)}" for number, names in twice.items())
        return wrong(
            f"migrations share a number: {shown}",
            "give the later one the next free number",
            value=float(len(files)),
            unit="files",
            detail=told,
        )
    return fine(f"{len(files)} migrations, each with a number of its own", value=float(len(files)), unit="files")


def check_migrations(scene: Scene) -> ReadinessFinding:
    """The database has a row for each migration's file, and no row without one."""
    given = scene.target.preflight
    files = _files(scene)
    if isinstance(files, ReadinessFinding):
        return files
    if not given.migration_table:
        return nothing_to_ask("the profile names no migration_table")
    url = database_address(scene)
    if isinstance(url, ReadinessFinding):
        return url
    begun = time.perf_counter()
    with connect_database(url) as connection:
        rows = _applied(connection, given)
    return _compared(files, rows, time.perf_counter() - begun)


def _compared(files: list[str], rows: list[str], took: float) -> ReadinessFinding:
    pending = [name for name in files if not names_of(name) & set(rows)]
    known = {word for name in files for word in names_of(name)}
    strange = [row for row in rows if row not in known]
    told = timed(took, {"files": len(files), "applied": len(rows), "pending": pending, "without_file": strange})
    problems = [
        f"{what}: {first_few(names, _SHOWN, between=', ', then=' and')}"
        for what, names in (("pending", pending), ("no file", strange))
        if names
    ]
    if problems:
        return wrong(
            f"{len(rows)} of {len(files)} migrations applied; {'; '.join(problems)}",
            "run the migrations ([service] prepare in the profile), or bring back the files of those that ran",
            **told,
        )
    return fine(f"all {len(files)} migrations are applied", **told)


def _files(scene: Scene) -> list[str] | ReadinessFinding:
    folder, service = scene.target.preflight.migrations, scene.target.service
    if not folder:
        return nothing_to_ask("the profile names no migrations")
    if not scene.info.owned or service.url:
        return unknown("the service was started by somebody else: its migrations are not known here")
    place = Path(service.cwd, folder)
    if not place.is_dir():
        return wrong(f"there is no folder {folder} of migrations", "mend [preflight] migrations in the profile")
    files = migration_files(place)
    if not files:
        return wrong(f"{folder} holds no NUMBER_name.sql", "mend [preflight] migrations in the profile")
    return files


def _applied(connection: psycopg.Connection, given: PreflightRules) -> list[str]:
    """What the runner's table says; empty if there is no such table yet, since nothing was applied then."""
    query = sql.SQL("SELECT {}::text FROM {} ORDER BY 1").format(
        sql.Identifier(given.migration_column), sql.Identifier(*given.migration_table.split("."))
    )
    try:
        return [row[0] for row in connection.execute(query)]
    except psycopg.errors.UndefinedTable:
        return []
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise CannotAskError(
            f"{given.migration_table} cannot be read: {said}", "mend [preflight] migration_table and migration_column"
        ) from error


CHECKS = (
    Check(
        id="preflight.migration_files",
        order=70,
        subject="service",
        title="migrations numbered",
        ask=check_migration_files,
    ),
    Check(
        id="preflight.migrations",
        order=140,
        subject="postgres",
        title="migrations applied",
        ask=check_migrations,
        live=True,
    ),
)
