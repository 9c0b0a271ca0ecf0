"""The example targets: a healthy one is never NO-GO; its faulty twin is, and what is noticed of it is named.

`make examples` installs what they need. What is not here is a failure in CI, and elsewhere a skip that says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS = {"django": ".venv/bin/python", "express": "node_modules/express", "go": "build/parcels"}

UNGUARDED = {"csp.present", "headers.nosniff", "headers.frame", "cors.stranger_reads"}
OPEN = {
    "holes.objects_read",
    "holes.objects_changed",
    "holes.functions",
    "holes.members_assigned",
    "holes.secrets_told",
}
NOTICED = {
    "nginx": UNGUARDED | {"headers.no_version", "disclosure.files", "disclosure.listing", "disclosure.consoles"},
    "express": UNGUARDED
    | OPEN
    | {"headers.cookies", "disclosure.malformed_body", "input.reflected_script", "input.redirect"}
    | {"holes.accounts_told", "holes.logins_limited"},
    "django": UNGUARDED
    | {"disclosure.listing", "errors.not_found_is_quiet", "input.database", "input.redirect", "headers.no_version"}
    | {"headers.authenticated_not_stored", "holes.objects_read", "holes.members_assigned", "holes.cross_site_writes"}
    | {"holes.sql", "holes.markup", "holes.passwords_taken", "holes.login_cookies"},
    "go": UNGUARDED
    | OPEN
    | {"disclosure.consoles", "disclosure.listing", "disclosure.malformed_body", "input.redirect", "holes.files"}
    | {"input.reflected_script", "holes.requests_elsewhere", "holes.tokens_forged", "headers.no_version"},
}

pytestmark = pytest.mark.timeout(600)


def missing(example: str) -> str | None:
    if example == "nginx":
        return None if shutil.which("nginx") else "nginx is not installed here"
    return None if (EXAMPLES / example / NEEDS[example]).exists() else f"{NEEDS[example]} is not there: make examples"


def gate(example: str, twin: str, folder: Path) -> tuple[str, set[str]]:
    """The verdict, and the checks that failed."""
    reason = missing(example)
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    profile = str(EXAMPLES / example / f"{twin}.toml")
    words = [sys.executable, "-m", "harness", "gate", "--target", profile, "--only", "security", "--json", "-n", "2"]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=580, check=False)
    assert ran.stdout, ran.stderr
    verdict = json.loads(ran.stdout)
    evidence = (folder / "reports" / "runs" / verdict["run"] / "evidence.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in evidence]
    assert not [line for line in lines if line["outcome"] == "error"]
    assert [line for line in lines if line["outcome"] == "pass" and line["suite"] == "security"]
    return verdict["verdict"], {line["check"] for line in lines if line["outcome"] == "fail"}


@pytest.mark.parametrize("example", NOTICED)
def test_the_healthy_twin_is_not_refused(example: str, tmp_path: Path) -> None:
    verdict, failed = gate(example, "healthy", tmp_path)
    # a run of one suite is at best INCONCLUSIVE; a 405 without Allow cannot be taught to a static nginx
    assert (verdict, failed - {"errors.method"}) == ("INCONCLUSIVE", set())


@pytest.mark.parametrize("example", NOTICED)
def test_the_faulty_twin_is_refused_by_its_faults(example: str, tmp_path: Path) -> None:
    verdict, failed = gate(example, "faulty", tmp_path)
    assert verdict == "NO-GO"
    assert failed >= NOTICED[example]
