"""The example targets: of a healthy one nothing is named that is due, and its faulty twin is caught by its faults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = {"cors.stranger_reads", "csp.present", "headers.nosniff", "headers.frame", "headers.no_version"}

pytestmark = [
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed here"),
    pytest.mark.timeout(240),
]


def harness(twin: str, folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    profile = str(ROOT / "examples" / "nginx" / f"{twin}.toml")
    line = [sys.executable, "-m", "harness", *words, "--target", profile, "--json", "-n", "2"]
    ran = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def failed(twin: str, folder: Path) -> set[str]:
    _, counts = harness(twin, folder, "run", "security")
    assert counts["errors"] == 0
    assert counts["passed"] > 0
    return {line["check"] for line in counts["failures"]}


def test_the_healthy_site_owes_nothing_but_a_header_that_nginx_does_not_send(tmp_path: Path) -> None:
    # a 405 without Allow (RFC 9110, 15.5.6), which a static nginx cannot be taught
    assert failed("healthy", tmp_path) <= {"errors.method"}


def test_the_faulty_site_is_caught_by_each_fault(tmp_path: Path) -> None:
    assert failed("faulty", tmp_path) >= FAULTS


@pytest.mark.skipif(not (ROOT / "policies" / "web.toml").is_file(), reason="there is no policy web yet")
def test_the_policy_for_the_web_tells_them_apart(tmp_path: Path) -> None:
    assert harness("healthy", tmp_path, "gate", "--policy", "web", "--only", "security")[0] != 1
    assert harness("faulty", tmp_path, "gate", "--policy", "web", "--only", "security")[0] == 1
