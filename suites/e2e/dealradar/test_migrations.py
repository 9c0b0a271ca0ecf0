"""The ways back of the schema's migrations: taken, and then the way forth again, on a copy of the database."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from harness.testing.stacks import base_environment

pytestmark = [pytest.mark.writes]
SECONDS = 60
LEFT = """
    SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
     UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
     ORDER BY 1
"""
DESCRIBED = """
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')
      FROM information_schema.columns WHERE table_schema = 'public'
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
                 FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
     ORDER BY 1
"""


COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
SUM = "SELECT count(*), sum(hashtextextended({}::text, 0)::numeric) FROM public.{}"


def rows_of(connection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(query)]


def listed(url: str, query: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return rows_of(connection, query)


def sums(connection) -> dict[str, tuple]:
    """Of each column: its rows, and a checksum of what they hold."""
    return {
        f"{table}.{column}": connection.execute(
            sql.SQL(SUM).format(sql.Identifier(column), sql.Identifier(table))
        ).fetchone()
        for table, column in connection.execute(COLUMNS).fetchall()
    }


@pytest.fixture
def migrate(own_database, target, stack_info, tmp_path):
    """`migrate("--down", "1")`: the service's own command, on this test's own database."""

    def run(*words: str) -> None:
        ended = subprocess.run(
            ["python", "-m", "dealradar", "migrate", *words],
            cwd=Path(target.service.cwd),
            env={**base_environment(tmp_path), **stack_info.settings, "DATABASE_URL": own_database},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"migrate {' '.join(words)}: {ended.stderr.strip() or ended.stdout.strip()}"

    return run


@pytest.mark.check("data.migrations_back", severity="critical", subject="all migrations, on the seeded data")
def test_the_schema_goes_back_to_nothing_and_forth_again(own_database, migrate, target):
    folder = Path(target.service.cwd, target.preflight.migrations)
    before = listed(own_database, DESCRIBED)
    forth = [path for path in folder.glob("*.sql") if not path.name.endswith(".rollback.sql")]
    assert forth
    migrate("--down", str(len(forth)))
    assert listed(own_database, LEFT) == []
    migrate()
    assert listed(own_database, DESCRIBED) == before


@pytest.mark.check(
    "data.migrations_keep",
    severity="critical",
    subject="each migration, on the seeded data",
    why="A way back is taken in an emergency: what it drops beside its own is gone for good.",
)
def test_each_way_back_takes_what_its_migration_made_and_nothing_else(own_database, target):
    folder = Path(target.service.cwd, target.preflight.migrations)
    forth = sorted(path for path in folder.glob("*.sql") if not path.name.endswith(".rollback.sql"))
    assert forth
    with psycopg.connect(own_database) as connection:
        for path in reversed(forth):
            described, before = rows_of(connection, DESCRIBED), sums(connection)
            back = path.with_name(f"{path.stem}.rollback.sql").read_bytes()
            connection.execute("SAVEPOINT here")
            connection.execute(back)
            kept = sums(connection)
            connection.execute(path.read_bytes())
            gone = sorted({*described} - {*rows_of(connection, DESCRIBED)})
            assert not gone, f"{path.stem} goes back, and does not make again what it took: {', '.join(gone)}"
            lost = sorted(name for name, held in kept.items() if held != before[name])
            assert not lost, f"{path.stem} goes back, and changes what is not its own: {', '.join(lost)}"
            connection.execute("ROLLBACK TO here")
            connection.execute(back)
        connection.rollback()
