"""The way back of the schema's migrations: taken, and then the way forth again, on a copy of the database."""

import subprocess
from pathlib import Path

import psycopg
import pytest

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


def listed(url: str, query: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query)]


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
