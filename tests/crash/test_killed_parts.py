"""A part of a run that is killed in mid-run, or whose parent is: what the run says of it, and that nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

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


ASKS = """\
import pathlib, time, pytest

@pytest.mark.check("own.asked")
def test_asked(client):
    assert client.exchange("GET", "/").status < 500
    pathlib.Path(r"{folder}/begun").write_text("asked")
    deadline = time.monotonic() + 60
    while client.exchange("GET", "/").status < 500 and time.monotonic() < deadline:
        time.sleep(0.05)
"""


def test_what_ends_with_its_supervisor_is_not_the_services_fault(small: Small) -> None:
    small.suite(ASKS.format(folder=small.folder))
    process = small.start("gate", *small.aimed, "-n", "1")
    assert eventually((small.folder / "begun").exists, 60)
    [service] = [pid for pid, command in small.processes().items() if "service.py" in command]
    supervisor = psutil.Process(service).ppid()
    os.kill(supervisor, signal.SIGKILL)
    out, err = process.communicate(timeout=90)
    assert process.returncode in (3, 4), err
    assert "NO-GO" not in out
    assert "Traceback" not in err
    assert [line["check"] for line in small.evidence() if line["outcome"] == "fail"] == []
    told = {line["check"]: line["detail"]["reason"] for line in small.evidence() if line["outcome"] == "error"}
    assert f"supervisor {supervisor} of the stack was killed" in told["process.lives"]
    assert "supervisor of the stack does not answer" in told["own.asked"]
    assert eventually(lambda: not small.left()), small.left()
