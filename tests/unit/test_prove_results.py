"""A proof's folder: results are kept as they come in, and found again by whoever goes on."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import MutantStatus, Policy, Service, Target
from harness.prove.model import ProofPlan
from harness.prove.results import RESULTS, ProofResults, latest_folder, new_folder
from tests.prove_proofs import defect, result


def kept(tmp_path: Path, *ids: str):
    """A folder with results of these defects."""
    folder = new_folder(tmp_path)
    for name in ids:
        folder.append(result(name, applied=3, before="a", accepted="known"), f"digest of {name}")
    return folder


def digests(*ids: str) -> dict[str, str]:
    return {name: f"digest of {name}" for name in ids}


def test_a_result_comes_back_as_it_was(tmp_path):
    folder = kept(tmp_path, "one", "two")
    found = folder.read(digests("one", "two"))
    assert found == {name: result(name, applied=3, before="a", accepted="known") for name in ("one", "two")}


def test_a_defect_that_changed_since_is_tried_again(tmp_path):
    folder = kept(tmp_path, "one", "two")
    assert set(folder.read({"one": "another digest", "two": "digest of two"})) == {"two"}


def test_of_two_results_of_a_defect_the_last_counts(tmp_path):
    folder = kept(tmp_path, "one")
    folder.append(result("one", MutantStatus.SURVIVED), "digest of one")
    assert folder.read(digests("one"))["one"].status is MutantStatus.SURVIVED


def test_a_torn_last_line_is_no_result(tmp_path):
    folder = kept(tmp_path, "one", "two")
    whole = (folder.path / RESULTS).read_bytes()
    for cut in range(1, 60):
        (folder.path / RESULTS).write_bytes(whole[:-cut])
        assert set(folder.read(digests("one", "two"))) == ({"one", "two"} if cut == 1 else {"one"})


def test_results_that_follow_a_torn_line_are_kept_whole(tmp_path):
    folder = kept(tmp_path, "one", "two")
    whole = (folder.path / RESULTS).read_bytes()
    (folder.path / RESULTS).write_bytes(whole[:-20])
    assert set(folder.read(digests("one", "two"))) == {"one"}
    folder.append(result("two"), "digest of two")
    assert set(folder.read(digests("one", "two"))) == {"one", "two"}


def test_a_line_in_the_middle_that_is_no_result_is_named(tmp_path):
    folder = kept(tmp_path, "one", "two")
    lines = (folder.path / RESULTS).read_bytes().splitlines(keepends=True)
    (folder.path / RESULTS).write_bytes(lines[0] + b'{"digest": 1}\n' + lines[1])
    with pytest.raises(UsageError, match=r"results\.jsonl:2: is no result; start again without --resume"):
        folder.read(digests("one", "two"))


def test_the_newest_folder_is_found_and_none_is_said(tmp_path):
    with pytest.raises(UsageError, match="no proof was begun"):
        latest_folder(tmp_path)
    new_folder(tmp_path)
    second = new_folder(tmp_path)
    assert latest_folder(tmp_path).path == second.path


def test_a_resumed_proof_tries_only_what_is_left_and_tells_of_the_rest(tmp_path):
    plan = ProofPlan(
        target=Target(name="shop", source="", service=Service()),
        overrides={},
        policy=Policy(name="quick", criteria=()),
        suites=(),
        narrowed="",
        defects=(defect("one"), defect("two"), defect("three", kind="patch")),
        catalogue=tmp_path,
        control=None,
        healthy=0,
        jobs=1,
        full=False,
        resume=True,
        out=tmp_path,
        url="http://127.0.0.1:1",
    )
    told = []
    first = ProofResults(plan, new_folder(tmp_path), told.append)
    first.add(result("two"))
    again = ProofResults(plan, latest_folder(tmp_path), told.append)
    assert [one.id for one in again.pending("wire")] == ["one"]
    assert [one.id for one in again.in_order()] == ["two"]
    assert [one.id for one in told] == ["two", "two"]
