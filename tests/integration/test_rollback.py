"""Releases rolled over a running stack and back, by the command line, with readers who come meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.released_service import Released


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
    assert (found["rollback"]["failed"], found["rollback"]["from"]) == (0, "planted")
    assert found["rto_s"] > 0
    assert {step["step"] for step in found["put_back"]} >= {"start", "switch", "stop"}


def test_a_drill_that_nobody_would_notice_proves_nothing(service):
    service.profile(more='[releases.drill]\nsettings = { LEVEL = "harmless" }\n')
    _, err = service.run(
        "rollback", "--drill", "--level", "config", "--target", str(service.folder / "released.toml"), status=4
    )
    assert "no smoke flow notices the release that was planted" in err
