"""The gate keeps a proof of the same sources, and the readiness page says what it showed; no verdict changes."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.jobs.gate import keep_proof
from harness.model import Service, Target
from harness.prove.proof import proof_document
from harness.report.html.page import write_page
from harness.report.sources import read_run
from harness.stack.build import fingerprint
from tests import report_runs
from tests.prove_proofs import hostile, many, missed_some, proven, recorded
from tests.unit.test_report_page import Page

NOTHING = "Nothing has shown that this gate can say no for this build."


@pytest.fixture
def target(tmp_path):
    """A target with sources of its own."""
    (tmp_path / "service").mkdir()
    return Target(name="shop", source="", service=Service(command=("serve",), cwd=str(tmp_path / "service")))


def lay_proof(out: Path, of: Target, proof, **changes) -> None:
    """A finished proof of the target below `out`, as the newest one."""
    made = {"target": of.name, "fingerprint": fingerprint(of)} | changes
    folder = out / "prove" / "20260131T093000Z-abc123"
    folder.mkdir(parents=True)
    document = proof_document(recorded(proof, **made))
    (folder / "proof.json").write_text(json.dumps(document), encoding="utf-8")
    (out / "prove" / "latest").symlink_to(folder.name)


def kept(tmp_path: Path, target: Target) -> bool:
    """Does a run of the target keep the proof?"""
    run = tmp_path / "run"
    (run / "artifacts").mkdir(parents=True)
    keep_proof(run, tmp_path / "out", target)
    return (run / "artifacts" / "proof.json").is_file()


def test_a_proof_of_the_same_sources_is_kept(tmp_path, target):
    lay_proof(tmp_path / "out", target, proven()[0])
    assert kept(tmp_path, target)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "other"},
        {"fingerprint": "0" * 64},
        {"fingerprint": "", "url": "http://127.0.0.1:1"},
        {"overrides": ("CACHE_ENABLED",)},
    ],
    ids=["another target", "other sources", "a service at a URL", "other settings"],
)
def test_another_proof_is_not(tmp_path, target, changes):
    lay_proof(tmp_path / "out", target, proven()[0], **changes)
    assert not kept(tmp_path, target)


def test_a_proof_of_another_way_to_start_it_is_not(tmp_path, target):
    lay_proof(tmp_path / "out", target, proven()[0])
    assert not kept(tmp_path, replace(target, service=replace(target.service, command=("serve", "--fast"))))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 2'])
def test_what_cannot_be_read_shows_nothing(tmp_path, target, text):
    lay_proof(tmp_path / "out", target, proven()[0])
    (tmp_path / "out" / "prove" / "latest" / "proof.json").write_text(text, encoding="utf-8")
    assert not kept(tmp_path, target)


def test_without_any_proof_nothing_is_kept(tmp_path, target):
    assert not kept(tmp_path, target)


@pytest.fixture
def page_of(tmp_path):
    """`page_of(proof)`: the readiness page of a gate that kept it; None for a gate without one."""

    def page(proof, *, kind="gate", **changes):
        run = report_runs.write_run(tmp_path, report_runs.go(), kind=kind)
        if proof is not None:
            document = proof_document(recorded(proof, **changes))
            # the hostile ones hold halves of characters
            text = json.dumps(document)
            (run / "artifacts" / "proof.json").write_text(text, encoding="utf-8")
        return Page(write_page(read_run(run)))

    return page


def told(page: Page) -> str:
    return page.prose.split("Whether this gate can say no")[1].split("What was waived, and by whom")[0]


def test_a_gate_without_a_proof_says_that_nothing_has_shown_it(page_of):
    assert NOTHING in told(page_of(None))


def test_other_runs_say_nothing_of_it(page_of):
    assert "Whether this gate can say no" not in page_of(None, kind="run").prose


def test_the_page_says_which_proof_how_much_and_what_it_missed(page_of):
    said = told(page_of(missed_some()[0], asked="--kind wire"))
    assert NOTHING not in said
    assert "20260131T093000Z-abc123" in said
    assert "1 of 7 defects detected" in said
    assert "1 false alarm in 3 healthy runs, their rate at most 86 % (one-sided 95 %)" in said
    assert "It changes nothing in the verdict." in said
    assert "Only a part was tried ( --kind wire )" in said
    assert "6 defects not detected" in said
    for words in ("survived", "misattributed", "not exercised", "inconclusive", "Nobody reads this header here."):
        assert words in said
    assert "Order of members" not in said
    assert "1 guarded 1 unguarded 1 not tried 1 not called" in said
    assert "GET /a unguarded: latency not tried: body" in said
    assert "GET /b" not in said


def test_the_verdict_is_the_same_with_any_proof(page_of):
    assert page_of(None).words["h1"] == page_of(missed_some()[0]).words["h1"] == ["GO"]


def test_hostile_and_large_proofs_stay_text_in_bounds(page_of):
    page = page_of(hostile()[0])
    assert page.open == []
    assert page.attributes("src") == page.attributes("onerror") == page.attributes("onload") == []
    without, with_many = (len(page_of(proof).source) for proof in (None, many(3_000)[0]))
    assert with_many - without < 60_000


def test_a_damaged_copy_shows_nothing(page_of, tmp_path):
    page_of(proven()[0])
    run = max((tmp_path / "runs").iterdir(), key=os.path.getmtime)
    (run / "artifacts" / "proof.json").write_text("{", encoding="utf-8")
    assert NOTHING in told(Page(write_page(read_run(run))))
