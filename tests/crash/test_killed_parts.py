"""A part of a run that is killed in mid-run, or whose parent is: what the run says of it, and that nothing is left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.stack.supervisor.process import is_alive
from harness.stack.supervisor.registry import home_folder
from tests.gate_target import Small, make_small
from tests.stack_target import eventually

HOLDS = """\
import os, pathlib, time, pytest

@pytest.mark.check("own.held")
@pytest.mark.parametrize("number", [1, 2])
def test_held(number, tmp_path):
    begun = pathlib.Path(r"{folder}/begun")
    if begun.exists():
        assert number
        return
    begun.write_text(f"{{os.getpid()}} {{tmp_path}}")
    time.sleep(90)
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.end()


def held_worker(small: Small) -> tuple[int, Path]:
    """A test process in the middle of a test, and a folder of that test."""
    begun = small.folder / "begun"
    assert eventually(lambda: begun.exists() and " " in begun.read_text(), 60)
    pid, _, folder = begun.read_text().partition(" ")
    return int(pid), Path(folder)


def load_processes(small: Small) -> dict[str, int]:
    """Locust's process and the canary's, by the name of their program."""
    names = ("harness.load.process", "canary_server.py")
    return {name: pid for pid, command in small.processes().items() for name in names if name in command}


def started_load(small: Small) -> dict[str, int]:
    """The processes of a load that has begun."""
    assert eventually(lambda: len(load_processes(small)) == 2, 60), small.processes()
    return load_processes(small)


ASKS = """\
import os, pathlib, time, pytest

@pytest.mark.check("own.first")
def test_first(client):
    assert client.get("/").status_code == 200
    pathlib.Path(r"{folder}/begun").write_text(f"{{os.getpid()}} -")
    deadline = time.monotonic() + 60
    while not pathlib.Path(r"{folder}/go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

@pytest.mark.check("own.second")
def test_second(client):
    assert client.get("/").status_code == 200

@pytest.mark.check("own.figure")
def test_measures(measure):
    measure("own.figure", 9.0, unit="ms", statistic="p95", interval=(8.0, 10.0), n=100)
"""
FIGURE = """
[[criterion]]
id = "own.figure"
area = "load"
requires = "Fast."
select = {{ check = "own.figure" }}
demand = {{ stat = "p95", op = "<=", value = 5, unit = "ms" }}
"""
SUPERVISOR = re.compile(rb"HARNESS_SUPERVISOR=([0-9a-f]+)")
SAID = {"postgres": "database", "valkey": "cache", "smtp": "mail server", "front": "proxy in front"}
NEEDS = 'needs = ["postgres", "valkey", "smtp"]'
"""Of a service that dies with its servers, as many do."""


def part_of(small: Small, part: str) -> int:
    """The pid of one of our own processes of the gate's stack."""
    for pid in small.processes():
        with contextlib.suppress(OSError):
            found = SUPERVISOR.search(Path(f"/proc/{pid}/environ").read_bytes())
            state = home_folder(found[1].decode()) / "state/stack.json" if found else None
            if state is not None and state.is_file():
                break
    else:
        raise AssertionError(f"no supervisor of a stack among {small.processes()}")
    info = json.loads(state.read_text())
    return int(info["supervisor_pid"] if part == "supervisor" else info["pids"][part])


@pytest.mark.parametrize(
    ("part", "number"),
    [("supervisor", signal.SIGTERM), *((part, signal.SIGKILL) for part in ("supervisor", *SAID))],
)
def test_what_we_lost_ourselves_is_no_failure_of_the_service(tmp_path: Path, part: str, number: signal.Signals) -> None:
    small = make_small(tmp_path / "small", NEEDS if part in ("postgres", "valkey", "smtp") else "")
    profile = re.sub(r"^(database|cache|mail) = .*\n", "", small.profile.read_text(), flags=re.MULTILINE)
    small.profile.write_text(profile)
    small.suite(ASKS.format(folder=small.folder))
    with small.policy.open("a") as policy:
        policy.write(FIGURE.format())
    instances = ("--instances", "2") if part == "front" else ()
    try:
        process = small.start("gate", *small.aimed, "-n", "1", *instances)
        held_worker(small)
        pid = part_of(small, part)
        service = [pid for pid, command in small.processes().items() if command.endswith("service.py")]
        os.kill(pid, number)
        assert eventually(lambda: not is_alive(pid))
        # a service that ends with its servers, as many do, or with its supervisor
        for each in service:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        (small.folder / "go").touch()
        out, err = process.communicate(timeout=90)
        assert process.returncode == 3, out + err
        assert "INCONCLUSIVE" in out
        assert [line["check"] for line in small.evidence() if line["outcome"] == "fail"] == []
        [note] = [line for line in err.splitlines() if "says nothing of the service" in line]
        assert SAID.get(part, "supervisor was ended from outside") in note
        assert "Traceback" not in err
        assert eventually(lambda: not small.left()), small.left()
    finally:
        small.end()


def test_a_supervisor_killed_while_the_service_starts_is_exit_4(tmp_path: Path) -> None:
    small = make_small(tmp_path / "small", 'prepare = [["sh", "-c", "touch ../begun; sleep 60"]]')
    try:
        process = small.start("gate", *small.aimed)
        assert eventually((tmp_path / "begun").exists, 60)
        os.kill(part_of(small, "supervisor"), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 4, err
        assert "supervisor" in err.splitlines()[0]
        assert "was killed by signal 9" in err.splitlines()[0]
        assert eventually(lambda: not small.left()), small.left()
    finally:
        small.end()


LOAD = ("load", "--rate", "20", "--duration", "60s", "--path", "/")


def test_a_killed_test_process_costs_its_test_and_leaves_nothing(small: Small) -> None:
    small.suite(HOLDS.format(folder=small.folder))
    process = small.start("gate", *small.aimed, "-n", "2")
    worker, folder = held_worker(small)
    assert "pytest" not in small.processes()[worker], "the worker, not pytest itself"
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 3, err
    assert "INCONCLUSIVE" in out
    assert "Traceback" not in err
    found = sorted((line["check"], line["outcome"]) for line in small.evidence() if line["suite"] == "own")
    assert found == [("own.held", "pass"), ("worker.crashed", "error")]
    assert small.left() == []
    assert not folder.exists()


def test_a_killed_pytest_takes_its_test_processes_along(small: Small) -> None:
    small.suite(HOLDS.format(folder=small.folder))
    process = small.start("gate", *small.aimed, "-n", "2")
    worker, folder = held_worker(small)
    pytest_pid = small.pytest_pid()
    assert pytest_pid is not None
    os.kill(pytest_pid, signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 3, err
    assert "suite.crashed" in [line["check"] for line in small.evidence()]
    assert eventually(lambda: not small.left()), small.left()
    assert worker not in small.processes()
    assert not folder.exists()


def test_a_killed_locust_is_exit_3_in_one_line_and_leaves_nothing(small: Small) -> None:
    process = small.start(*LOAD, "--target", str(small.profile), "--out", str(small.out))
    os.kill(started_load(small)["harness.load.process"], signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 3, err
    [error] = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "Locust was killed by signal 9 before it was done" in error
    assert "Traceback" not in err
    assert small.left() == []


def test_a_killed_load_leaves_nothing(small: Small) -> None:
    process = small.start(*LOAD, "--target", str(small.profile), "--out", str(small.out))
    started_load(small)
    process.kill()
    process.communicate(timeout=60)
    assert eventually(lambda: not small.left()), small.left()


def test_what_a_gate_left_that_was_killed_with_its_supervisor_goes_at_the_next_start(small: Small) -> None:
    small.suite(HOLDS.format(folder=small.folder))
    process = small.start("gate", *small.aimed, "-n", "2")
    _, folder = held_worker(small)
    supervisor = part_of(small, "supervisor")
    process.send_signal(signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    process.kill()
    process.communicate()
    again = small.harness("gate", *small.aimed)
    assert again.returncode == 3, again.stderr
    assert eventually(lambda: not small.left()), small.left()
    assert not folder.exists()
