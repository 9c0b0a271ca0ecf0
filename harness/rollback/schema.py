"""Whether code can live with the database as it is, and what a way back of the schema would lose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from harness.errors import StackError, UsageError
from harness.model import Release, Target
from harness.model.migrations import migration_files, names_of

_SECONDS = 10
_COMMENT = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_NAME = r'(?:"[^"]+"|[A-Za-z_][\w$]*)(?:\.(?:"[^"]+"|[A-Za-z_][\w$]*))?'
_DROP_TABLE = re.compile(rf"\bDROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<tables>{_NAME}(?:\s*,\s*{_NAME})*)", re.IGNORECASE)
_CREATE_TABLE = re.compile(rf"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<tables>{_NAME})", re.IGNORECASE)
_ALTER = re.compile(
    rf"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<table>{_NAME})(?P<actions>[^;]*)", re.IGNORECASE
)
_NOT_COLUMNS = r"(?!(?:CONSTRAINT|PRIMARY|FOREIGN|UNIQUE|CHECK|EXCLUDE|NOT|DEFAULT|EXPRESSION|IDENTITY)\b)"
_DROP_COLUMN = re.compile(
    rf"(?:^|,)\s*DROP\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?{_NOT_COLUMNS}(?P<column>{_NAME})", re.IGNORECASE
)
_ADD_COLUMN = re.compile(
    rf"(?:^|,)\s*ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?{_NOT_COLUMNS}(?P<column>{_NAME})", re.IGNORECASE
)
_EMPTIED = re.compile(
    rf"\b(?:TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?|DELETE\s+FROM\s+(?:ONLY\s+)?)(?P<tables>{_NAME})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a way back over one migration would lose."""

    migration: str
    table: str
    column: str = ""
    """"" for the whole table."""
    rows: int | None = None
    """Rows that hold something there; None where they could not be counted."""

    def __str__(self) -> str:
        what = f"column {self.table}.{self.column}" if self.column else f"table {self.table}"
        rows = "rows that could not be counted" if self.rows is None else f"{self.rows} rows"
        return f"{what} ({rows})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaGap:
    """How the database differs from what a release knows of it."""

    beyond: tuple[str, ...] = ()
    """Migrations that were applied, and that the release does not know."""
    missing: tuple[str, ...] = ()
    """Files of the release's migrations that were not applied."""
    asked: bool = True
    """Whether the profile says enough to know."""


def find_gap(target: Target, release: Release, database_url: str | None) -> SchemaGap:
    """What was applied to the database and is unknown to the code of that release, and the other way round."""
    rules = target.preflight
    if database_url is None or not (rules.migrations and rules.migration_table):
        return SchemaGap(asked=False)
    known = migration_files(Path(release.cwd, rules.migrations))
    with psycopg.connect(database_url, autocommit=True, connect_timeout=_SECONDS) as connection:
        applied = _applied(connection, rules.migration_table, rules.migration_column)
    names = {name for file in known for name in names_of(file)}
    return SchemaGap(
        beyond=tuple(row for row in applied if row not in names),
        missing=tuple(file for file in known if not names_of(file) & set(applied)),
    )


def refuse_gap(target: Target, now: Release, release: Release, database_url: str | None) -> tuple[str, ...]:
    """Raise UsageError where the code of `release` cannot live with the schema; else what a plan should say of it.

    `now` is the release that runs, whose files say what each migration made.
    """
    try:
        gap = find_gap(target, release, database_url)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise StackError(f"the database does not say which migrations are applied: {said}") from error
    if not gap.asked:
        return ("schema: not compared, the profile names no [preflight] migrations and migration_table",)
    if gap.missing:
        raise UsageError(
            f"release {release.name} needs migrations that are not applied: {', '.join(gap.missing)}; apply them first"
        )
    declared = {name for given in target.releases.expand_only for name in names_of(given)}
    alien = tuple(row for row in gap.beyond if row not in declared)
    if alien:
        lost = find_losses(target, now, alien, database_url or "")
        risk = f"; a way back would lose {', '.join(map(str, lost))}" if lost else ""
        raise UsageError(
            f"release {release.name} does not know migration {', '.join(alien)}, which [releases] expand_only does not "
            f"declare as one that it can live with{risk}; declare it, or choose a release that knows it with --to"
        )
    if gap.beyond:
        return (f"schema: release {release.name} lives with {', '.join(gap.beyond)}, declared as expand_only",)
    return (f"schema: release {release.name} knows all that is applied",)


def find_losses(target: Target, now: Release, applied: Sequence[str], database_url: str) -> tuple[Loss, ...]:
    """Tables and columns that a way back over these migrations would drop or empty, with their rows."""
    folder = Path(now.cwd, target.preflight.migrations)
    found: list[Loss] = []
    with psycopg.connect(database_url, autocommit=True, connect_timeout=_SECONDS) as connection:
        connection.execute(f"SET statement_timeout = {_SECONDS * 1000}")
        for name in applied:
            for table, column in dict.fromkeys(losses_in(folder, name)):
                rows = _rows(connection, table, column)
                if rows != 0:
                    found.append(Loss(migration=name, table=table, column=column, rows=rows))
    return tuple(found)


def losses_in(folder: Path, applied: str) -> Iterator[tuple[str, str]]:
    """Table and column ("" for all) that a migration's way back takes away: as its file says, else all that the
    migration made."""
    file = next((each for each in migration_files(folder) if applied in names_of(each)), None)
    if file is None:
        return
    stem = (folder / file).name.removesuffix(".sql").removesuffix(".up")
    back = [folder / f"{stem}.{word}.sql" for word in ("rollback", "down", "undo")]
    way_back = next((path for path in back if path.is_file()), None)
    text = _COMMENT.sub(" ", (way_back or folder / file).read_text(encoding="utf-8", errors="replace"))
    tables, columns = (_DROP_TABLE, _DROP_COLUMN) if way_back else (_CREATE_TABLE, _ADD_COLUMN)
    for pattern in (tables, *((_EMPTIED,) if way_back else ())):
        for match in pattern.finditer(text):
            yield from ((_plain(table), "") for table in match["tables"].split(","))
    for altered in _ALTER.finditer(text):
        for match in columns.finditer(altered["actions"]):
            yield _plain(altered["table"]), _plain(match["column"])


def _plain(name: str) -> str:
    parts = [part[1:-1] if part.startswith('"') else part.lower() for part in name.strip().split(".")]
    return ".".join(parts).removeprefix("public.")


def _rows(connection: psycopg.Connection, table: str, column: str) -> int | None:
    """How many rows hold something there; None where the database does not say."""
    held = sql.SQL("WHERE {} IS NOT NULL").format(sql.Identifier(column)) if column else sql.SQL("")
    query = sql.SQL("SELECT count(*) FROM {} {}").format(sql.Identifier(*table.split(".")), held)
    try:
        row = connection.execute(query).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    except psycopg.Error:
        return None
    return int(row[0]) if row else None


def _applied(connection: psycopg.Connection, table: str, column: str) -> tuple[str, ...]:
    query = sql.SQL("SELECT {}::text FROM {} ORDER BY 1").format(
        sql.Identifier(column), sql.Identifier(*table.split("."))
    )
    try:
        return tuple(row[0] for row in connection.execute(query))
    except psycopg.errors.UndefinedTable:
        return ()
