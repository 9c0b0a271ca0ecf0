"""What a database holds, in numbers that two servers can be compared by: rows, checksums, sequences, definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import psycopg

Kind = Literal["table", "sequence", "column", "index", "constraint", "extension", "view", "trigger", "function"]

# whatever the database, its roles and the environment set: a value has one text only
STABLE_TEXT = (
    "SET TIME ZONE 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET xmlbinary = 'base64'",
    "SET lc_monetary = 'C'",
    "SET search_path = pg_catalog",
    "SET row_security = off",
)
_OURS = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_NOT_AN_EXTENSIONS = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.deptype = 'e')"
_TABLES = f"""
SELECT n.nspname, c.relname, c.relpersistence = 'p',
       array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped AND a.attgenerated <> 'v' ORDER BY a.attname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_OURS}
   OR c.oid = 'pg_largeobject'::regclass AND EXISTS (SELECT FROM pg_largeobject)
ORDER BY 1, 2
"""  # noqa: S608 - no word of it comes from outside
_SEQUENCES = f"""
SELECT n.nspname, c.relname, s.seqincrement, s.seqcycle
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND {_OURS} ORDER BY 1, 2
"""  # noqa: S608
_DEFINITIONS: Mapping[Kind, str] = {
    "column": f"""
SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                 pg_get_expr(e.adbin, e.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND {_OURS}
""",  # noqa: S608
    "index": f"""
SELECT format('%s.%s', n.nspname, c.relname),
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND {_OURS}
""",  # noqa: S608
    "constraint": f"""
SELECT format('%s of %s', k.conname, CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text
              ELSE k.contypid::regtype::text END), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE k.contype <> 't' AND {_OURS}
""",  # noqa: S608
    "extension": "SELECT extname, extversion FROM pg_extension",
    "view": f"""
SELECT format('%s.%s', n.nspname, c.relname), pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND {_NOT_AN_EXTENSIONS.format(oid="c.oid")} AND {_OURS}
""",  # noqa: S608
    "trigger": f"""
SELECT format('%s of %s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND {_OURS}
""",  # noqa: S608
    "function": f"""
SELECT format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p') AND {_NOT_AN_EXTENSIONS.format(oid="p.oid")} AND {_OURS}
""",  # noqa: S608
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """The rows of one table, whatever their order."""

    rows: int
    checksum: str
    logged: bool = True
    """Whether its rows are in the write-ahead log; those of an UNLOGGED table are lost with a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFacts:
    """Where a sequence stands."""

    value: int
    called: bool
    """Whether `value` was given out already: the next one is another."""
    increment: int
    cycles: bool

    def is_behind(self, other: SequenceFacts) -> bool:
        """Whether it would give out again what `other` has given out; a sequence that begins anew is never behind."""
        if self.cycles or other.cycles:
            return False
        return self._next < other._next if other.increment > 0 else self._next > other._next

    @property
    def _next(self) -> int:
        return self.value + self.increment if self.called else self.value

    def __str__(self) -> str:
        return f"{self.value}{'' if self.called else ', not given out yet'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """All that is compared of a database. Names are `schema.name`."""

    tables: Mapping[str, TableFacts]
    sequences: Mapping[str, SequenceFacts]
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind -> name -> how Postgres writes it."""

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.rows for table in self.tables.values())

    @property
    def unlogged(self) -> Mapping[str, int]:
        """Tables whose rows no base backup has, with how many there are; empty ones lose nothing."""
        return {name: table.rows for name, table in self.tables.items() if not table.logged and table.rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that a restored database has not as it was."""

    kind: Kind
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.text}"


def logged_tables(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Schema and name of the tables that a backup has."""
    return [(schema, name) for schema, name, logged, _ in connection.execute(_TABLES).fetchall() if logged]


def read_sequences(connection: psycopg.Connection[Any]) -> Mapping[str, SequenceFacts]:
    """Where all sequences stand now, whatever the transaction sees: they are in none."""
    from psycopg import sql

    found = {}
    for schema, name, increment, cycles in connection.execute(_SEQUENCES).fetchall():
        asked = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        row = connection.execute(asked).fetchone()
        if row is not None:
            found[f"{schema}.{name}"] = SequenceFacts(value=row[0], called=row[1], increment=increment, cycles=cycles)
    return found


def read_facts(
    connection: psycopg.Connection[Any], sequences: Mapping[str, SequenceFacts] | None = None
) -> DatabaseFacts:
    """Read them, in the transaction that the connection is in; `sequences` where they were read before.

    A checksum is the sum of the rows' digests (MD5, of which 64 bits): the order of rows does not count, each copy of
    a row does. It is computed in the database.
    """
    for setting in STABLE_TEXT:
        connection.execute(setting.replace("SET ", "SET LOCAL ", 1))
    tables = {
        f"{schema}.{name}": _table_facts(connection, schema, name, columns, logged=logged)
        for schema, name, logged, columns in connection.execute(_TABLES).fetchall()
    }
    definitions: dict[str, Mapping[str, str]] = {
        kind: dict(connection.execute(query).fetchall()) for kind, query in _DEFINITIONS.items()
    }
    return DatabaseFacts(
        tables=tables,
        sequences=read_sequences(connection) if sequences is None else sequences,
        definitions=definitions,
    )


def _table_facts(
    connection: psycopg.Connection[Any], schema: str, name: str, columns: list[str], *, logged: bool
) -> TableFacts:
    from psycopg import sql

    # by name: a dump may put the columns of a partition in another order
    values = sql.SQL(", ").join(sql.Identifier("t", column) for column in columns)
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(md5(ROW({})::text), 16))::bit(64)::bigint::numeric), 0)::text "
        "FROM ONLY {} AS t"
    ).format(values, sql.Identifier(schema, name))
    row = connection.execute(query).fetchone()
    return TableFacts(rows=row[0] if row else 0, checksum=row[1] if row else "", logged=logged)


def compare(
    expected: DatabaseFacts, found: DatabaseFacts, *, exact: bool, leave_out: tuple[str, ...] = ()
) -> tuple[Difference, ...]:
    """What `found` has not as `expected` had it, tables first. Tables of `leave_out` may have lost their rows.

    `exact`: definitions must be written alike. After a dump they may not: Postgres writes some expressions in another
    way once they were read again, and only what is missing counts.
    """
    return (
        *_table_differences(expected, found, leave_out),
        *_sequence_differences(expected, found),
        *_definition_differences(expected, found, exact=exact),
    )


def _table_differences(
    expected: DatabaseFacts, found: DatabaseFacts, leave_out: tuple[str, ...]
) -> Iterator[Difference]:
    for name, table in expected.tables.items():
        restored = found.tables.get(name)
        if restored is None:
            yield Difference(kind="table", name=name, text=f"missing, with {table.rows} rows")
        elif name in leave_out:
            continue
        elif not table.logged and restored.rows < table.rows:
            text = f"is UNLOGGED: its {table.rows} rows are in no base backup, and do not outlive a crash"
            yield Difference(kind="table", name=name, text=text)
        elif restored.rows != table.rows:
            yield Difference(kind="table", name=name, text=f"{restored.rows} rows where there were {table.rows}")
        elif restored.checksum != table.checksum:
            yield Difference(kind="table", name=name, text=f"{table.rows} rows, but with other contents")
    for name in found.tables.keys() - expected.tables.keys():
        yield Difference(kind="table", name=name, text="was not there")


def _sequence_differences(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    for name, sequence in expected.sequences.items():
        restored = found.sequences.get(name)
        if restored is None:
            yield Difference(kind="sequence", name=name, text=f"missing; it stood at {sequence}")
        elif restored.is_behind(sequence):
            text = f"stands at {restored}, behind {sequence}: numbers are given out twice"
            yield Difference(kind="sequence", name=name, text=text)


def _definition_differences(expected: DatabaseFacts, found: DatabaseFacts, *, exact: bool) -> Iterator[Difference]:
    for kind in _DEFINITIONS:
        restored = found.definitions.get(kind, {})
        for name, definition in expected.definitions.get(kind, {}).items():
            if name not in restored:
                yield Difference(kind=kind, name=name, text="missing")
            elif exact and restored[name] != definition:
                yield Difference(kind=kind, name=name, text=f"{restored[name]} where there was {definition}")
