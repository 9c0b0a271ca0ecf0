"""A rollback with its database whose harness is killed at a step: it goes on or back, and is never left between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stored_service import Stored

STEPS = ("restore", "database", "start", "switch", "workers", "record", "stop", "cache", "verify")
BACK = STEPS[: STEPS.index("record")]

pytestmark = pytest.mark.timeout(400)
"""Each of them starts several commands."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path)
    made.up()
    made.go_bad()
    yield made
    made.run("down")
    # in memory or in the temporary folder, nothing of the restored server is left
    assert not Path(made.planned).exists()


def kill_at(service: Stored, step: str) -> bool:
    """Kill a rollback once that step was begun; whether it was not too quick for that."""

    def begun(lines):
        # the newest journal is that of the way to the bad release at first
        is_ours = bool(lines) and lines[0]["plan"]["level"] == "full"
        return is_ours and any(line["kind"] == "begun" and line["step"] == step for line in lines)

    service.kill_when(service.start("rollback", "--level", "full", "--json"), begun)
    service.planned = service.journal()[0]["plan"]["restoring"]["data"]
    return not any(line["kind"] == "ended" for line in service.journal())


def parts(service: Stored) -> tuple[int, int, int]:
    return len(service.servers()), len(service.processes()), len(service.processes("worker.py"))


@pytest.mark.parametrize("step", STEPS)
def test_what_was_killed_at_a_step_is_finished(service, step):
    if kill_at(service, step):
        # one release or the other answers, each over its own database
        said = {(service.get("/").text, service.get("/items").status_code) for _ in range(4)}
        assert said <= {("bad", 500), ("good", 200)}
        assert "--resume" in service.refused("--level", "full")
        done = service.rollback("--resume")
        assert (done["outcome"], done["problems"]) == ("done", [])
    assert {service.get("/").text for _ in range(4)} == {"good"}
    assert service.get("/items").text == service.get("/kept").text == "red,green,blue"
    assert parts(service) == (1, 2, 1)


@pytest.mark.parametrize("step", BACK)
def test_what_was_killed_before_the_point_of_no_return_can_go_back(service, step):
    before = service.info()
    is_broken_off = kill_at(service, step)
    if not is_broken_off or any(line["step"] == "record" for line in service.journal()[1:]):
        pytest.skip("it was too quick to be killed there")
    service.run("rollback", "--back")
    assert service.info() == before
    assert (service.get("/").text, service.get("/items").status_code) == ("bad", 500)
    assert parts(service) == (1, 2, 1)
    assert not Path(service.planned).exists()
    assert service.rollback("--level", "full")["outcome"] == "done"
    assert service.get("/items").text == "red,green,blue"
