"""What a proof comes to: exit status, document and evidence, for every mix of statuses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import DEFECT_KINDS, MutantStatus, Outcome
from harness.prove.model import Result
from harness.prove.proof import Draw, Proof, proof_document
from harness.prove.report.write import observations
from tests.prove_proofs import health, missed_some, proven, recorded, result

ALARM = "load.latency is fail"
GONE = (MutantStatus.SURVIVED, MutantStatus.MISATTRIBUTED)
texts = st.sampled_from(["", "a reason"])


@st.composite
def results(draw: st.DrawFn, statuses: tuple[MutantStatus, ...] = tuple(MutantStatus)) -> tuple[Result, ...]:
    """Any results; only what is on the wire can be excused."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(DEFECT_KINDS))
        excuses = {"accepted": draw(texts), "equivalent": draw(texts)} if kind == "wire" else {}
        found.append(result(f"d{number}", draw(st.sampled_from(statuses)), kind=kind, **excuses))
    return tuple(found)


proofs = st.builds(
    Proof,
    results=results(),
    healthy=st.builds(health, st.integers(1, 9)) | st.just(health(3, ALARM)),
    foreign=st.booleans(),
    draw=st.none() | st.builds(Draw, seed=st.integers(0, 9), results=results()),
)


@given(proofs)
def test_exit_0_only_if_something_was_tried_and_all_that_counts_was_detected(proof):
    if proof.exit_code == 0:
        assert proof.total > 0
        assert not proof.healthy.alarms
        assert all(
            one.detected
            or one.accepted
            or one.equivalent
            or one.status is MutantStatus.STILLBORN
            or (proof.foreign and "not_" in one.status)
            for one in proof.results
        )


@given(proofs, st.sampled_from(GONE))
def test_a_survivor_is_exit_1_whatever_else_there_is(proof, status):
    proof = replace(proof, results=(*proof.results, result("gone", status)), foreign=True)
    assert proof.exit_code == 1


@given(proofs, st.sampled_from(GONE), st.sampled_from(["accepted", "equivalent"]))
def test_a_survivor_with_a_reason_changes_no_exit(proof, status, excuse):
    with_killed = replace(proof, results=(*proof.results, result("killed")))
    excused = replace(with_killed, results=(*with_killed.results, result("known", status, **{excuse: "because"})))
    assert excused.exit_code == with_killed.exit_code
    assert excused.total == with_killed.total + (excuse == "accepted")


@given(proofs)
def test_what_nobody_exercised_counts_as_survived_in_our_own_catalogue_alone(proof):
    idle = result("idle", MutantStatus.NOT_EXERCISED)
    ours = replace(proof, results=(result("killed"), idle), foreign=False)
    assert ours.exit_code == 1
    assert replace(ours, foreign=True).exit_code == (3 if proof.healthy.alarms else 0)


@given(proofs)
def test_one_of_our_own_that_changes_nothing_is_a_mistake_of_the_catalogue(proof):
    idle = replace(proof, results=(*proof.results, result("idle", MutantStatus.NOT_APPLIED)), foreign=False)
    assert idle.exit_code == 2
    assert idle.total == proof.total


@given(results(statuses=(MutantStatus.KILLED,)))
def test_a_false_alarm_makes_the_proof_unclear(found):
    found = (*found, result("killed"))
    assert Proof(healthy=health(3), results=found).exit_code == 0
    assert Proof(healthy=health(3, ALARM), results=found).exit_code == 3
    assert Proof(healthy=replace(health(3), broken=("no verdict",)), results=found).exit_code == 3


@given(proofs)
def test_what_did_not_end_is_unclear_and_never_detected(proof):
    slow = replace(proof, results=(result("killed"), result("slow", MutantStatus.INCONCLUSIVE)))
    assert slow.exit_code == 3
    assert (slow.detected, slow.total) == (1, 2)


def test_nothing_tried_is_no_proof():
    assert Proof(healthy=health(5), results=()).exit_code == 3
    assert Proof(healthy=health(5), results=(result("x", MutantStatus.SURVIVED, equivalent="same"),)).exit_code == 3


@given(proofs, results())
def test_the_random_draw_never_decides(proof, drawn):
    assert replace(proof, draw=Draw(seed=1, results=drawn)).exit_code == replace(proof, draw=None).exit_code


@given(proofs)
def test_the_document_and_the_evidence_say_the_same(proof):
    document = proof_document(recorded(proof))
    lines = {line.subject: line.outcome for line in observations(proof) if line.check == "prove.defect"}
    assert document["detected"] == sum(one["detected"] and not one["equivalent"] for one in document["defects"])
    assert document["detected"] <= document["total"] <= len(document["defects"])
    for one in document["defects"]:
        if one["equivalent"]:
            assert lines[one["id"]] is Outcome.SKIP
        else:
            assert (lines[one["id"]] is Outcome.PASS) == one["detected"]
    if proof.exit_code == 0:
        assert {Outcome.FAIL, Outcome.ERROR}.isdisjoint(lines.values())


def test_evidence_of_each_status():
    lines = {line.subject: line for line in observations(missed_some()[0])}
    assert {name: lines[name].outcome.value for name in lines if lines[name].check == "prove.defect"} == {
        "killed": "pass",
        "survived": "fail",
        "misattributed": "fail",
        "idle": "fail",
        "slow": "error",
        "accepted": "skip",
        "equivalent": "skip",
        "believed": "fail",
    }
    assert lines["accepted"].detail["reason"] == "Nobody reads this header here."
    guarded = lines["GET /a"]
    assert (guarded.outcome, guarded.n) == (Outcome.MEASURED, 3)
    assert guarded.value == pytest.approx(1 / 3)
    assert guarded.detail["unguarded"] == ["latency"]
    assert lines["false alarms"].value == pytest.approx(1 / 3)
    assert lines["drawn mutants"].detail["survived"] == ["draw-7-R5XX-x"]


def test_five_clean_runs_exclude_only_a_rate_above_45_percent():
    assert proof_document(recorded(proven()[0]))["healthy"]["false_alarm_upper95"] == 0.4507
