"""`attestation.json`: an in-toto Statement v1 with the predicate test-result v0.1."""

import hashlib
import json
from dataclasses import replace

import pytest

from harness.model import Build, Outcome, Waiver
from harness.report.attestation import write_attestation
from harness.report.sources import read_run
from tests import report_runs
from tests.report_lines import replaced
from tests.report_runs import COMMIT, soon


def attest(tmp_path, scenario):
    run = report_runs.write_run(tmp_path, scenario)
    path = write_attestation(read_run(run))
    assert path == run / "attestation.json"
    return json.loads(path.read_text(encoding="utf-8"))


def waived():
    lines = replaced(
        report_runs.go().observations,
        lambda line: line.check == "cors.foreign",
        lambda line: replace(line, outcome=Outcome.FAIL, detail={"message": "let in"}),
    )
    waiver = Waiver(criterion="security.cors", owner="R. Okafor", reason="known", expires=soon())
    return replace(report_runs.go(), observations=lines, waivers=(waiver,))


def test_the_statement_names_the_build_and_what_was_tested(tmp_path):
    statement = attest(tmp_path, report_runs.go())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "dealradar", "digest": {"gitCommit": COMMIT}}]
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert len(predicate["passedTests"]) == len(report_runs.POLICY.criteria)
    assert predicate["warnedTests"] == predicate["failedTests"] == []
    policy = next((tmp_path / "runs").iterdir()) / "policy.json"
    configuration = {each["name"]: each["digest"]["sha256"] for each in predicate["configuration"]}
    assert configuration["policy.json"] == hashlib.sha256(policy.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("make", "result"),
    [
        (report_runs.go, "PASSED"),
        (waived, "WARNED"),
        (report_runs.no_go, "FAILED"),
        (report_runs.inconclusive, "FAILED"),
    ],
)
def test_only_go_passes_and_a_waiver_is_a_warning(tmp_path, make, result):
    assert attest(tmp_path, make())["predicate"]["result"] == result


def test_what_was_not_run_has_failed(tmp_path):
    predicate = attest(tmp_path, report_runs.inconclusive())["predicate"]
    assert predicate["failedTests"] == ["cache.effect", "load.latency", "load.errors", "load.generator"]


def test_what_is_not_proven_never_stands_under_passed(tmp_path):
    predicate = attest(tmp_path, report_runs.no_go())["predicate"]
    assert predicate["failedTests"] == ["security.headers", "ratelimit", "load.latency"]
    assert predicate["warnedTests"] == ["security.cors"]
    assert "e2e.pages" not in predicate["passedTests"] + predicate["warnedTests"] + predicate["failedTests"]


@pytest.mark.parametrize(
    ("build", "algorithm"),
    [
        (Build(kind="commit", id=COMMIT, dirty=True), "sha256"),
        (Build(kind="commit", id="main"), "sha256"),
        (Build(kind="image", id=f"registry/app@sha256:{'a' * 64}"), "sha256"),
        (Build(kind="reported", id="1.4.2"), "sha256"),
        (Build(kind="unknown", id=""), "sha256"),
    ],
)
def test_a_dirty_tree_is_not_its_commit(tmp_path, build, algorithm):
    (subject,) = attest(tmp_path, replace(report_runs.go(), build=build))["subject"]
    assert list(subject["digest"]) == [algorithm]
    assert len(subject["digest"][algorithm]) == 64
    if build.kind == "image":
        assert subject["digest"]["sha256"] == "a" * 64


def test_without_a_verdict_nothing_is_attested_and_an_old_statement_goes(tmp_path):
    run = report_runs.write_run(tmp_path, report_runs.go(), judged=False, state="interrupted")
    (run / "attestation.json").write_text("{}", encoding="utf-8")
    assert write_attestation(read_run(run)) is None
    assert not (run / "attestation.json").exists()
