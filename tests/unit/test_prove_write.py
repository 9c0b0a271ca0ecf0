"""What a proof leaves: a document, a page beside it, and a sealed run that says the same."""

import json
import subprocess
from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.model import Service, Target
from harness.prove.model import ProofPlan
from harness.prove.proof import Proof
from harness.prove.report.provenance import begin
from harness.prove.report.write import write_proof
from harness.prove.results import new_folder
from harness.report.html.page import write_page
from harness.report.sources import read_run
from harness.run import changed_files, is_sealed
from tests.prove_proofs import POLICY, health, missed_some, result

START = "2026-01-31T09:30:00.000000Z"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.fixture
def left(tmp_path):
    """`left(proof, defects)`: what is on disk afterwards, as (proof's folder, run's folder)."""

    def leave(proof, defects, *, meanwhile=lambda: None, **changes):
        plan = ProofPlan(
            target=Target(name="shop", source="", service=Service()),
            overrides={"CACHE_ENABLED": "false"},
            policy=POLICY,
            suites=(),
            narrowed="",
            defects=defects,
            catalogue=tmp_path,
            control=None,
            healthy=1,
            jobs=1,
            full=False,
            resume=False,
            out=tmp_path,
            url="http://127.0.0.1:1",
            asked="--only 'x*'",
        )
        folder = new_folder(tmp_path)
        (folder.runs / "wire" / "survived-full").mkdir(parents=True)
        plan = replace(plan, **changes)
        begun = replace(begin(plan), start=START)
        meanwhile()
        write_proof(plan, folder, proof, begun)
        return folder.path, (tmp_path / "latest").resolve()

    return leave


def test_the_document_says_of_what_it_holds(left, tmp_path):
    folder, _ = left(*missed_some())
    document = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
    told = {key: document[key] for key in ("id", "target", "policy", "fingerprint", "url", "asked", "start", "full")}
    assert told == {
        "id": folder.name,
        "target": "shop",
        "policy": "quick",
        "fingerprint": "",
        "url": "http://127.0.0.1:1",
        "asked": "--only 'x*'",
        "start": START,
        "full": False,
    }
    assert document["overrides"] == ["CACHE_ENABLED"]
    assert document["how"] == f"--catalogue {tmp_path}"
    assert document["folders"] == {"survived": "runs/wire/survived-full"}
    assert (document["detected"], document["total"], document["draw"]["seed"]) == (1, 7, 7)


def test_sources_have_a_fingerprint(left):
    folder, _ = left(*missed_some(), url="")
    assert len(json.loads((folder / "proof.json").read_text(encoding="utf-8"))["fingerprint"]) == 64


def test_sources_that_change_meanwhile_have_none(left, tmp_path):
    repository = tmp_path / "shop"
    repository.mkdir()
    git = ("git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x.test")
    subprocess.run([*git, "init", "-q"], check=True)
    (repository / "app.py").write_text("1\n", encoding="utf-8")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    target = Target(name="shop", source="", service=Service(cwd=str(repository)))
    how = {"url": "", "target": target}

    def change():
        (repository / "app.py").write_text("2\n", encoding="utf-8")

    same, _ = left(*missed_some(), **how)
    other, _ = left(*missed_some(), meanwhile=change, **how)
    told = [json.loads((folder / "proof.json").read_text(encoding="utf-8")) for folder in (same, other)]
    assert [(one["fingerprint"] != "", one["changed"]) for one in told] == [(True, False), (False, True)]
    assert "The sources changed while it ran." in (other / "index.html").read_text(encoding="utf-8")


def test_the_run_is_sealed_holds_the_document_and_can_be_reported(left):
    folder, run = left(*missed_some())
    assert is_sealed(run)
    assert changed_files(run) == ()
    assert (run / "artifacts" / "proof.json").read_bytes() == (folder / "proof.json").read_bytes()
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert (record["kind"], record["state"], record["start"], record["seeds"]) == (
        "prove",
        "finished",
        START,
        {"draw": 7},
    )
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["outcome"] for line in lines if line["subject"] == "survived"] == ["fail"]
    assert "prove.defect" in write_page(read_run(run)).read_text(encoding="utf-8")


def test_no_secret_that_a_service_let_slip_is_left_anywhere(left, tmp_path):
    proof = Proof(
        healthy=health(2, f"seen: Authorization: Bearer {TOKEN}"),
        results=(result("one", reason=f"got {TOKEN}", applied=1, before=f"set-cookie: session={TOKEN}", after=TOKEN),),
    )
    left(proof, ())
    texts = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) >= 7
    assert [text for text in texts if TOKEN in text] == []
    assert any("session=***" in text for text in texts)


def test_a_run_that_cannot_be_written_then_is_no_fault_of_the_command_line(left, tmp_path):
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    with pytest.raises(HarnessError, match="cannot be written") as raised:
        left(*missed_some())
    assert raised.value.exit_code == 4


def test_a_healthy_run_that_broke_costs_no_proof(left, tmp_path):
    def break_one():
        run = next((tmp_path / "prove").glob("2*")) / "runs" / "healthy-2" / "runs" / "x"
        run.mkdir(parents=True)
        (run / "run.json").write_text("{", encoding="utf-8")

    folder, _ = left(*missed_some(), meanwhile=break_one)
    assert json.loads((folder / "proof.json").read_text(encoding="utf-8"))["healthy_checks"] == []
