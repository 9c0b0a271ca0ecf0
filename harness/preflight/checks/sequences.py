"""How far is every sequence from its end? The insert that finds none left fails, and so does each one after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from harness.preflight.check import Check, ReadinessFinding, Scene, fine, nothing_to_ask, timed, unknown, wrong
from harness.preflight.checks.servers import connect_database, database_address

MOST_USED = 0.8
"""Share of a range that may be used: what is left must do until the column is wider."""

_RANGES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_SEQUENCES = """
    SELECT s.schemaname || '.' || s.sequencename, s.last_value, s.min_value, s.max_value, s.increment_by > 0, s.cycle,
           has_sequence_privilege(c.oid, 'USAGE') OR has_sequence_privilege(c.oid, 'SELECT'),
           d.refobjid::regclass::text || '.' || a.attname, format_type(a.atttypid, NULL)
      FROM pg_catalog.pg_sequences s
      JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename
      LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence, with the range that it and its column share."""

    name: str
    last: int | None
    """None: nothing was taken from it yet."""
    first: int
    end: int
    column: str
    cycles: bool
    readable: bool

    @property
    def left(self) -> int:
        """How many values are left, counted as if it stepped by one."""
        return abs(self.end - (self.first if self.last is None else self.last))

    @property
    def used(self) -> float:
        """Share of the range that is used; over 1 where the column is narrower than what was given out."""
        if self.last is None:
            return 0.0
        return (self.last - self.first) / ((self.end - self.first) or 1)

    @property
    def is_near_end(self) -> bool:
        """One that begins anew has no end, unless its column is narrower."""
        return self.readable and self.used > (1 if self.cycles else MOST_USED)


def check_sequences(scene: Scene) -> ReadinessFinding:
    """Every sequence of the database, identity and serial columns' included, against what its column can hold."""
    url = database_address(scene)
    if isinstance(url, ReadinessFinding):
        return url
    begun = time.perf_counter()
    with connect_database(url) as connection:
        found = list(read_sequences(connection))
    return _judged(found, time.perf_counter() - begun) if found else nothing_to_ask("the database has no sequences")


def _judged(found: list[Sequence], took: float) -> ReadinessFinding:
    hidden = [each.name for each in found if not each.readable]
    near = [each for each in found if each.is_near_end]
    told = timed(took, {"sequences": len(found), "near_end": [_told(each) for each in near], "not_readable": hidden})
    if near:
        return wrong(
            f"{len(near)} of {len(found)} sequences near their end: {'; '.join(map(_told, near))}",
            "widen the column to bigint, or let the sequence begin where values are free",
            **told,
        )
    if hidden:
        return unknown(f"{len(hidden)} of {len(found)} sequences cannot be read by this account: {hidden[0]}")
    return fine(f"{len(found)} sequences, none over {MOST_USED:.0%} of its range", **told)


def read_sequences(connection: psycopg.Connection) -> Iterator[Sequence]:
    """All sequences, with the end that comes first: their own, or that of their column's type."""
    for name, last, least, most, upward, cycles, readable, column, kind in connection.execute(_SEQUENCES):
        bound = _RANGES.get(kind, 2**63)
        first, end = (least, min(most, bound - 1)) if upward else (most, max(least, -bound))
        yield Sequence(name, last, first, end, column or "", cycles, readable)


def _told(sequence: Sequence) -> str:
    where = sequence.column or sequence.name
    return f"{where} has used {sequence.used:.1%}, {0 if sequence.used > 1 else sequence.left} are left"


CHECKS = (
    Check(
        id="preflight.sequences",
        order=150,
        subject="postgres",
        title="sequences far from their end",
        ask=check_sequences,
        live=True,
    ),
)
