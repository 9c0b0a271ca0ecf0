"""Does every index hold what its table holds? A damaged one answers with too few rows, and says nothing.

PostgreSQL's own `amcheck` looks into B-trees, and compares them with their tables. Only a superuser may have it; its
functions live in a schema of their own, in a transaction that is never committed: nothing of it is ever seen.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from harness.preflight.check import (
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
from harness.stack.servers.postgres import SUPERUSER

BUDGET_S = 4.0
"""Of looking into indexes, one after the other; what is then left stays unknown."""

_SCHEMA = "harness_amcheck"
_SHOWN = 3
_LONGEST = 160
_INDEXES = """
    SELECT c.oid, c.relname, m.amname, i.indisvalid, i.indisready
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am m ON m.oid = c.relam
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'i'
     ORDER BY c.relpages, c.relname
"""
_INSTALLED = """
    SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'amcheck'
"""


@dataclass(frozen=True, slots=True)
class _Index:
    oid: int
    name: str
    method: str
    valid: bool
    ready: bool

    @property
    def finished(self) -> bool:
        return self.valid and self.ready

    @property
    def is_tree(self) -> bool:
        """Can amcheck look into it?"""
        return self.method == "btree" and self.finished


def check_indexes(scene: Scene) -> ReadinessFinding:
    """Every index of the schema `public` was finished, and every B-tree among them is sound."""
    url = database_address(scene)
    if isinstance(url, ReadinessFinding):
        return url
    password = scene.info.secrets.get("postgres_superuser") if scene.info.owned else None
    if password is None:
        return unknown(
            "the database was started by somebody else: its superuser, which amcheck needs, is not known here"
        )
    begun = time.perf_counter()
    with connect_database(_as_superuser(url, password)) as connection:
        indexes = [_Index(*row) for row in connection.execute(_INDEXES)]
        try:
            damage, looked = _look_into(connection, [index for index in indexes if index.is_tree])
        except psycopg.errors.UndefinedFile:
            return unknown("this PostgreSQL comes without amcheck")
    return _found(indexes, damage, looked, time.perf_counter() - begun)


def _found(indexes: list[_Index], damage: list[str], looked: int, took: float) -> ReadinessFinding:
    if not indexes:
        return nothing_to_ask("the database has no indexes")
    problems = [f"{one.name} is invalid: building it was never finished" for one in indexes if not one.finished]
    problems += damage
    others = Counter(index.method for index in indexes if index.method != "btree")
    told = timed(took, {"indexes": len(indexes), "looked_into": looked, "others": dict(others), "problems": problems})
    if problems:
        return wrong(
            f"{len(problems)} of {len(indexes)} indexes cannot be trusted: {first_few(problems, _SHOWN)}",
            "REINDEX INDEX CONCURRENTLY those that are named",
            **told,
        )
    trees = sum(index.is_tree for index in indexes)
    if looked < trees:
        return unknown(f"{looked} of {trees} B-tree indexes are sound; for the others {BUDGET_S:g} s were too short")
    beside = "".join(f", {count} {method} not looked into" for method, count in sorted(others.items()))
    return fine(f"{looked} B-tree indexes are sound{beside}", **told)


def _look_into(connection: psycopg.Connection, trees: list[_Index]) -> tuple[list[str], int]:
    """What is wrong with which index, and how many were looked into in time."""
    problems: list[str] = []
    looked = 0
    deadline = time.monotonic() + BUDGET_S
    with connection.transaction(force_rollback=True):
        schema = _amcheck(connection)
        check = sql.SQL("SELECT {}.bt_index_check(%s::oid::regclass, true)").format(sql.Identifier(schema))
        for index in trees:
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                break
            try:
                with connection.transaction():
                    connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(left_ms)))
                    connection.execute(check, (index.oid,))
            except psycopg.errors.QueryCanceled:
                break
            except psycopg.errors.InternalError as error:
                problems.append(f"{index.name} is damaged: {' '.join(str(error).split())}"[:_LONGEST])
            looked += 1
    return problems, looked


def _amcheck(connection: psycopg.Connection) -> str:
    """The schema with its functions; raises UndefinedFile where the server does not have them."""
    installed = connection.execute(_INSTALLED).fetchone()
    if installed is not None:
        return str(installed[0])
    name = sql.Identifier(_SCHEMA)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(sql.SQL("CREATE EXTENSION amcheck SCHEMA {}").format(name))
    return _SCHEMA


def _as_superuser(url: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{SUPERUSER}:{quote(password, safe='')}@{place}").geturl()


CHECKS = (
    Check(id="preflight.indexes", order=130, subject="postgres", title="indexes sound", ask=check_indexes, live=True),
)
