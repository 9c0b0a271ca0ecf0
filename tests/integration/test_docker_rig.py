"""The fixture `rig` in a real session on Docker: it is made of containers, and has the time that they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.stack.supervisor.process import MARK
from tests.docker_target import DOCKERFILE, PROGRAM, left_of
from tests.suite_session import Bench

SUITE = f"""
from pathlib import Path
import pytest
from harness.probes.http import ServiceUnavailable

pytestmark = [pytest.mark.breaks, pytest.mark.rig(instances=2)]

def test_killed(rig):
    Path(__file__).with_name("used").write_text(rig.info.settings["{MARK}"])
    one, two = rig.instances
    assert (rig.info.backend, one.pid) == ("docker", None)
    rig.kill(one)
    with pytest.raises(ServiceUnavailable):
        rig.client(one).exchange("GET", "/")
    assert rig.client(two).exchange("GET", "/").json()["env"]["HOSTNAME"] == "service-2"
    rig.start(one)
    assert rig.client(one).exchange("GET", "/").json()["env"]["HOSTNAME"] == "service-1"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A profile whose service is built and run in a container."""
    made = Bench(tmp_path)
    made.describe(service=PROGRAM)
    built = 'command = ["python3", "/srv/service.py"]\ndockerfile = "Dockerfile"\ncontainer_port = 8123'
    made.profile.write_text(made.profile.read_text().replace('command = ["python", "service.py"]', built))
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return made


def test_it_is_made_of_containers_as_the_stack_of_the_session_is(engine: Any, bench: Bench) -> None:
    file = bench.suite(SUITE)
    # shorter than any stack of containers takes
    ended = bench.run_in_gate("-o", "timeout=0.3", backend="docker")
    assert ended.status == 0, ended.out + ended.err
    assert ended.the("probe.killed")["outcome"] == "pass"
    faults = [f"{line['check']} {line['subject']}" for line in ended.lines if line["check"].startswith("fault.")]
    assert faults == ["fault.begun kill service-1", "fault.ended kill service-1"]
    assert left_of(engine, file.with_name("used").read_text()) == []


@pytest.mark.usefixtures("engine")
def test_a_tests_own_time_out_is_its_own(bench: Bench) -> None:
    bench.suite(SUITE.replace("def test_killed", "@pytest.mark.timeout(0.3)\ndef test_killed"))
    ended = bench.run_in_gate(backend="docker")
    assert ended.the("probe.killed")["detail"]["reason"] == "the test's own time-out"
