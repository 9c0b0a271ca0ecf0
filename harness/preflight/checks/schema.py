"""Is the database's schema the one that the manifest declares: every table, column and index, and nothing else?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg

from harness.model import Index, SchemaManifest
from harness.preflight.check import Check, ReadinessFinding, Scene, fine, first_few, nothing_to_ask, timed, wrong
from harness.preflight.checks.servers import connect_database, database_address

_SHOWN = 6
_COLUMNS = """
    SELECT t.relname, coalesce(array_agg(a.attname::text) FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{}')
      FROM pg_catalog.pg_class t LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
     WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p')
     GROUP BY t.relname
"""
_INDEXES = """
    SELECT c.relname, pg_catalog.pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid AND i.indisready
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     WHERE c.relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index as the catalogue has it. Not `sound`: it was never finished, and answers no query."""

    on: str
    unique: bool
    sound: bool


def check_schema(scene: Scene) -> ReadinessFinding:
    """The live catalogue against the manifest; every difference is named."""
    manifest, url = scene.target.manifest, database_address(scene)
    if manifest is None:
        return nothing_to_ask("the profile names no manifest of the schema")
    if isinstance(url, ReadinessFinding):
        return url
    begun = time.perf_counter()
    with connect_database(url) as connection:
        tables, indexes = read_catalogue(connection)
    took = time.perf_counter() - begun
    found = list(differences(manifest, tables, indexes))
    counted = f"{len(tables)} tables and {len(indexes)} indexes"
    told = timed(took, {"tables": len(tables), "indexes": len(indexes), "differences": found})
    if not found:
        return fine(f"{counted}, all as declared", **told)
    return wrong(
        f"{counted}; {first_few(found, _SHOWN, then=', and')}",
        "run the migrations ([service] prepare in the profile), or mend the manifest ([preflight] manifest)",
        **told,
    )


def read_catalogue(connection: psycopg.Connection) -> tuple[dict[str, frozenset[str]], dict[str, LiveIndex]]:
    """Columns by table, and indexes by name, of the schema `public`."""
    tables = {name: frozenset(columns) for name, columns in connection.execute(_COLUMNS)}
    indexes = {
        name: LiveIndex(definition.partition(" ON ")[2].removeprefix("ONLY ").removeprefix("public."), unique, sound)
        for name, definition, unique, sound in connection.execute(_INDEXES)
    }
    return tables, indexes


def differences(
    manifest: SchemaManifest, tables: Mapping[str, frozenset[str]], indexes: Mapping[str, LiveIndex]
) -> Iterator[str]:
    """One phrase for each thing that is missing, altered, unfinished or not declared."""
    for name, table in manifest.tables.items():
        if name not in tables:
            yield f"table {name} is missing"
            continue
        yield from (f"column {name}.{column} is missing" for column in table.columns if column not in tables[name])
        yield from (f"column {name}.{column} is not declared" for column in sorted(tables[name] - {*table.columns}))
        for index_name, index in table.indexes.items():
            how = _index_differs(index, indexes.get(index_name))
            if how is not None:
                yield f"index {index_name} is {how}"
    yield from (f"table {name} is not declared" for name in sorted(tables.keys() - manifest.tables.keys()))
    yield from (f"index {name} is not declared" for name in sorted(indexes.keys() - manifest.indexes.keys()))


def _index_differs(declared: Index, live: LiveIndex | None) -> str | None:
    if live is None:
        return f"missing (it serves {declared.serves})"
    if not live.sound:
        return "invalid: building it was never finished"
    if (live.on, live.unique) != (declared.on, declared.unique):
        return f"{_phrase(live.on, live.unique)}, not {_phrase(declared.on, declared.unique)}"
    return None


def _phrase(on: str, unique: bool) -> str:  # noqa: FBT001 - data, not a switch
    return f"{'unique' if unique else 'not unique'} on {on}"


CHECKS = (
    Check(
        id="preflight.schema", order=120, subject="postgres", title="schema as declared", ask=check_schema, live=True
    ),
)
