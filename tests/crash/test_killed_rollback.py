"""A rollback whose harness is killed at a step, and then taken up: nothing is ever left between two releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.released_service import DRILL, WORKER, WORKERS, Released

STEPS = ("start", "switch", "workers", "record", "stop", "verify")

pytestmark = pytest.mark.timeout(400)
"""Each of them starts several commands."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Released]:
    made = Released(tmp_path, more=WORKERS + DRILL, **{"worker.py": WORKER})
    made.up()
    yield made
    made.run("down")


def said(service: Released) -> set[str]:
    url = service.info()["url"]
    return {httpx.get(url).text for _ in range(6)}


@pytest.mark.parametrize("step", STEPS)
def test_what_was_killed_at_a_step_is_finished(service, step):
    def begun(lines):
        return any(line["kind"] == "begun" and line["step"] == step for line in lines)

    service.kill_when(service.start("rollback", "--level", "code", "--json"), begun)
    # whatever it was at, whoever asks is answered by one release or the other
    assert said(service) <= {"one usual", "two usual"}
    if any(line["kind"] == "ended" for line in service.journal()):
        # it was too quick to be killed
        assert said(service) == {"one usual"}
        return
    assert "harness rollback --name default --resume" in service.refused("--level", "code")
    done = service.rollback("--resume")
    assert (done["outcome"], done["failed"]) == ("done", 0)
    assert said(service) == {"one usual"}
    assert (len(service.processes()), len(service.processes("worker.py"))) == (2, 2)
    assert len(service.info()["instances"]) == len(service.info()["workers"]) == 2
    assert "no unfinished rollback" in service.refused("--resume")


@pytest.mark.parametrize("step", ["start", "switch", "workers"])
def test_what_was_killed_before_the_point_of_no_return_can_go_back(service, step):
    before = service.info()

    def begun(lines):
        return any(line["kind"] == "begun" and line["step"] == step for line in lines)

    service.kill_when(service.start("rollback", "--level", "code", "--json"), begun)
    if any(line["kind"] in ("begun", "ended") and line["step"] in ("record", None) for line in service.journal()[1:]):
        assert "leads forward" in service.refused("--back") or service.journal()[-1]["kind"] == "ended"
        return
    service.run("rollback", "--back")
    assert said(service) == {"two usual"}
    assert service.info() == before
    assert (len(service.processes()), len(service.processes("worker.py"))) == (2, 2)
    assert service.rollback("--level", "code")["outcome"] == "done"
