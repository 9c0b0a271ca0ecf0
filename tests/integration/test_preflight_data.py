"""What the database holds, checked against a real one: indexes, migrations that ran, sequences near their end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from harness.model import Observation, Outcome, PreflightRules, StackInfo, Target
from harness.preflight import LIVE, Scene, run_check
from harness.stack import Stack, launch
from tests.dealradar_process import on_database, superuser_url
from tests.stack_target import small_target

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return small_target(tmp_path_factory.mktemp("service"), needs=("postgres",))


@pytest.fixture(scope="module")
def stack(target: Target) -> Iterator[Stack]:
    with launch(target) as running:
        yield running


@pytest.fixture
def info(stack: Stack) -> Iterator[StackInfo]:
    """The stack's facts, with an empty database of this test's own."""
    name = f"preflight_{next(_numbers)}"
    with psycopg.connect(superuser_url(stack.info), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER app".encode())
        yield replace(stack.info, database_url=on_database(stack.info.database_url or "", name))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def do(info: StackInfo, *statements: str) -> None:
    with psycopg.connect(info.database_url or "", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def asked(name: str, target: Target, info: StackInfo) -> Observation:
    check = next(check for check in LIVE if check.id == f"preflight.{name}")
    return run_check(check, Scene(target=target, info=info))


ROWS = ("create table done (id text)", "insert into done values ('0001_users'), ('0002_items')")


def with_migrations(target: Target, *files: str, table: str = "done", column: str = "id") -> Target:
    folder = Path(target.service.cwd, f"migrations-{next(_numbers)}")
    folder.mkdir()
    for file in files:
        (folder / file).touch()
    return replace(
        target, preflight=PreflightRules(migrations=folder.name, migration_table=table, migration_column=column)
    )


def test_migrations_that_are_all_applied_pass(target: Target, info: StackInfo) -> None:
    do(info, *ROWS)
    files = ("0001_users.sql", "0001_users.rollback.sql", "0002_items.sql", "0002_items.down.sql", "README.md")
    line = asked("migrations", with_migrations(target, *files), info)
    assert line.detail["message"] == "all 2 migrations are applied"


def test_a_table_may_hold_numbers_or_whole_names_in_a_schema_of_its_own(target: Target, info: StackInfo) -> None:
    do(info, "create schema m", "create table m.done (v text)", "insert into m.done values ('1'), ('0002_b.sql')")
    given = with_migrations(target, "V1_a.sql", "0002_b.sql", table="m.done", column="v")
    assert asked("migrations", given, info).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("0001_users.sql", "0002_items.sql", "0003_more.sql"), "2 of 3 migrations applied; pending: 0003_more.sql"),
        (("0001_users.sql",), "2 of 1 migrations applied; no file: 0002_items"),
        (
            ("0001_users.sql", "0002_things.sql"),
            "2 of 2 migrations applied; pending: 0002_things.sql; no file: 0002_items",
        ),
    ],
    ids=["pending", "without a file", "renamed"],
)
def test_a_database_that_is_not_where_the_files_say_is_found(
    target: Target, info: StackInfo, files: tuple[str, ...], said: str
) -> None:
    do(info, *ROWS)
    line = asked("migrations", with_migrations(target, *files), info)
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == said


def test_a_database_without_the_table_has_everything_pending(target: Target, info: StackInfo) -> None:
    line = asked("migrations", with_migrations(target, "0001_users.sql"), info)
    assert line.detail["message"] == "0 of 1 migrations applied; pending: 0001_users.sql"


def test_a_column_that_the_table_lacks_is_no_finding_about_the_service(target: Target, info: StackInfo) -> None:
    do(info, *ROWS)
    line = asked("migrations", with_migrations(target, "0001_users.sql", column="name"), info)
    assert line.outcome is Outcome.ERROR
    assert line.detail["message"].startswith('done cannot be read: column "name" does not exist')


INDEXED = (
    "create function f(int) returns int immutable language sql as 'select $1'",
    "create table t (id int primary key, words tsvector)",
    "insert into t (id) select generate_series(1, 500)",
    "create index t_f on t (f(id))",
    "create index t_words on t using gin (words)",
)


def test_sound_indexes_pass_and_leave_no_trace(target: Target, info: StackInfo) -> None:
    do(info, *INDEXED)
    line = asked("indexes", target, info)
    assert line.detail["message"] == "2 B-tree indexes are sound, 1 gin not looked into"
    with psycopg.connect(info.database_url or "") as connection:
        left = connection.execute(
            "select extname::text from pg_extension where extname = 'amcheck'"
            " union all select nspname::text from pg_namespace where nspname like '%amcheck%'"
        ).fetchall()
    assert left == []


def test_a_damaged_index_is_named(target: Target, info: StackInfo) -> None:
    do(info, *INDEXED, "create or replace function f(int) returns int immutable language sql as 'select -$1'")
    line = asked("indexes", target, info)
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"].startswith("1 of 3 indexes cannot be trusted: t_f is damaged: heap tuple")


@pytest.mark.parametrize(
    "statement", ["update pg_index set indisvalid = false", "update pg_index set indisready = false"]
)
def test_an_index_that_was_never_finished_is_named(target: Target, info: StackInfo, statement: str) -> None:
    do(info, *INDEXED)
    with psycopg.connect(on_database(superuser_url(info), info.database_url.rpartition("/")[2])) as admin:
        admin.execute(f"{statement} where indexrelid = 't_pkey'::regclass".encode())
    line = asked("indexes", target, info)
    assert line.detail["problems"] == ["t_pkey is invalid: building it was never finished"]


def test_an_extension_that_is_installed_already_is_used_and_stays(target: Target, info: StackInfo) -> None:
    do(info, *INDEXED)
    with psycopg.connect(on_database(superuser_url(info), info.database_url.rpartition("/")[2])) as admin:
        admin.execute("create extension amcheck")
        admin.commit()
        assert asked("indexes", target, info).outcome is Outcome.PASS
        assert admin.execute("select 1 from pg_extension where extname = 'amcheck'").fetchone()


def test_indexes_of_somebody_elses_database_are_not_known(target: Target, info: StackInfo) -> None:
    line = asked("indexes", target, replace(info, owned=False))
    assert (line.outcome, line.detail["counts"]) == (Outcome.SKIP, True)


def test_a_sequence_far_from_its_end_passes(target: Target, info: StackInfo) -> None:
    do(info, "create table t (id int generated always as identity)", "select setval('t_id_seq', 1700000000)")
    line = asked("sequences", target, info)
    assert line.outcome is Outcome.PASS, line.detail["message"]
    assert line.detail["sequences"] == 1


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("create table t (id int generated always as identity)", "select setval('t_id_seq', 2147483600)"), "47 are"),
        (("create table t (id smallserial)", "select setval('t_id_seq', 30000)"), "t.id has used 91.6%, 2767 are left"),
        # the sequence has room, its column has not
        (
            (
                "create table t (id int)",
                "create sequence s as bigint owned by t.id",
                "select setval('s', 2000000000)",
            ),
            "t.id has used 93.1%, 147483647 are left",
        ),
        (
            (
                "create table t (id int)",
                "create sequence s as bigint cycle owned by t.id",
                "select setval('s', 3000000000)",
            ),
            "t.id has used 139.7%, 0 are left",
        ),
        (("create sequence s maxvalue 100", "select setval('s', 90)"), "public.s has used 89.9%, 10 are left"),
        (
            ("create sequence s increment -1 minvalue -100 start -1", "select setval('s', -95)"),
            "public.s has used 94.9%, 5 are left",
        ),
    ],
    ids=["identity", "smallserial", "narrow column", "past the column", "maxvalue", "downward"],
)
def test_a_sequence_near_its_end_is_named_with_what_is_left(
    target: Target, info: StackInfo, statements: tuple[str, ...], said: str
) -> None:
    do(info, *statements)
    line = asked("sequences", target, info)
    assert line.outcome is Outcome.FAIL
    assert said in line.detail["message"]
    assert "1 of 1" in line.detail["message"]


def test_a_sequence_that_begins_anew_has_no_end(target: Target, info: StackInfo) -> None:
    do(info, "create sequence s maxvalue 100 cycle", "select setval('s', 99)")
    assert asked("sequences", target, info).outcome is Outcome.PASS


def test_a_sequence_that_cannot_be_read_is_not_called_sound(target: Target, info: StackInfo) -> None:
    do(info, "create sequence s", "revoke all on sequence s from app")
    line = asked("sequences", target, info)
    assert line.outcome is Outcome.SKIP
    assert line.detail["reason"] == "1 of 1 sequences cannot be read by this account: public.s"


def test_without_sequences_nothing_is_asked(target: Target, info: StackInfo) -> None:
    assert asked("sequences", target, info).detail["counts"] is False
