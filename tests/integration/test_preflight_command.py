"""`harness preflight` and `harness doctor` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

HEALTHY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def harness(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(env or {})},
    )


def profile(folder: Path, source: str, *lines: str) -> Path:
    (folder / "service.py").write_text(source)
    path = folder / "tiny.toml"
    path.write_text(
        "\n".join(["schema = 1", 'name = "tiny"', "[service]", 'command = ["python", "service.py"]', *lines])
    )
    return path


def test_a_ready_service_is_zero_and_leaves_sealed_evidence(tmp_path: Path) -> None:
    path = profile(tmp_path, HEALTHY)
    ran = harness("preflight", "--target", str(path), "--out", str(tmp_path / "out"), "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["score"] == 100
    assert (said["failed"], said["errors"]) == (0, 0)
    assert said["passed"] == sum(each["outcome"] == "pass" for each in said["checks"])
    run = tmp_path / "out" / "runs" / said["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    assert [line["check"] for line in lines] == [*(each["check"] for each in said["checks"]), "preflight.score"]
    assert json.loads((run / "run.json").read_text())["state"] == "finished"
    assert (run / "manifest.json").is_file()


def test_what_is_wrong_is_one_with_its_remedy(tmp_path: Path) -> None:
    path = profile(tmp_path, HEALTHY, 'required_env = ["API_KEY"]', "[ratelimit]", "limit = 5")
    ran = harness(
        "preflight", "--target", str(path), "--env", "RATE_LIMIT_PER_MINUTE=1000000", "--out", str(tmp_path / "out")
    )
    assert ran.returncode == 1
    assert "API_KEY is not set" in ran.stdout
    assert "RATE_LIMIT_PER_MINUTE is 1,000,000; the profile promises 5 in 60 s" in ran.stdout
    assert "→ set RATE_LIMIT_PER_MINUTE=5" in ran.stdout
    assert "System Readiness Score" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_service_that_dies_is_one_and_what_was_known_before_stands(tmp_path: Path) -> None:
    path = profile(tmp_path, "raise SystemExit('no such table: deals')")
    ran = harness("preflight", "--target", str(path), "--out", str(tmp_path / "out"), "--json")
    assert ran.returncode == 1
    outcomes = {each["check"]: each["outcome"] for each in json.loads(ran.stdout)["checks"]}
    assert outcomes["preflight.sources"] == "pass"
    assert outcomes["preflight.service"] == "fail"
    assert outcomes["preflight.clock"] == "skip"
    assert "no such table: deals" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_address_where_nothing_answers_is_four(tmp_path: Path) -> None:
    ran = harness("preflight", "--url", "http://127.0.0.1:1", "--out", str(tmp_path / "out"))
    assert ran.returncode == 4
    assert ran.stderr.startswith("error: ")
    assert "http://127.0.0.1:1" in ran.stderr.splitlines()[0]


def test_a_weight_of_no_check_is_two_before_anything_starts(tmp_path: Path) -> None:
    path = profile(tmp_path, HEALTHY, "[preflight.weights]", "servce = 3")
    ran = harness("preflight", "--target", str(path), "--out", str(tmp_path / "out"))
    assert ran.returncode == 2
    assert "no check 'servce'; did you mean 'service'?" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_the_doctor_names_every_part_and_tool() -> None:
    ran = harness("doctor", "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert set(said["parts"]) == {"embedded", "docker", "attach", "tls", "browser", "preflight", "load", "allure"}
    assert said["parts"]["embedded"] is True
    assert said["parts"]["attach"] is True
    assert all(tool["mend"] for tool in said["tools"] if not tool["ok"])
    assert not any(tool["mend"] for tool in said["tools"] if tool["ok"])
    postgres = next(tool for tool in said["tools"] if tool["name"] == "PostgreSQL")
    assert "PostgreSQL" in postgres["found"]


@pytest.mark.parametrize(("backend", "status"), [("docker", 4), ("embedded", 0)])
def test_a_backend_that_cannot_run_is_four_and_says_what_it_lacks(backend: str, status: int, tmp_path: Path) -> None:
    ran = harness("doctor", "--stack", backend, env={"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert ran.returncode == status
    assert ("--stack docker cannot run here, it lacks: Docker daemon" in ran.stderr) is (status == 4)
    assert "missing" in ran.stdout
    assert "→ " in ran.stdout


def test_a_browser_that_is_named_and_not_there_is_missing_with_what_to_do() -> None:
    ran = harness("doctor", "--json", env={"HARNESS_CHROMIUM": "/nowhere/chromium"})
    chromium = next(tool for tool in json.loads(ran.stdout)["tools"] if tool["name"] == "Chromium")
    assert chromium["ok"] is False
    assert "/nowhere/chromium" in chromium["found"]
    assert chromium["mend"]
