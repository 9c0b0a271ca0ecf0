"""What `harness gate` rules, and how it exits, over services that are well, broken, dead or gone half-way."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.run import changed_files, is_sealed
from harness.stack.ports import free_port
from tests.gate_target import Small, make_small
from tests.stack_target import eventually

DIES_HALF_WAY = """\
import pytest

@pytest.mark.check("own.before")
def test_a_before(client):
    assert client.get("/").status_code == 200

@pytest.mark.check("own.after")
def test_b_after(client):
    client.get("/die")
    assert client.get("/").status_code == 200
"""

BUSY = """\
import pathlib, time, pytest

@pytest.mark.check("own.first")
def test_a_first():
    assert True

@pytest.mark.check("own.second")
def test_b_second():
    pathlib.Path(r"{place}/reached").touch()
    time.sleep(90)
    assert True
"""

ALONE = """\
import pytest

@pytest.mark.alone
@pytest.mark.check("own.x")
def test_x(client):
    assert client.get("/").status_code == 200
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.end()


def verdict_of(small: Small) -> dict:
    return small.document("verdict.json")


@pytest.mark.timeout(240)
@pytest.mark.timeout(300)  # suites that run alone wait for the machine
def test_a_sound_service_is_go_with_every_generic_suite(small: Small) -> None:
    words = [word for word in small.aimed if word not in ("--only", "own")]
    ran = small.harness("gate", *words, seconds=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "GO  small by policy policy, proven share 100 %" in ran.stdout
    assert verdict_of(small)["verdict"] == "GO"
    assert verdict_of(small)["held_back"] == []
    run = small.document("run.json")
    assert run["state"] == "finished"
    # what ran alone had a stack of its own, and its log was kept
    assert {"service-1.log", "load-service-1.log"} <= {path.name for path in (small.run / "logs").iterdir()}
    assert changed_files(small.run) == ()
    assert small.left() == []


def test_a_failed_check_is_no_go_and_says_how_to_see_it_again(small: Small) -> None:
    ran = small.harness("gate", *small.aimed, "--env", "HOW=broken", "-n", "1")
    assert ran.returncode == 1, ran.stderr
    assert "NO-GO  small" in ran.stdout
    lines = ran.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail own: "))
    assert "503" in lines[at]
    (request,) = [line.strip() for line in lines if line.startswith("    see it: ")]
    assert request.startswith("see it: curl ")
    assert request.endswith("/item")
    assert verdict_of(small)["verdict"] == "NO-GO"
    assert is_sealed(small.run)


@pytest.mark.parametrize(("how", "said"), [("dies", "exited with status 7"), ("never ready", "was not ready after")])
def test_a_service_that_does_not_start_is_no_go_by_criterion_startup(tmp_path: Path, how: str, said: str) -> None:
    small = make_small(tmp_path / "small", "start_timeout_s = 1.5")
    ran = small.harness("gate", *small.aimed, "--env", f"HOW={how}")
    assert ran.returncode == 1, ran.stderr
    assert "NO-GO  small" in ran.stdout
    shown = ran.stderr.splitlines()
    # the last twenty lines of its log, none before them
    assert [line for line in shown if line.startswith("line ")] == [f"line {number}" for number in range(10, 30)]
    verdict = verdict_of(small)
    startup = next(one for one in verdict["criteria"] if one["id"] == "startup")
    assert startup["status"] == "fail"
    assert said in startup["reason"]
    checks = {line["check"]: line["outcome"] for line in small.evidence()}
    # what was seen before the start stands, what could not be asked says so
    assert checks["preflight.folders"] == "pass"
    assert checks["preflight.service"] == "fail"
    assert "preflight.score" in checks
    for report in ("report/index.html", "junit.xml", "summary.md", "report.sarif", "attestation.json", "CHECKLIST.md"):
        assert (small.run / report).is_file(), report
    assert "line 29" in (small.run / "logs" / "startup.log").read_text()
    assert changed_files(small.run) == ()
    assert small.left() == []


def test_a_service_that_dies_half_way_is_for_the_verdict_to_decide(small: Small) -> None:
    small.suite(DIES_HALF_WAY)
    ran = small.harness("gate", *small.aimed, "-n", "1")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    outcomes = {line["check"]: line["outcome"] for line in small.evidence()}
    assert (outcomes["startup"], outcomes["own.before"], outcomes["own.after"]) == ("pass", "pass", "fail")
    assert small.document("run.json")["state"] == "finished"
    assert small.left() == []


def test_a_service_that_starts_only_once_is_no_go_by_startup(small: Small) -> None:
    small.suite(ALONE)
    ran = small.harness("gate", *small.aimed, "--env", "HOW=dies the second time")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    startups = [line for line in small.evidence() if line["check"] == "startup"]
    assert [line["outcome"] for line in startups] == ["pass", "fail"]
    assert "exited with status 8" in startups[1]["detail"]["reason"]
    assert small.left() == []


def test_a_port_that_was_asked_for_is_the_first_stacks(small: Small) -> None:
    """A suite that runs alone has a stack of its own beside it, at a port of its own."""
    small.suite(ALONE)
    port = free_port()
    ran = small.harness("gate", *small.aimed, "--port", str(port))
    assert ran.returncode == 3, ran.stdout + ran.stderr
    outcomes = {line["check"]: line["outcome"] for line in small.evidence()}
    assert outcomes["own.x"] == "pass"
    assert small.document("run.json")["stack"]["url"] == f"http://127.0.0.1:{port}"


def test_suites_that_collect_nothing_are_inconclusive(small: Small) -> None:
    small.suite(
        'import pytest\n@pytest.mark.check("own.x")\n@pytest.mark.parametrize("x", [])\ndef test_x(x): assert x\n'
    )
    ran = small.harness("gate", *small.aimed)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    own = next(one for one in verdict_of(small)["criteria"] if one["id"] == "own")
    assert own["status"] == "not_run"


def test_a_file_that_cannot_be_collected_is_never_go(small: Small) -> None:
    (small.folder / "own" / "test_torn.py").write_text("import nothing_of_that_name\ndef test_x(): assert True\n")
    ran = small.harness("gate", *small.aimed, "-n", "1")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "could not be collected" in ran.stdout


def test_pytest_killed_in_mid_suite_is_inconclusive_and_leaves_nothing(small: Small) -> None:
    small.suite(BUSY.format(place=small.folder))
    # with workers, which must not outlive it
    process = small.start("gate", *small.aimed, "-n", "2")
    assert eventually((small.folder / "reached").exists, 60), process.poll()
    victim = small.pytest_pid()
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    crash = next(line for line in small.evidence() if line["check"] == "suite.crashed")
    assert (crash["outcome"], crash["suite"]) == ("error", "own")
    assert "was ended by signal 9" in crash["detail"]["reason"]
    assert verdict_of(small)["verdict"] == "INCONCLUSIVE"
    assert any("left no evidence" in reason for reason in verdict_of(small)["held_back"])
    assert small.left() == []


def test_a_stack_whose_supervisor_is_killed_costs_the_suite_and_not_the_verdict(small: Small) -> None:
    small.suite(BUSY.format(place=small.folder).replace("time.sleep(90)", "time.sleep(1)"))
    process = small.start("gate", *small.aimed, "-n", "1")
    assert eventually((small.folder / "reached").exists, 60), process.poll()
    stack = small.document("run.json")["stack"]["name"].removeprefix("run-")
    supervisors = [pid for pid in small.processes() if f"HARNESS_SUPERVISOR={stack}".encode() in environment(pid)]
    assert len(supervisors) == 1
    os.kill(supervisors[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (1, 3), out + err
    assert verdict_of(small)["verdict"] != "GO"
    assert eventually(lambda: not small.left()), small.left()


def environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_report_that_cannot_be_written_is_exit_4_and_the_verdict_stands(small: Small) -> None:
    # the suite makes the reports' place unusable, since nobody else is there in time
    small.suite(
        "import pathlib\n"
        + SUITE_CHECK
        + f'def test_x():\n    run = pathlib.Path(r"{small.out}/latest").resolve()\n'
        + '    (run / "summary.md").mkdir()\n    assert run\n'
    )
    ran = small.harness("gate", *small.aimed, "-n", "1", "--json")
    assert ran.returncode == 4, ran.stdout + ran.stderr
    assert json.loads(ran.stdout) == verdict_of(small)
    error = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert "summary.md" in error[0]
    assert "the verdict stands" in error[0]
    assert (small.run / "report" / "index.html").is_file()
    assert small.left() == []


SUITE_CHECK = 'import pytest\n@pytest.mark.check("own.x")\n'
