"""The schema: 19 tables and 55 indexes, there and back."""

from __future__ import annotations

import threading

import httpx
import psycopg

from tests.dealradar_process import environment, run_command

RELATIONS = """
    SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public'),
           (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public')
"""


def test_there_are_19_tables_and_55_indexes(db):
    assert db.execute(RELATIONS).fetchone() == (19, 55)


def test_migrations_go_back_to_nothing_and_forth_again(servers, database_url, db):
    environ = environment(servers, database_url, {})
    before = _described(db)
    assert run_command("migrate", environ, "--down", "7").startswith("took back 7 migrations")
    assert db.execute(RELATIONS).fetchone() == (0, 0)
    assert db.execute("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace").fetchone() == (0,)
    assert run_command("migrate", environ).startswith("applied 7 migrations")
    assert _described(db) == before


def test_a_way_back_that_fails_half_way_leaves_that_migration_whole(servers, database_url, db):
    """Its first statement could be done, its last one cannot: something that is not ours stands on the table."""
    environ = environment(servers, database_url, {})
    before = _described(db)
    db.execute("CREATE VIEW public.report AS SELECT deal_id FROM public.reviews")
    assert "the database refused" in run_command("migrate", environ, "--down", "7", expect=1)
    found = {row[0] for row in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert found >= {"comments", "review_votes", "reviews", "deals"}
    assert not found & {"watchlist_items", "jobs"}
    db.execute("DROP VIEW public.report")
    assert run_command("migrate", environ).startswith("applied 4 migrations")
    assert _described(db) == before


def test_instances_that_start_at_once_migrate_once(servers, database_url, db):
    environ = environment(servers, database_url, {})
    run_command("migrate", environ, "--down", "7")
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(run_command("migrate", environ))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text.split()[1] for text in said) == ["0", "0", "0", "7"]
    assert db.execute(RELATIONS).fetchone() == (19, 55)


def test_a_service_serves(service):
    assert httpx.get(service.url + "/api/deals", trust_env=False).json()["total"] >= 200


def _described(db: psycopg.Connection) -> list[tuple[object, ...]]:
    columns = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    return [
        *db.execute(f"{columns} WHERE table_schema = 'public' ORDER BY 1, ordinal_position").fetchall(),
        *db.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1").fetchall(),
        *db.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
        ).fetchall(),
    ]
