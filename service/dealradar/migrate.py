"""Schema migrations, run by yoyo from the numbered SQL files in migrations/.

yoyo's own tables lie in the schema `migration`, so that `public` holds the application's tables alone.
"""

from pathlib import Path

import psycopg
from yoyo import get_backend, read_migrations

from dealradar.locks import SCHEMA_LOCK

FOLDER = Path(__file__).resolve().parent / "migrations"
SCHEMA = "migration"


def apply_all(database_url: str) -> list[str]:
    """Apply what is missing and return its names. Safe when several processes start at once: the others wait, then find
    nothing to do. Raises psycopg.Error when the database cannot be reached or refuses."""
    with _alone(database_url):
        backend = get_backend(_yoyo_url(database_url))
        with backend:
            pending = backend.to_apply(read_migrations(str(FOLDER)))
            backend.apply_migrations(pending)
            return [migration.id for migration in pending]


def take_back(database_url: str, count: int) -> list[str]:
    """Undo the last `count` migrations by their rollback files and return their names, newest first."""
    with _alone(database_url):
        backend = get_backend(_yoyo_url(database_url))
        with backend:
            applied = backend.to_rollback(read_migrations(str(FOLDER)))[:count]
            backend.rollback_migrations(applied)
            return [migration.id for migration in applied]


def _alone(database_url: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(database_url, autocommit=True, connect_timeout=5)
    connection.execute("SELECT pg_advisory_lock(%s)", [SCHEMA_LOCK])
    connection.execute("SET client_min_messages = warning")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    return connection


def _yoyo_url(database_url: str) -> str:
    rest = database_url.split("://", 1)[1]
    return f"postgresql+psycopg://{rest}{'&' if '?' in rest else '?'}schema={SCHEMA}"
