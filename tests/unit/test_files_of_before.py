"""Runs, proofs and stacks written before the house was rebuilt are read as they were."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.report.proven import read_proof
from harness.run import read_run_record
from harness.stack.supervisor.process import process_stat

BEFORE = Path(__file__).parents[1] / "data" / "before"
STATE_OF_BEFORE = "/tmp/small/home/.local/state"  # noqa: S108 - as it stands in the files


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run, where reports may be written."""
    return Path(shutil.copytree(BEFORE / "run", tmp_path / "run"))


def test_a_run_of_before_is_judged_to_the_same_byte(run, capsys):
    kept = (run / "verdict.json").read_text()
    assert run_command(["judge", str(run), "--json"]) == 3
    assert capsys.readouterr().out == kept
    assert (run / "verdict.json").read_text() == kept


def test_a_run_of_before_is_unchanged_since_its_verdict(run, capsys):
    assert run_command(["verify", str(run)]) == 0
    with (run / "evidence.jsonl").open("a") as evidence:
        evidence.write("{}\n")
    assert run_command(["verify", str(run)]) == 1
    assert "evidence.jsonl" in capsys.readouterr().out


def test_a_run_of_before_is_reported_with_the_proof_that_it_kept(run):
    assert run_command(["report", str(run)]) == 0
    page = (run / "report" / "index.html").read_text()
    assert "narrowed by --only own" in page
    assert "1 of 1 defects detected" in page
    assert json.loads((run / "attestation.json").read_text())["predicateType"]


def test_a_record_of_before_has_all_its_members():
    record = read_run_record(BEFORE / "run")
    kept = json.loads((BEFORE / "run" / "run.json").read_text())
    assert (record.kind, record.state, record.narrowed) == ("gate", "finished", "--only own")
    assert record.stack is not None
    assert record.stack.instances == tuple(kept["stack"]["instances"])
    assert [phase.name for phase in record.phases] == [phase["name"] for phase in kept["phases"]]
    assert record.evidence is not None
    assert record.evidence.count == kept["evidence"]["count"]


def test_a_proof_of_before_is_read():
    proof = read_proof(BEFORE / "proof.json")
    assert proof is not None
    assert (proof.target, proof.detected, proof.total, proof.healthy.runs) == ("small", 1, 1, 1)
    assert [one.id for one in proof.defects] == ["killed"]


# --- a stack that `harness up` of before started


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stack's state, where this user's stacks lie."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "harness" / "stacks" / "compat-fixture"
    folder.mkdir(parents=True)
    for file in (BEFORE / "stack").iterdir():
        (folder / file.name).write_text(file.read_text().replace(STATE_OF_BEFORE, str(tmp_path / "state")))
    return folder


def test_a_dead_stack_of_before_is_not_up_and_is_cleared(state, capsys):
    assert run_command(["status", "--name", "compat-fixture"]) == 0
    assert "no stack compat-fixture is up" in capsys.readouterr().out
    assert run_command(["down", "--name", "compat-fixture"]) == 0
    assert "stack compat-fixture stopped" in capsys.readouterr().out
    assert not state.exists()


def test_a_stack_of_before_that_still_runs_is_shown_and_ended(state, capsys):
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as supervisor:
        stat = process_stat(supervisor.pid)
        assert stat is not None
        keeper = json.loads((state / "keeper.json").read_text()) | {
            "pid": supervisor.pid,
            "start": stat[2],
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "namespace": str(Path("/proc/self/ns/pid").readlink()),
        }
        (state / "keeper.json").write_text(json.dumps(keeper))
        assert run_command(["status", "--name", "compat-fixture"]) == 0
        shown = capsys.readouterr()
        assert "compat-fixture (small, embedded)" in shown.out
        assert "http://127.0.0.1:24113" in shown.out
        assert shown.err.startswith("not ready: ")
        assert run_command(["down", "--name", "compat-fixture"]) == 0
        assert supervisor.wait(30) == -signal.SIGTERM
