"""`harness up`, `down`, `status`, `logs`: a stack that stays, as a person meets it on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.stack import open_stack
from tests.stack_desk import Desk
from tests.stack_target import eventually, folders_of, listens, marked_processes


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for name in ("default", "other"):
        made.run("down", "--name", name)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].split("/")[0])


def test_workers_are_counted_in_status_and_a_dead_one_is_noticed(desk: Desk) -> None:
    _, err = desk.up("--workers", "1", status=2)
    assert "has no [workers] command; add it" in err
    with desk.profile.open("a") as profile:
        profile.write('[workers]\ncommand = ["python", "-c", "import time; print(1, flush=True); time.sleep(600)"]\n')
        profile.write('ready = "1"\n')
    desk.up("--workers", "2")
    pids = [worker["pid"] for worker in desk.status()["workers"]]
    assert len(set(pids)) == 2
    assert "worker-2 | 1" in desk.run("logs")[0]
    _, err = desk.up(status=2)
    assert "it has 2 workers, not 1; end it first" in err
    os.kill(pids[0], signal.SIGKILL)
    assert eventually(lambda: "worker-1 has ended" in desk.run("status")[1])
    _, err = desk.up("--workers", "2")
    assert "was up but not well (worker-1 has ended); started anew" in err


def test_up_stays_status_finds_it_and_down_leaves_nothing(desk: Desk) -> None:
    up = json.loads(desk.up("--json")[0])
    assert set(up) == {
        "name", "backend", "url", "database_url", "redis_url", "smtp_url", "mailbox_url", "ca_file", "instances",
        "workers",
    }  # fmt: skip
    assert (up["name"], up["backend"], up["database_url"]) == ("default", "embedded", None)
    assert [instance["url"] for instance in up["instances"]] == [up["url"]]
    assert desk.status() == up
    mark = desk.keeper()["mark"]
    assert listens(port_of(up["url"]))
    assert "stack default stopped" in desk.run("down")[0]
    assert not listens(port_of(up["url"]))
    assert marked_processes(mark) == []
    assert folders_of(mark) == []
    assert not (desk.folder / "state" / "harness" / "stacks" / "default").exists()


def test_down_of_nothing_is_no_error_and_status_of_nothing_has_no_backend(desk: Desk) -> None:
    assert "no stack default is up" in desk.run("down")[0]
    assert desk.status()["backend"] is None
    assert "harness up" in desk.run("status")[0]


def test_up_twice_is_the_same_stack(desk: Desk) -> None:
    first = json.loads(desk.up("--json")[0])
    out, err = desk.up("--json")
    assert json.loads(out) == first
    assert "is up already" in err


def test_two_at_once_of_one_name_are_one_stack(desk: Desk) -> None:
    racers = [desk.start("up", "--target", str(desk.profile), "--json") for _ in range(3)]
    answers = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    assert answers[0] == answers[1] == answers[2]


def test_stacks_of_two_names_stand_side_by_side(desk: Desk) -> None:
    one = json.loads(desk.up("--json")[0])
    two = json.loads(desk.up("--json", "--name", "other")[0])
    assert one["url"] != two["url"]
    desk.run("down", "--name", "other")
    assert desk.status() == one


def test_instances_and_overrides(desk: Desk) -> None:
    up = json.loads(desk.up("--json", "--instances", "2", "--env", "MODE=two")[0])
    assert len({instance["url"] for instance in up["instances"]}) == 2


@pytest.mark.parametrize(
    ("change", "words", "difference"),
    [
        ({"name": "tiny"}, (), "its target is small, not tiny"),
        ({}, ("--env", "MODE=two"), "its --env is empty, not MODE=two"),
        ({"mode": "two"}, (), "profile or source have changed"),
        ({}, ("--instances", "2"), "it has 1 instances, not 2"),
        ({}, ("--stack", "docker"), "its backend is embedded, not docker"),
        ({}, ("--port", "1"), "not at port 1"),
    ],
)
def test_another_stack_under_the_same_name_is_refused(
    desk: Desk, change: dict[str, str], words: tuple[str, ...], difference: str
) -> None:
    desk.up()
    desk.write(**change)
    _, err = desk.up(*words, status=2)
    assert err.startswith("error: stack 'default' is up")
    assert difference in err.splitlines()[0]
    assert "harness down" in err.splitlines()[0]


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True)


def test_changed_source_is_another_build(desk: Desk) -> None:
    git(desk.folder, "init", "-q")
    (desk.folder / ".gitignore").write_text("state\n")
    git(desk.folder, "add", "-A")
    git(desk.folder, "commit", "-qm", "one")
    desk.up()
    assert "is up already" in desk.up()[1]
    (desk.folder / "service.py").write_text((desk.folder / "service.py").read_text() + "# changed\n")
    assert "profile or source have changed" in desk.up(status=2)[1]


def test_a_commit_elsewhere_in_the_repository_changes_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "service").mkdir()
    desk = Desk(tmp_path / "service")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    # the state folder lies in the service's folder here, and is none of its source
    desk.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    desk.up()
    git(tmp_path, "commit", "-qm", "two", "--allow-empty")
    try:
        assert "is up already" in desk.up()[1]
    finally:
        desk.run("down")


def test_a_sick_stack_is_started_anew(desk: Desk) -> None:
    first = json.loads(desk.up("--json")[0])
    os.kill(first["instances"][0]["pid"], signal.SIGKILL)
    assert eventually(lambda: not listens(port_of(first["url"])))
    out, err = desk.up("--json")
    assert "not well" in err
    assert listens(port_of(json.loads(out)["url"]))


def test_mode_reuse_never_starts_one(desk: Desk) -> None:
    _, err = desk.up("--mode", "reuse", status=2)
    assert err.startswith("error: --mode reuse: no stack 'default' is up")
    first = json.loads(desk.up("--json")[0])
    assert json.loads(desk.up("--json", "--mode", "reuse")[0]) == first
    _, err = desk.up("--mode", "reuse", "--env", "MODE=two", status=2)
    assert "its --env is empty, not MODE=two" in err
    os.kill(first["instances"][0]["pid"], signal.SIGKILL)
    assert eventually(lambda: not listens(port_of(first["url"])))
    _, err = desk.up("--mode", "reuse", status=2)
    assert "is up but not well" in err


def test_mode_fresh_takes_the_place_of_whatever_is_up(desk: Desk) -> None:
    first = json.loads(desk.up("--json")[0])
    keeper = desk.keeper()
    out, err = desk.up("--json", "--mode", "fresh", "--env", "MODE=two")
    assert json.loads(out)["instances"][0]["pid"] != first["instances"][0]["pid"]
    assert "ended the stack default that was up" in err
    assert marked_processes(keeper["mark"]) == []
    assert folders_of(keeper["mark"]) == []


def test_what_a_dead_stack_left_is_cleared_and_said(desk: Desk) -> None:
    desk.up()
    keeper = desk.keeper()
    os.kill(keeper["pid"], signal.SIGKILL)
    assert eventually(lambda: not marked_processes(keeper["mark"]))
    assert desk.status()["backend"] is None
    assert "cleared up" in desk.up()[1]
    assert folders_of(keeper["mark"]) == []


def test_down_never_signals_a_recycled_pid(desk: Desk) -> None:
    desk.up()
    keeper = desk.keeper()
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        place = desk.folder / "state" / "harness" / "stacks" / "default" / "keeper.json"
        os.kill(keeper["pid"], signal.SIGTERM)
        assert eventually(lambda: not place.exists())
        place.parent.mkdir()
        place.write_text(json.dumps({**keeper, "pid": innocent.pid}))
        desk.run("down")
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_down_never_signals_what_has_the_same_pid_in_another_container(desk: Desk) -> None:
    desk.up()
    place = desk.folder / "state" / "harness" / "stacks" / "default" / "keeper.json"
    ours = place.read_text()
    place.write_text(json.dumps({**desk.keeper(), "namespace": "pid:[1]"}))
    _, err = desk.run("down", status=4)
    assert err == "error: stack 'default' runs in another container, which sees other processes; end it there\n"
    place.write_text(ours)
    assert desk.status()["backend"] == "embedded"


def test_a_service_that_fails_shows_its_last_lines_under_one_clear_line(desk: Desk) -> None:
    out, err = desk.up("--env", "FAIL=3", status=4)
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("error: the service exited with status 3")
    assert lines[1:] == [f"line {number}" for number in range(10, 30)]
    assert desk.status()["backend"] is None


def test_logs_of_all_and_of_one(desk: Desk) -> None:
    desk.up()
    assert "service-1 | the service begins" in desk.run("logs")[0]
    assert desk.run("logs", "service-1")[0] == "the service begins\n"
    assert json.loads(desk.run("logs", "--json")[0])["logs"]["service-1"] == "the service begins\n"
    _, err = desk.run("logs", "nobody", status=2)
    assert "it has: service-1, valkey" in err


def test_followed_logs_end_with_the_stack(desk: Desk) -> None:
    desk.up()
    follower = desk.start("logs", "-f", "service-1")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "the service begins\n"
    desk.run("down")
    assert follower.wait(timeout=20) == 0
    for pipe in (follower.stdout, follower.stderr):
        assert pipe is not None
        pipe.close()


def test_logs_of_nothing_is_a_clear_line(desk: Desk) -> None:
    assert "start it: harness up" in desk.run("logs", status=2)[1]


def test_an_up_stack_can_be_opened_by_another_process(desk: Desk) -> None:
    up = json.loads(desk.up("--json")[0])
    with open_stack(desk.folder / "state" / "harness" / "stacks" / "default" / "stack.json") as opened:
        assert opened.info.owned
        assert listens(port_of(opened.start_instance({}).url))
    assert listens(port_of(up["url"]))


def test_interrupted_up_leaves_nothing(desk: Desk) -> None:
    process = desk.start("up", "--target", str(desk.profile), "--env", "DELAY=30")
    log = desk.folder / "state" / "harness" / "stacks" / "default" / "logs" / "service-1.log"
    assert eventually(lambda: log.exists() and "begins" in log.read_text())
    mark = desk.keeper()["mark"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in err
    assert marked_processes(mark) == []
    assert folders_of(mark) == []


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden"])
def test_a_name_that_is_no_word_is_refused(desk: Desk, name: str) -> None:
    assert "a stack's name is letters" in desk.run("status", "--name", name, status=2)[1]


def test_an_empty_name_is_refused(desk: Desk) -> None:
    assert "--name': it is empty" in desk.run("status", "--name", "", status=2)[1]
