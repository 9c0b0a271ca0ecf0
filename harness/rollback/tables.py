"""What the tables of a database hold, as numbers that can be compared: columns, rows, and a checksum over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from harness.errors import StackError
from harness.model import SchemaManifest

_SECONDS = 20
_TABLES = """
    SELECT n.nspname, c.relname, coalesce(array_agg(a.attname::text ORDER BY a.attname)
             FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{}')
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
       AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND has_table_privilege(c.oid, 'SELECT')
     GROUP BY 1, 2 ORDER BY 1, 2
"""
# the same whatever the order of the rows, and whatever their place on the disk
_SUM = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One table at one moment."""

    columns: tuple[str, ...]
    rows: int
    checksum: str


Tables = Mapping[str, TableState]
"""By name, with the schema where that is not `public`."""


def read_tables(database_url: str | None) -> Tables:
    """All tables that the service itself may read, all at one moment; none without a database.

    Raises psycopg.Error where the database does not answer.
    """
    if database_url is None:
        return {}
    with psycopg.connect(database_url, connect_timeout=_SECONDS) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(f"SET LOCAL statement_timeout = {_SECONDS * 1000}")
        return dict(_states(connection))


def tables_of(database_url: str | None) -> Tables:
    """The same. Raises StackError where they cannot be read."""
    try:
        return read_tables(database_url)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise StackError(f"the tables cannot be read, so nothing could be verified: {said}") from error


def _states(connection: psycopg.Connection) -> Iterator[tuple[str, TableState]]:
    for schema, name, columns in connection.execute(_TABLES).fetchall():
        row = connection.execute(sql.SQL(_SUM).format(sql.Identifier(schema, name))).fetchone()
        if row is not None:
            full = name if schema == "public" else f"{schema}.{name}"
            yield full, TableState(columns=tuple(columns), rows=row[0], checksum=row[1])


def lost_parts(before: Tables, after: Tables) -> tuple[str, ...]:
    """Tables and columns that are gone: a phrase each."""
    found = [f"table {name} is gone ({was.rows} rows)" for name, was in before.items() if name not in after]
    for name, was in before.items():
        gone = set(was.columns) - set(after[name].columns) if name in after else set()
        found += [f"column {name}.{column} is gone ({was.rows} rows)" for column in sorted(gone)]
    return tuple(found)


def changed_tables(before: Tables, after: Tables) -> tuple[str, ...]:
    """Names of those that are in both, and hold something else now."""
    both = before.keys() & after.keys()
    return tuple(sorted(name for name in both if before[name].checksum != after[name].checksum))


def manifest_problems(manifest: SchemaManifest | None, tables: Tables) -> tuple[str, ...]:
    """What the manifest declares and the database lacks: a phrase each."""
    if manifest is None:
        return ()
    missing = [f"table {name} is missing" for name in manifest.tables if name not in tables]
    for name, table in manifest.tables.items():
        lacking = set(table.columns) - set(tables[name].columns) if name in tables else set()
        missing += [f"column {name}.{column} is missing" for column in sorted(lacking)]
    return tuple(missing)
