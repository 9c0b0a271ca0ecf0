"""`harness gate` against what already runs: one of our own stacks by name, and a stranger's service by its address."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.config import generic_target
from harness.stack import Permissions
from harness.stack.ports import free_port
from tests.gate_target import Small, make_small
from tests.stack_target import eventually, listens

ACTING = """\
import pytest

@pytest.mark.check("own.reads")
def test_reads(client):
    assert client.get("/").status_code == 200

@pytest.mark.check("own.writes")
@pytest.mark.writes
def test_writes(client):
    assert client.post("/").status_code == 405

@pytest.mark.check("own.attacks")
@pytest.mark.attacks
def test_attacks(client):
    assert client.get("/%00").status_code == 404

@pytest.mark.check("own.breaks")
@pytest.mark.breaks
def test_breaks(client):
    assert client.get("/").status_code == 200

@pytest.mark.check("own.writes_unmarked")
def test_writes_without_the_marker(client):
    assert client.post("/").status_code == 405
"""

LATER_ALONE = """\
import pathlib, time, pytest

@pytest.mark.check("own.shared")
def test_shared(client):
    place = pathlib.Path(r"{place}")
    (place / "reached").touch()
    deadline = time.monotonic() + 60
    while not (place / "killed").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.get("/").status_code == 200

@pytest.mark.alone
@pytest.mark.check("own.alone")
def test_alone(client):
    assert client.get("/").status_code == 200
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    made = make_small(tmp_path / "small")
    made.suite(ACTING)
    yield made
    made.end()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """The address of a service that somebody else started."""
    folder = make_small(tmp_path / "stranger").folder
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "service.py"], cwd=folder, env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    assert eventually(lambda: listens(port))
    yield f"http://127.0.0.1:{port}"
    assert process.poll() is None, "an attached service is nobody's to end"
    process.kill()
    process.wait()


def outcomes(small: Small, prefix: str) -> dict[str, str]:
    return {line["check"]: line["outcome"] for line in small.evidence() if line["check"].startswith(prefix)}


def reasons(small: Small, check: str) -> set[str]:
    return {line["detail"]["reason"] for line in small.evidence() if line["check"] == check}


def test_a_stack_of_ours_counts_as_started_by_us(small: Small) -> None:
    up = small.harness("up", "--target", str(small.profile), "--name", "mine")
    assert up.returncode == 0, up.stderr
    try:
        ran = small.harness("gate", *small.aimed, "--stack", "attach", "--name", "mine", "-n", "1")
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert set(outcomes(small, "own.").values()) == {"pass"}
        assert small.document("verdict.json")["held_back"] == ["the run was narrowed by --only own"]
        stack = small.document("run.json")["stack"]
        assert (stack["name"], stack["owned"]) == ("mine", True)
        # its log is known
        assert "line 29" in (small.run / "logs" / "service-1.log").read_text()
        status = small.harness("status", "--name", "mine", "--json")
        assert f'"url": "{stack["url"]}"' in status.stdout
        other = make_small(small.folder.parent / "other")
        other.profile.write_text(other.profile.read_text().replace('"small"', '"other"'))
        wrong = other.harness("gate", *other.aimed, "--stack", "attach", "--name", "mine")
        assert wrong.returncode == 2
        assert "stack 'mine' runs small, not other" in wrong.stderr.splitlines()[0]
    finally:
        down = small.harness("down", "--name", "mine")
    assert down.returncode == 0
    assert small.left() == []


def test_a_stack_that_is_kept_up_serves_the_next_gate(small: Small) -> None:
    ran = small.harness("gate", *small.aimed, "--keep-up", "--name", "kept", "-n", "1")
    try:
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert "stack kept stays up" in ran.stderr.splitlines()[-1]
        url = small.document("run.json")["stack"]["url"]
        assert f'"url": "{url}"' in small.harness("status", "--name", "kept", "--json").stdout
        assert listens(int(url.rpartition(":")[2]))
        again = small.harness("gate", *small.aimed, "--keep-up", "--name", "kept")
        assert (again.returncode, again.stdout) == (2, "")
        assert "harness down --name kept" in again.stderr.splitlines()[0]
        assert small.harness("gate", *small.aimed, "--stack", "attach", "--name", "kept").returncode == 3
        assert small.document("run.json")["stack"]["url"] == url
    finally:
        down = small.harness("down", "--name", "kept", "--json")
    assert json.loads(down.stdout) == {"name": "kept", "stopped": True}
    assert small.left() == []


def test_a_gate_that_is_stopped_keeps_nothing_up(small: Small) -> None:
    small.suite("import time\ndef test_x():\n    time.sleep(90)\n")
    process = small.start("gate", *small.aimed, "--keep-up", "--name", "kept")
    assert eventually(small.pytest_pid, 60)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert small.left() == []
    assert '"backend": null' in small.harness("status", "--name", "kept", "--json").stdout


def test_a_stack_that_is_gone_costs_the_suites_that_need_it_and_not_the_verdict(small: Small, stranger: str) -> None:
    """What we keep at an attached service is a supervisor for our own processes; here it is killed in mid-run."""
    small.suite(LATER_ALONE.format(place=small.folder))
    process = small.start("gate", *small.aimed, "--url", stranger, "-n", "1")
    assert eventually((small.folder / "reached").exists, 60), process.poll()
    mark = small.document("run.json")["stack"]["name"].removeprefix("attach-")
    [supervisor] = [pid for pid, command in small.processes().items() if command.split()[-1] == mark]
    os.kill(supervisor, signal.SIGKILL)
    (small.folder / "killed").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert outcomes(small, "own.") == {"own.shared": "pass"}
    [said] = reasons(small, "suite.crashed")
    assert "supervisor" in said
    assert small.document("verdict.json")["verdict"] == "INCONCLUSIVE"
    assert small.document("run.json")["state"] == "finished"
    assert eventually(lambda: not small.left()), small.left()


def test_a_strangers_loopback_service_is_read_and_nothing_else(small: Small, stranger: str) -> None:
    ran = small.harness("gate", *small.aimed, "--url", stranger, "-n", "1")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    seen = outcomes(small, "own.")
    assert seen.pop("own.reads") == "pass"
    assert set(seen.values()) == {"skip"}
    assert len(seen) == 4
    for check in seen:
        [said] = reasons(small, check)
        assert "pass --active, or add to" in said, check
        assert f'{small.profile}: [allow] hosts = ["127.0.0.1"]' in said
    assert outcomes(small, "startup") == {"startup": "pass"}


@pytest.mark.parametrize("way", ["option", "profile"])
def test_what_somebody_allowed_is_done(small: Small, stranger: str, way: str) -> None:
    if way == "profile":
        small.profile.write_text(small.profile.read_text() + '[allow]\nhosts = ["127.0.0.1"]\n')
    ran = small.harness("gate", *small.aimed, "--url", stranger, "-n", "1", *(["--active"] if way == "option" else []))
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert outcomes(small, "own.") == dict.fromkeys(
        ["own.reads", "own.writes", "own.attacks", "own.breaks", "own.writes_unmarked"], "pass"
    )


def test_a_bare_address_runs_the_generic_checks(small: Small, stranger: str) -> None:
    words = ["--url", stranger, "--only", "security", "--out", str(small.out), "-n", "2"]
    assert small.harness("gate", *words).returncode in (1, 3)
    assert small.document("run.json")["target"] == "generic"
    seen = outcomes(small, "headers.")
    assert seen["headers.nosniff"] == "pass"
    tests = {line["test"].split("::")[0] for line in small.evidence() if line["test"]}
    assert tests
    assert all(re.fullmatch(r"suites/security/test_\w+\.py", test) for test in tests)
    # a profile's absence is said where a line would have to be added
    refused = [line for line in small.evidence() if "nobody allowed" in str(line["detail"].get("reason", ""))]
    assert refused
    assert all("the profile (--target FILE)" in line["detail"]["reason"] for line in refused)
    assert small.harness("gate", *words, "--active").returncode in (1, 3)
    allowed_now = {line["check"] for line in refused} & {
        line["check"] for line in small.evidence() if line["outcome"] == "pass"
    }
    assert allowed_now, "--active lets what was refused run"


def test_an_api_without_a_root_answers_all_the_same(small: Small) -> None:
    """A bare address says nothing of health paths: 404 is an answer."""
    small_api = make_small(small.folder.parent / "api")
    program = (small_api.folder / "service.py").read_text()
    assert program.count('("/", "/ready",') == 1
    (small_api.folder / "service.py").write_text(program.replace('("/", "/ready",', '("/ready",'))
    up = small.harness("up", "--target", str(small_api.profile), "--name", "api", "--json")
    try:
        url = json.loads(up.stdout)["url"]
        small.harness("gate", "--url", url, "--without", "cache,e2e,load,security", "--out", str(small.out))
        assert outcomes(small, "startup") == {"startup": "pass"}
    finally:
        small.harness("down", "--name", "api")


def test_a_url_in_the_profile_is_somebody_elses_service_too(small: Small, stranger: str) -> None:
    text = small.profile.read_text().replace('command = ["python", "service.py"]', f'url = "{stranger}"')
    small.profile.write_text(text)
    ran = small.harness("gate", *small.aimed, "-n", "1")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert outcomes(small, "own.")["own.attacks"] == "skip"


class TestAddressesElsewhere:
    """No request is sent: what may be done to which address is one function's business."""

    @pytest.mark.parametrize("active", [False, True])
    @pytest.mark.parametrize("action", ["load", "write", "attack", "fault"])
    def test_nothing_but_reads_without_the_profiles_word(self, action: str, active: bool) -> None:  # noqa: FBT001
        url = "http://service.example"
        permissions = Permissions(owned=False, allowed=generic_target(url).allow.hosts, active=active)
        refusal = permissions.refusal(action, url)
        assert refusal is not None
        assert '[allow] hosts = ["service.example"]' in str(refusal)
        assert "--active" not in str(refusal)
        assert permissions.refusal("read", url) is None

    def test_load_is_refused_before_anything_is_sent(self, capsys: pytest.CaptureFixture[str]) -> None:
        # a name of RFC 6761 that nobody can register: were it looked up, the error would be another one
        assert run_command(["load", "--url", "http://service.invalid", "--active", "--path", "/"]) == 2
        assert '[allow] hosts = ["service.invalid"]' in capsys.readouterr().err
