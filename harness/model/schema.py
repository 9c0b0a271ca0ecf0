"""What a database must hold, as a manifest declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index, a primary key's or unique constraint's included."""

    on: str
    """Table, method, columns and condition, as `pg_get_indexdef` writes them after ON, without the schema."""
    serves: str
    """The constraint or the query that it is there for."""
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: the names of its columns, and its indexes by name."""

    columns: tuple[str, ...]
    indexes: Mapping[str, Index] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaManifest:
    """All tables of the database's schema `public`, by name."""

    tables: Mapping[str, Table]

    @property
    def indexes(self) -> Mapping[str, Index]:
        """The indexes of all tables, by name."""
        return {name: index for table in self.tables.values() for name, index in table.indexes.items()}
