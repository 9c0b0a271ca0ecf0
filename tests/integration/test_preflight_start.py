"""How a service starts, checked with real processes: a log without warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from harness.model import Observation, Outcome, StackInfo, Target, Workers
from harness.preflight import LIVE, Scene, run_check
from harness.stack import launch
from tests.stack_target import PROGRAM, eventually, small_target

WORKER = """\
import os, sys, time
print(os.environ.get("WORKER_SAYS", "INFO"), file=sys.stderr, flush=True)
print("worker works", flush=True)
time.sleep(600)
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Says `SAYS` at its start, and `LATER` when it is asked for /later."""
    made = small_target(tmp_path, workers=Workers(command=("python", "worker.py"), ready="worker works"))
    later = 'if self.path == "/later": boast("ERROR: too late")\n        '
    program = PROGRAM.replace("status = 503 if", f"{later}status = 503 if")
    (tmp_path / "service.py").write_text(program.replace('boast("the service begins")', 'boast(os.environ["SAYS"])'))
    (tmp_path / "worker.py").write_text(WORKER)
    return made


def asked(name: str, target: Target, info: StackInfo) -> Observation:
    check = next(check for check in LIVE if check.id == f"preflight.{name}")
    return run_check(check, Scene(target=target, info=info))


def test_a_start_without_warnings_passes(target: Target) -> None:
    with launch(target, overrides={"SAYS": "INFO: begins"}) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.outcome is Outcome.PASS, line.detail["message"]
    assert line.n == 3


def test_a_warning_at_the_start_is_shown_with_file_and_line(target: Target) -> None:
    overrides = {"SAYS": "begins\nWARNING: no key\nsay.py:1: DeprecationWarning: old"}
    with launch(target, overrides=overrides) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.outcome is Outcome.FAIL
    assert "service-1.log:2: WARNING: no key; service-1.log:3: say.py:1: Depr" in line.detail["message"]


def test_a_warning_that_the_profile_knows_is_none(target: Target) -> None:
    with launch(target, overrides={"SAYS": "WARNING: development server\nWARNING: no key"}) as stack:
        knows = replace(target, known_warnings=("development server",))
        one = asked("clean_start", knows, stack.info)
        both = asked("clean_start", replace(target, known_warnings=("development server", "no key")), stack.info)
    assert one.detail["complaints"] == ["service-1.log:2: WARNING: no key"]
    assert (both.outcome, both.detail["known"]) == (Outcome.PASS, 2)


def test_a_workers_warning_counts_too(target: Target) -> None:
    with launch(target, overrides={"SAYS": "begins", "WORKER_SAYS": "ERROR no work"}) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.detail["complaints"] == ["worker-1.log:1: ERROR no work"]


def test_what_is_logged_once_it_is_ready_is_no_part_of_the_start(target: Target) -> None:

    with launch(target, overrides={"SAYS": "begins"}) as stack:
        httpx.get(f"{stack.info.url}/later", trust_env=False)
        log = Path(stack.info.logs["service-1"])
        assert eventually(lambda: "too late" in log.read_text())
        assert asked("clean_start", target, stack.info).outcome is Outcome.PASS


def test_the_log_of_somebody_elses_service_is_not_known(target: Target) -> None:
    info = StackInfo(name="x", backend="attach", target="small", url="http://127.0.0.1:1", owned=False)
    line = asked("clean_start", replace(target, workers=Workers()), info)
    assert (line.outcome, line.detail["counts"]) == (Outcome.SKIP, True)
