"""Releases rolled over a running stack and back, by the command line, with readers who come meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.released_service import DRILL, SERVICE, WORKER, WORKERS, Released

pytestmark = pytest.mark.timeout(400)
"""Each of them starts several commands, and a drill waits until it has the machine to itself."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Released]:
    made = Released(tmp_path)
    yield made
    made.run("down")


def said(service: Released) -> set[str]:
    """What the copies behind the proxy say of themselves."""
    url = service.info()["url"]
    return {httpx.get(url).text for _ in range(6)}


def test_code_goes_back_to_the_newest_tag_of_another_commit_and_no_request_fails(service):
    service.up()
    assert said(service) == {"two usual"}
    plan = service.rollback("--level", "code", "--plan")
    assert (plan["to"], [step["step"] for step in plan["steps"]]) == (
        "one",
        ["start", "switch", "record", "stop", "verify"],
    )
    assert said(service) == {"two usual"}
    done = service.rollback("--level", "code")
    assert (done["outcome"], done["failed"], done["down_s"], done["problems"]) == ("done", 0, 0.0, [])
    assert done["requests"] > 20
    assert said(service) == {"one usual"}
    assert len(service.processes()) == 2
    # and what ran before is where another rollback of code leads
    assert service.rollback("--level", "code")["outcome"] == "done"
    assert said(service) == {"two usual"}
    # a plan knows now how long each step took
    assert service.rollback("--level", "code", "--plan")["expected_s"] > 0


POLICY = """\
schema = 1
extends = "watch"
[watch]
scale = 0.001
every_s = 0.05
[[watch.slo]]
name = "availability"
objective = 0.999
"""


def test_a_watch_rolls_back_what_an_alert_pages_for(service):
    policy = service.folder / "quick.toml"
    policy.write_text(POLICY)
    watch = ("watch", "--name", "default", "--policy", str(policy), "--rollback", "config", "--json")
    service.up("--env", "COLOUR=green")
    # there is nothing to go back to yet
    assert "no earlier settings" in service.run(*watch, status=2)[1]
    service.run("up", "--target", str(service.folder / "released.toml"), "--roll", "--env", "LEVEL=bad", status=1)
    assert said(service) == {"two bad"}
    out = service.run(*watch, "--for", "60s", status=1)[0]
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(each["type"], each.get("verdict", each.get("outcome"))) for each in lines[-2:]] == [
        ("verdict", "NO-GO"),
        ("rollback", "done"),
    ]
    assert said(service) == {"two usual"}


def test_bad_settings_go_back_to_those_before(service):
    service.up("--env", "COLOUR=green")
    rolled = service.run(
        "up", "--target", str(service.folder / "released.toml"), "--roll", "--env", "LEVEL=bad", status=1
    )
    assert "GET /items answered 500" in rolled[0]
    assert said(service) == {"two bad"}
    done = service.rollback("--level", "config")
    assert (done["outcome"], done["failed"]) == ("done", 0)
    assert said(service) == {"two usual"}
    assert service.info()["overrides"] == {"COLOUR": "green"}


def test_a_release_that_does_not_start_changes_nothing(service):
    service.up()
    before = service.info()
    _, err = service.roll("--env", "LEVEL=broken", status=4)
    assert "the setting is broken" in err
    assert "all is as it was" in err
    assert said(service) == {"two usual"}
    assert service.info() == before
    assert len(service.processes()) == 2
    assert service.rollback("--level", "code")["outcome"] == "done"


def test_up_starts_an_older_release(service):
    service.up("--release", "one")
    assert said(service) == {"one usual"}
    assert service.rollback("--level", "code", "--to", "two")["outcome"] == "done"
    assert said(service) == {"two usual"}


def test_a_named_release_has_its_folder_and_its_settings(service):
    more = '[releases.named.blue]\nref = "one"\nsettings = { LEVEL = "blue" }\n'
    service.profile(more=more + '[releases.named.calm]\nsettings = { LEVEL = "calm" }\n')
    service.up()
    assert service.rollback("--level", "config", "--to", "calm")["outcome"] == "done"
    assert said(service) == {"two calm"}
    assert service.rollback("--level", "code", "--to", "blue")["outcome"] == "done"
    assert said(service) == {"one blue"}


def test_what_cannot_be_is_one_line_and_changes_nothing(service):
    service.profile(more='[releases.drill]\nsettings = { LEVEL = "bad" }\n')
    assert "no stack 'default' runs" in service.refused("--level", "code")
    service.up()
    before = service.info()
    assert "no earlier settings" in service.refused("--level", "config")
    assert "no release 'three'" in service.refused("--level", "code", "--to", "three")
    assert "the code that runs already" in service.refused("--level", "code", "--to", "two")
    assert "no unfinished rollback" in service.refused("--resume")
    assert "not ours" in service.refused("--level", "code", "--url", before["url"])
    service.git("tag", "-d", "one")
    assert "no previous release" in service.refused("--level", "code")
    assert service.info() == before


def test_a_stack_without_a_proxy_is_named(service):
    service.run("up", "--target", str(service.folder / "released.toml"))
    assert "start it with: harness up --name default --instances 2" in service.refused("--level", "code")


def test_of_two_rollbacks_at_once_one_is_refused(service):
    service.up()
    first = service.start("rollback", "--level", "code", "--json")
    deadline = time.monotonic() + 20
    while not service.journal() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert "is being rolled back by another process" in service.refused("--level", "code")
    out, err = first.communicate(timeout=60)
    assert json.loads(out)["outcome"] == "done", err
    assert said(service) == {"one usual"}


@pytest.mark.parametrize("level", ["config", "code"])
def test_a_drill_plants_notices_goes_back_and_puts_everything_back(service, level):
    out, _ = service.run(
        "rollback", "--drill", "--level", level, "--json", "--target", str(service.folder / "released.toml")
    )
    found = json.loads(out)
    assert found["ok"], found
    assert found["noticed"] == ["GET /items answered 500"]
    assert "/items" in found["alert"]["text"]
    assert 0 < found["alert"]["began_s"] < 15
    assert found["rto_s"] < found["alert"]["ended_s"] < 15
    assert (found["rollback"]["failed"], found["rollback"]["from"]) == (0, "planted")
    assert found["rto_s"] > 0
    assert {step["step"] for step in found["put_back"]} >= {"start", "switch", "stop"}


def test_a_drill_that_nobody_would_notice_proves_nothing(service):
    service.profile(more='[releases.drill]\nsettings = { LEVEL = "harmless" }\n')
    _, err = service.run(
        "rollback", "--drill", "--level", "config", "--target", str(service.folder / "released.toml"), status=4
    )
    assert "no smoke flow notices the release that was planted" in err


def test_a_rollback_that_is_interrupted_leaves_all_as_it_was(service):
    service.up()
    before = service.info()
    process = service.start("rollback", "--level", "code")
    deadline = time.monotonic() + 30
    while not any(line["kind"] == "begun" for line in service.journal()) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert said(service) in ({"two usual"}, {"one usual"})
    assert len(service.processes()) == 2
    assert "no unfinished rollback" in service.refused("--resume")
    assert (service.info() == before) == (said(service) == {"two usual"})


MIGRATED = """
[preflight]
migrations = "migrations"
migration_table = "applied"
migration_column = "name"

[releases]
expand_only = [{declared}]
"""
FIRST = "CREATE TABLE deals (id int PRIMARY KEY);"
SECOND = "ALTER TABLE deals ADD COLUMN note text;"


def test_code_that_does_not_know_the_schema_is_refused_with_what_a_way_back_would_lose(service):
    service.release("old", **{"migrations/0001_deals.sql": FIRST})
    service.git("tag", "old")
    service.release("new", **{"migrations/0002_note.sql": SECOND})
    service.profile(needs='"postgres"', more=MIGRATED.format(declared=""))
    service.up()
    with psycopg.connect(service.info()["database_url"]) as connection:
        connection.execute(FIRST + SECOND)
        connection.execute("CREATE TABLE applied (name text); INSERT INTO applied VALUES ('0001_deals'), ('0002_note')")
        connection.execute("INSERT INTO deals VALUES (1, 'held'), (2, NULL), (3, 'too')")
    before = service.info()
    said_of_it = service.refused("--level", "code")
    assert "does not know migration 0002_note" in said_of_it
    assert "column deals.note (2 rows)" in said_of_it
    assert service.info() == before
    service.profile(needs='"postgres"', more=MIGRATED.format(declared='"0002_note"'))
    done = service.rollback("--level", "code")
    assert (done["outcome"], done["to"], done["failed"]) == ("done", "old", 0)
    with psycopg.connect(service.info()["database_url"]) as connection:
        assert connection.execute("SELECT count(note) FROM deals").fetchone() == (2,)
        connection.execute("DELETE FROM applied WHERE name = '0002_note'")
    assert "needs migrations that are not applied: 0002_note.sql" in service.refused("--level", "code", "--to", "HEAD")


def test_after_a_rollback_the_stack_is_not_taken_for_the_build_of_the_profile(service):
    service.up()
    service.rollback("--level", "code")
    _, err = service.run("up", "--target", str(service.folder / "released.toml"), "--instances", "2", status=2)
    assert "it runs build" in err
    service.rollback("--level", "code")
    service.up()


def test_where_a_worker_does_not_start_the_former_copies_are_asked_again(service):
    service.release("three", **{"worker.py": WORKER})
    service.profile(more=WORKERS + DRILL)
    service.up()
    before = service.info()
    _, err = service.roll("--env", "LEVEL=lame", status=4)
    assert "did not take over, and all is as it was" in err
    assert "the worker cannot work so" in err
    assert [line["step"] for line in service.journal() if line["kind"] == "done"] == ["start", "switch"]
    assert said(service) == {"three usual"}
    assert service.info() == before
    assert (len(service.processes()), len(service.processes("worker.py"))) == (2, 2)
    # and a release whose workers do start takes their place
    service.roll("--env", "LEVEL=fine")
    assert said(service) == {"three fine"}
    assert (len(service.processes()), len(service.processes("worker.py"))) == (2, 2)
    assert {one["pid"] for one in service.info()["workers"]}.isdisjoint(one["pid"] for one in before["workers"])


def test_one_instance_behind_tls_is_moved_too(service):
    service.run("up", "--target", str(service.folder / "released.toml"), "--tls")
    done = service.rollback("--level", "code")
    assert (done["outcome"], done["failed"], len(service.processes())) == ("done", 0, 1)


def test_where_the_settings_were_not_at_fault_the_code_follows(service):
    bad = SERVICE.format(release="three").replace(' and LEVEL == "bad"', "")
    service.program(bad)
    service.git("tag", "three")
    service.up()
    service.roll("--env", "LEVEL=other", status=1)
    stopped = service.rollback("--level", "config", "--stop-at", "config", status=1)
    assert (stopped["outcome"], stopped["escalated_from"]) == ("unverified", [])
    assert "GET /items answered 500" in stopped["problems"]
    assert said(service) == {"three usual"}
    done = service.rollback("--level", "config")
    assert (done["level"], done["to"], done["outcome"]) == ("code", "two", "done")
    assert [(each["level"], each["outcome"]) for each in done["escalated_from"]] == [("config", "unverified")]
    assert said(service) == {"two other"}
    assert "it begins at --level code" in service.refused("--level", "code", "--stop-at", "config")
