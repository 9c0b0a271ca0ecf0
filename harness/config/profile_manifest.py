"""A schema manifest: TOML that lists every table, column and index a database must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config.toml_reader import read_toml
from harness.model import Manifest, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    schema: int
    tables: Mapping[str, Table]


def read_manifest(path: Path) -> Manifest:
    """Raises ConfigError, with file, line and key, for what is malformed or contradicts itself."""
    file = read_toml(path)
    written = file.read(_Written)
    if written.schema != 1:
        raise file.error(f"schema 1 was expected, not {written.schema}", ("schema",))
    owners: dict[str, str] = {}
    for name, table in written.tables.items():
        if not table.columns:
            raise file.error("a table has at least one column", ("tables", name, "columns"))
        for index_name, index in table.indexes.items():
            at = ("tables", name, "indexes", index_name)
            if index_name in owners:
                raise file.error(f"is an index of table {owners[index_name]} already", at)
            if not index.on.startswith(f"{name} USING "):
                raise file.error(f"{name} USING METHOD (COLUMNS) was expected, not {index.on!r}", (*at, "on"))
            if not index.serves.strip():
                raise file.error("the constraint or query that the index is for was expected", (*at, "serves"))
            owners[index_name] = name
    return Manifest(tables=written.tables)
