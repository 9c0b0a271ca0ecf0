"""Code, settings and database set back to before a bad release, on real servers, by the command line."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness.backup import restoration
from harness.errors import StackError
from harness.jobs.rollback import RollbackOrder, order_rollback
from harness.rollback import database
from tests.released_service import Released
from tests.stored_service import Stored

pytestmark = pytest.mark.timeout(400)
"""Each of them starts several commands, and a drill waits until it has the machine to itself."""

STEPS = ["restore", "database", "start", "switch", "workers", "record", "stop", "cache", "verify"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path)
    yield made
    made.run("down")


def test_all_goes_back_to_before_the_bad_release_and_the_cache_with_it(service):
    service.up()
    service.run_sql("INSERT INTO items (word) VALUES ('acknowledged')")
    before = service.info()
    service.go_bad()
    service.run_sql("INSERT INTO items (word) VALUES ('since')")
    plan = service.rollback("--level", "full", "--plan")
    assert [step["step"] for step in plan["steps"]] == STEPS
    assert "public.items (4 rows then, 4 now)" in plan["notes"][-1]
    assert service.get("/items").status_code == 500
    done = service.rollback("--level", "full")
    assert (done["outcome"], done["problems"], done["failed"], done["down_s"]) == ("done", [], 0, 0.0)
    assert [step["step"] for step in done["steps"]] == STEPS
    assert done["requests"] > 20
    assert {service.get("/").text for _ in range(6)} == {"good"}
    assert service.get("/items").text == service.get("/kept").text == "red,green,blue,acknowledged"
    # the next number is none that was given out before
    ((number,),) = service.run_sql("INSERT INTO items (word) VALUES ('new') RETURNING id")
    assert number >= 5
    after = service.info()
    assert after["database_url"] != before["database_url"]
    assert (len(service.servers()), len(service.processes()), len(service.processes("worker.py"))) == (1, 2, 1)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(before["database_url"])
    # what was restored is a database like any other
    out, _ = service.run("backup", "take", "again", "--json")
    assert json.loads(out)["rows"] == 5
    service.run("backup", "restore", "again")
    assert "name it with --to" in service.refused("--level", "full", "--backup", "again")
    again = service.rollback("--level", "full", "--backup", "again", "--to", done["to"])
    assert (again["outcome"], service.get("/items").text) == ("done", "red,green,blue,acknowledged,new")
    assert len(service.servers()) == 1
    assert service.rollback("--level", "full", "--plan")["expected_s"] > 0


def test_without_a_usable_backup_it_is_one_line_and_nothing_is_touched(service, tmp_path):
    service.up()
    before = service.info()
    assert "no backup of stack default" in service.refused("--level", "full")
    assert "no such folder" in service.refused("--level", "full", "--backup", "nowhere")
    service.run("backup", "take", "dumped", "--method", "dump")
    assert "is a dump" in service.refused("--level", "full", "--backup", "dumped")
    service.run("backup", "take", "based", "--method", "base")
    data = max(
        (path for path in (tmp_path / "based" / "data").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)
    assert "its digest is another one" in service.refused("--level", "full", "--backup", "based", "--to", "good")
    service.run("up", "--target", str(service.folder / "released.toml"), "--name", "other")
    service.run("backup", "take", "others", "--name", "other")
    service.run("down", "--name", "other")
    assert "a backup of another stack" in service.refused("--level", "full", "--backup", "others")
    assert "level full alone" in service.refused("--level", "code", "--stop-at", "code", "--backup", "based")
    assert service.info() == before
    assert service.get("/items").text == "red,green,blue"


@pytest.mark.parametrize("room", ["looked at before", "gone meanwhile"])
def test_a_disk_that_is_full_changes_nothing(service, small_disk, monkeypatch, room):
    service.up()
    service.go_bad()
    before = service.info()
    monkeypatch.setenv("XDG_STATE_HOME", service.environment["XDG_STATE_HOME"])
    monkeypatch.setattr(database, "data_folder", lambda mark: small_disk / mark)
    if room == "gone meanwhile":
        monkeypatch.setattr(restoration, "_ROOM", 0.0)
    order = RollbackOrder(name="default", level="full", to=None, stop_at="full", rate=40)
    with pytest.raises(StackError) as refused:
        order_rollback(order, lambda _: None)
    said = refused.value.message
    assert "all is as it was" in said
    assert ("MiB are needed" if room == "looked at before" else "No space left on device") in said
    assert "\n" not in said
    assert list(small_disk.iterdir()) == []
    assert (service.info(), len(service.servers()), len(service.processes())) == (before, 1, 2)
    assert [line.get("outcome") for line in service.journal()][-1] == "back"
    monkeypatch.undo()
    assert service.rollback("--level", "full")["outcome"] == "done"


def test_a_stack_without_a_database_is_refused(tmp_path):
    service = Released(tmp_path)
    service.up()
    try:
        assert "level full sets a database back" in service.refused("--level", "full")
    finally:
        service.run("down")


def test_a_backup_whose_schema_the_release_does_not_know_changes_nothing(service):
    migrated = '[preflight]\nmigrations = "migrations"\nmigration_table = "applied"\nmigration_column = "name"\n'
    service.store_release("migrated", **{"migrations/0001_items.sql": "SELECT 1;"})
    service.git("tag", "migrated")
    service.describe(migrated)
    service.up()
    service.run_sql("CREATE TABLE applied (name text)")
    service.run("backup", "take", "early")
    service.run_sql("INSERT INTO applied VALUES ('0001_items')")
    before = service.info()
    refused = service.refused("--level", "full", "--backup", "early", "--to", "migrated")
    assert "all is as it was" in refused
    assert "needs migrations that are not applied: 0001_items.sql" in refused
    assert service.info() == before
    assert (len(service.servers()), len(service.processes())) == (1, 2)
    assert service.get("/items").text == "red,green,blue"
    assert "no unfinished rollback" in service.refused("--resume")


def test_where_the_code_was_not_at_fault_the_database_follows(service):
    service.up()
    service.go_bad()
    stopped = service.rollback("--level", "code", "--stop-at", "code", status=1)
    assert (stopped["level"], stopped["outcome"]) == ("code", "unverified")
    assert "GET /items answered 500" in stopped["problems"]
    done = service.rollback("--level", "full")
    assert (done["level"], done["outcome"], service.get("/items").text) == ("full", "done", "red,green,blue")


def test_a_rollback_of_code_that_is_not_verified_goes_on_with_the_database(service):
    service.up()
    service.go_bad()
    done = service.rollback("--level", "code")
    assert (done["level"], done["outcome"], done["problems"]) == ("full", "done", [])
    assert [(each["level"], each["outcome"]) for each in done["escalated_from"]] == [("code", "unverified")]
    assert service.get("/items").text == service.get("/kept").text == "red,green,blue"
    assert {service.get("/").text for _ in range(6)} == {"good"}


def test_a_database_whose_server_is_gone_comes_back_and_a_cache_that_is_gone_changes_nothing(service):
    service.up()
    service.roll("--env", "LEVEL=other")
    before = service.info()
    os.kill(before["pids"]["valkey"], signal.SIGSTOP)
    _, err = service.run("rollback", "--level", "full", status=4)
    assert "all is as it was: the cache cannot be reached" in err
    os.kill(before["pids"]["valkey"], signal.SIGCONT)
    assert (service.info(), len(service.servers()), len(service.processes())) == (before, 1, 2)
    os.kill(before["pids"]["postgres"], signal.SIGQUIT)
    assert "how much cannot be told" in service.rollback("--level", "full", "--plan")["notes"][-1]
    done = service.rollback("--level", "full")
    assert (done["outcome"], done["problems"], service.get("/items").text) == ("done", [], "red,green,blue")
    assert (len(service.servers()), service.info()["overrides"]) == (1, {})


def test_a_drill_corrupts_notices_restores_and_leaves_all_as_it_was(service):
    out, _ = service.run(
        "rollback", "--drill", "--level", "full", "--json", "--target", str(service.folder / "released.toml")
    )
    found = json.loads(out)
    assert found["ok"], found
    assert found["noticed"] == ["GET /items answered 500"]
    assert "/items" in found["alert"]["text"]
    assert (found["rollback"]["failed"], found["acknowledged"]["lost"], found["put_back"]) == (0, 0, [])
    assert found["acknowledged"]["before_end"] > 10
    run = service.folder / "reports" / "runs" / found["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    outcomes = {(line["check"], line["subject"]): line["outcome"] for line in lines}
    assert outcomes["rollback.full", "full"] == "pass"
    assert {subject for check, subject in outcomes if check == "rollback.step"} == {f"full {step}" for step in STEPS}
    service.run("verify", str(run))


def test_a_migration_that_fails_half_way_proves_nothing(service):
    (service.folder / "corrupt.sql").write_text("DELETE FROM items; SELECT 1 / 0;")
    _, err = service.run(
        "rollback", "--drill", "--level", "full", "--target", str(service.folder / "released.toml"), status=4
    )
    assert "corrupt.sql: the database refuses it: division by zero" in err


def test_a_migration_that_harms_nothing_proves_nothing(service):
    (service.folder / "corrupt.sql").write_text("SELECT 1")
    _, err = service.run(
        "rollback", "--drill", "--level", "full", "--target", str(service.folder / "released.toml"), status=4
    )
    assert "no smoke flow notices the release that was planted" in err
