"""A proof that an earlier harness left is read as it is, and written again the same, byte for byte."""

import json
from pathlib import Path

import pytest

from harness.model import MutantStatus
from harness.prove.proof import proof_document
from harness.prove.results import PROOF, RESULTS, ProofFolder
from harness.report.proven import read_proof
from harness.run.documents import encode_document
from tests.prove_proofs import missed_some, proven, recorded

KEPT = Path(__file__).parents[1] / "data" / "kept_proof"


def test_a_kept_proof_is_read_and_written_the_same():
    record = read_proof(KEPT / PROOF)
    assert record is not None
    assert (record.target, record.detected, record.total, record.undetected) == ("dealradar", 3, 3, ())
    assert {one.outcome for one in record.defects} == {MutantStatus.KILLED}
    assert encode_document(proof_document(record)) == (KEPT / PROOF).read_bytes()


def test_results_of_a_kept_proof_are_read_and_written_the_same(tmp_path):
    lines = [json.loads(line) for line in (KEPT / RESULTS).read_text(encoding="utf-8").splitlines()]
    digests = {line["result"]["id"]: line["digest"] for line in lines}
    results = ProofFolder(KEPT).read(digests)
    assert set(results) == set(digests)
    again = ProofFolder(tmp_path)
    for name, result in results.items():
        assert result.detected
        again.append(result, digests[name])
    assert (tmp_path / RESULTS).read_bytes() == (KEPT / RESULTS).read_bytes()


@pytest.mark.parametrize("proof", [proven()[0], missed_some()[0]], ids=["proven", "missed"])
def test_what_is_written_is_read_back(tmp_path, proof):
    record = recorded(proof)
    (tmp_path / PROOF).write_bytes(encode_document(proof_document(record)))
    assert read_proof(tmp_path / PROOF) == record


def test_a_proof_without_a_draw_has_no_key_of_it():
    assert "draw" not in proof_document(recorded(proven()[0]))
    assert "draw" in proof_document(recorded(missed_some()[0]))


def test_what_was_not_applied_or_is_equivalent_is_not_undetected():
    undetected = {one.id for one in recorded(missed_some()[0]).undetected}
    assert undetected == {"survived", "misattributed", "idle", "slow", "accepted", "believed"}
