"""A proof's page, read as a browser's parser reads it."""

import re

import pytest

from harness.model import MutantStatus
from harness.prove.report.page import render_proof, verdict_words
from tests import prove_proofs
from tests.prove_proofs import POLICY, defect, recorded, result
from tests.unit.test_report_page import Page

NAMES = ["proven", "missed_some", "hostile", "empty", "many"]


@pytest.fixture
def page_of(tmp_path):
    """`page_of(proof, defects, …)`: the page, parsed."""

    def page(proof, defects, **changes):
        path = tmp_path / "index.html"
        text = render_proof(proof, recorded(**changes), defects, POLICY)
        path.write_text(text, encoding="utf-8", errors="replace")
        return Page(path)

    return page


@pytest.mark.parametrize("name", NAMES)
def test_the_page_stands_alone_and_is_well_formed(page_of, name):
    page = page_of(*getattr(prove_proofs, name)())
    assert page.open == []
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "image"} & {tag for tag, _ in page.elements}
    assert page.attributes("src") == page.attributes("srcset") == page.attributes("style") == []
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere_and_every_anchor_is_one(page_of, name):
    page = page_of(*getattr(prove_proofs, name)())
    anchors = page.attributes("id")
    assert len(anchors) == len(set(anchors))
    links = [href for href in page.attributes("href") if href.startswith("#")]
    assert [href for href in links if href.removeprefix("#") not in anchors] == []
    assert {href for href in page.attributes("href") if not href.startswith("#")} <= {"proof.json"}


def test_the_size_of_a_page_of_300_defects_is_bounded(page_of):
    assert len(page_of(*prove_proofs.many()).source) < 2_000_000


def test_long_texts_are_cut(page_of):
    assert len(page_of(*prove_proofs.hostile()).source) < 400_000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("proven", "Proven"),
        ("missed_some", "Not proven"),
        ("empty", "Unclear"),
    ],
)
def test_the_verdict_is_in_words(page_of, name, words):
    page = page_of(*getattr(prove_proofs, name)())
    assert page.words["h1"] == [words]
    assert verdict_words(getattr(prove_proofs, name)()[0])[0] == words


def test_the_headline_says_how_many_and_how_sure(page_of):
    page = page_of(*prove_proofs.missed_some())
    assert "1 of 7 defects were detected" in page.prose
    assert "their rate is at most 86 % (one-sided 95 %)" in page.prose
    assert "gate 4.2 s, patch 4.2 s, wire 4.2 s" in page.prose


def test_each_missed_defect_says_why_and_where_its_evidence_lies(page_of):
    page = page_of(*prove_proofs.missed_some(), folders={"survived": "runs/wire/survived-full"})
    missed = page.prose.split("What was missed")[1].split("Detection matrix")[0]
    for word in ("survived", "misattributed", "not exercised", "inconclusive"):
        assert word in missed
    assert "the tests did not end within 600 s" in missed
    assert "Nobody reads this header here." in missed
    assert "Order of members." in missed
    assert "runs/wire/survived-full/" in page.attributes("href")
    assert "before" in missed.lower()


def test_the_matrix_marks_what_was_expected_and_what_failed_beside(page_of):
    page = page_of(*prove_proofs.missed_some())
    labels = [label for label in page.attributes("aria-label") if "fail" in label]
    assert labels.count("failed, as expected") == 1
    assert labels.count("failed too") == 2
    # survived, misattributed, inconclusive and accepted ones were tried; the idle and the equivalent one were not
    assert labels.count("expected, and did not fail") == 4


def test_checks_that_saw_nothing_are_named_and_full_is_asked_for(page_of):
    proof, defects = prove_proofs.missed_some()
    page = page_of(proof, defects)
    assert "3 checks of 6 that ran on the healthy service failed on no defect" in page.prose
    assert "cors.foreign" in page.prose
    assert "--full" in page.prose.split("Saw no defect ever")[1]
    assert "All tests ran on every defect" in page_of(proof, defects, full=True).prose


def test_what_was_narrowed_is_said_first(page_of):
    page = page_of(*prove_proofs.proven(), asked="--kind wire --only 'security-*'", overrides=("CACHE_ENABLED",))
    told = page.prose.split("What was missed")[1].split("Detection matrix")[0]
    assert "Only a part was asked for ( --kind wire --only 'security-*' )" in told
    assert "CACHE_ENABLED" in told


def test_guarded_facets_are_counted_by_operation(page_of):
    page = page_of(*prove_proofs.missed_some())
    told = page.prose.split("Guarded, not merely called")[1].split("All defects")[0]
    assert "1 guarded 1 unguarded 1 not tried 1 not called" in told
    assert re.search(r"GET /a 1 guarded 1 unguarded 1 not tried", told)


def test_the_draw_says_its_seed_and_what_nobody_saw(page_of):
    told = page_of(*prove_proofs.missed_some()).prose.split("Random draw")[2]
    assert "by seed 7 ." in told
    assert "1 of 2 detected" in told
    assert "GET /a: draw-7-R5XX-x" in told.split("The others")[0]


def test_a_defect_without_a_title_has_its_id(page_of):
    proof, _ = prove_proofs.proven()
    assert "headers-hsts-dropped" in page_of(proof, ()).prose


def test_ids_that_look_alike_when_cut_stay_apart(page_of):
    ids = ("x" * 500 + "a", "x" * 500 + "b")
    proof = prove_proofs.Proof(healthy=prove_proofs.health(), results=tuple(result(one) for one in ids))
    page = page_of(proof, tuple(defect(one) for one in ids))
    assert {"d0", "d1"} <= set(page.attributes("id"))


def test_the_command_that_repeats_it_has_all_that_was_asked(page_of):
    record = page_of(*prove_proofs.missed_some(), asked="--kind wire").prose.split("The same again")[1]
    assert "harness prove --target dealradar --policy quick --kind wire --healthy 3 --draw 2 --seed 7" in record
    record = page_of(*prove_proofs.proven(), asked="--sample 12", how="--full").prose.split("The same again")[1]
    assert "--sample 12 --full --healthy 5 --seed 7" in record


def test_what_is_accepted_and_did_not_end_is_still_unclear(page_of):
    proof = prove_proofs.Proof(
        healthy=prove_proofs.health(),
        results=(
            result("killed"),
            result("slow", MutantStatus.INCONCLUSIVE, accepted="Known.", reason="no verdict in time"),
        ),
    )
    page = page_of(proof, ())
    assert page.words["h1"] == ["Unclear"]
    told = page.prose.split("Nothing is known of these")[1].split("Detection matrix")[0]
    assert "no verdict in time" in told
    assert "Accepted" not in told


def test_what_does_not_fit_a_service_of_somebody_else_is_not_called_missed(page_of):
    results = (
        result("killed"),
        result("survived", MutantStatus.SURVIVED),
        result("idle", MutantStatus.NOT_EXERCISED, reason="no request passes there"),
        result("unfit", MutantStatus.NOT_APPLIED, reason="nothing to change"),
    )
    proof = prove_proofs.Proof(healthy=prove_proofs.health(), results=results, foreign=True)
    page = page_of(proof, (), url="http://127.0.0.1:8000", fingerprint="")
    missed, idle = page.prose.split("What was missed")[1].split("Detection matrix")[0].split("Nothing to change there")
    assert "survived" in missed
    assert "idle" not in missed
    for word in ("idle", "no request passes there", "unfit", "nothing to change"):
        assert word in idle
    ours = page_of(prove_proofs.Proof(healthy=prove_proofs.health(), results=results), ())
    assert "Nothing to change there" not in ours.prose
    assert "harness prove --wire --url http://127.0.0.1:8000" in page.prose
