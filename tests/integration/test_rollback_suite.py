"""Suite `rollback` on services that it has never seen: a sound one, and some from which there is no good way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.released_service import DRILL, Released

pytestmark = pytest.mark.timeout(400)
"""A drill has the machine to itself, and waits for it."""


@pytest.fixture
def service(tmp_path: Path) -> Released:
    return Released(tmp_path)


def run_suite(service: Released, status: int) -> dict[str, Any]:
    """What `harness run rollback` says of it."""
    out, err = service.run(
        "run", "rollback", "--target", str(service.folder / "released.toml"), "--json", status=status
    )
    found = json.loads(out)
    return {**found, "lines": evidence(service, found["run"]), "err": err}


def evidence(service: Released, run: str) -> list[dict[str, Any]]:
    text = (service.folder / "reports" / "runs" / run / "evidence.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    checks = ("rollback.config", "rollback.code", "schema.old_code")
    return {line["check"]: line["outcome"] for line in found["lines"] if line["check"] in checks}


def test_a_sound_service_passes_and_its_numbers_are_evidence(service):
    found = run_suite(service, 0)
    assert outcomes(found) == {"rollback.config": "pass", "rollback.code": "pass", "schema.old_code": "pass"}
    measured = {
        (line["check"], line["subject"]): line["value"] for line in found["lines"] if line["outcome"] == "measured"
    }
    assert (measured["rollback.failed", "code"], measured["rollback.down", "config"]) == (0, 0)
    assert measured["rollback.recovered", "code"] > 0
    assert {subject for check, subject in measured if check == "rollback.step"} >= {"code start", "config switch"}


def test_without_the_table_all_is_skipped_with_its_reason(service):
    service.profile(more="")
    found = run_suite(service, 3)
    assert (found["passed"], found["failed"], found["errors"], found["skipped"]) == (0, 0, 0, 4)
    reasons = {
        line["detail"]["reason"] for line in found["lines"] if line["outcome"] == "skip" and line["suite"] == "rollback"
    }
    assert reasons == {"not applicable: the profile has no table [releases]"}


def test_a_service_that_is_ready_before_it_can_serve_is_one_finding(service):
    """Health says yes at once; what is asked for fails for a while: the proxy sends readers there."""
    program = service.folder / "service" / "service.py"
    usual = "        status = 200\n"
    early = (
        '        if time.monotonic() - BEGAN < 2 and self.path not in ("/live", "/ready"):\n            status = 503\n'
    )
    text = program.read_text().replace(usual, usual + early)
    text = text.replace("import http.server, os", "import http.server, os, time")
    service.program(text.replace("LEVEL = os", "BEGAN = time.monotonic()\nLEVEL = os"))
    service.profile(more='[releases.drill]\nsettings = { LEVEL = "bad" }\n')
    found = run_suite(service, 1)
    assert outcomes(found)["rollback.config"] == "fail"
    (failure,) = found["failures"]
    assert "requests failed during the rollback, the first: GET /" in failure["detail"]["message"]
    assert "answered 503" in failure["detail"]["message"]


def test_an_earlier_release_that_does_not_start_today_is_one_finding(service):
    """It needs what the folder of today no longer has."""
    service.git("tag", "-d", "one")
    service.git("tag", "-d", "two")
    service.program("import sys\nsys.exit('the schema is newer than I am')\n")
    service.git("tag", "old")
    service.release("three")
    service.profile(more=DRILL.replace('patch = "bad.patch"\n', ""))
    found = run_suite(service, 1)
    assert outcomes(found) == {"rollback.config": "pass", "rollback.code": "skip", "schema.old_code": "fail"}
    (failure,) = found["failures"]
    assert "release old on the schema of today: it does not start" in failure["detail"]["message"]
