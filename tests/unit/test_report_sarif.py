"""`report.sarif`: against the schema of SARIF 2.1.0."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from harness.model import Outcome
from harness.report.sarif import sarif_log, write_sarif
from harness.report.sources import read_run
from tests import report_runs
from tests.report_lines import PATHS, seen

_SCHEMA = Path(__file__).parents[1] / "data" / "sarif-2.1.0-rtm.5.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("name", ["go", "no_go", "hostile"])
def test_the_file_is_valid(tmp_path, validator, name):
    run = read_run(report_runs.write_run(tmp_path, getattr(report_runs, name)()))
    log = json.loads(write_sarif(run).read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(log)] == []


def test_the_schema_would_notice(tmp_path, validator):
    log = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.no_go())))
    for spoil in (
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["results"][0]["message"].pop("text"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
        lambda run: run["tool"].pop("driver"),
    ):
        spoiled = copy.deepcopy(log)
        spoil(spoiled["runs"][0])
        assert list(validator.iter_errors(spoiled)) != []


def test_a_result_a_finding_a_rule_a_check(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.no_go())))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("ratelimit.refused", "error"),
        ("headers.hsts", "error"),
        ("headers.hsts", "error"),
    ]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [
        each["ruleId"] for each in run["results"]
    ]
    assert rules[0]["properties"]["security-severity"] == "9.5"
    place = run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "suites/security/test_headers.py"


def test_no_place_leads_out_of_the_repository(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.hostile())))["runs"]
    places = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]]
    assert places == ["profiles/dealradar.toml"] * len(places) != []


def test_a_healthy_run_has_no_result(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.go())))["runs"]
    assert run["results"] == []


def log_of(folder, *lines, **scenario):
    written = report_runs.write_run(folder, report_runs.scenario(*lines, **scenario))
    (run,) = sarif_log(read_run(written))["runs"]
    return run


def test_one_cause_is_one_result_with_all_its_places(tmp_path, validator):
    lines = [
        seen(
            "security", "headers.nosniff", f"GET {path}", Outcome.FAIL, message=f"GET {path} has no nosniff", cause="no"
        )
        for path in PATHS
    ]
    run = log_of(tmp_path, *lines)
    (result,) = run["results"]
    names = [place["logicalLocations"][0]["fullyQualifiedName"] for place in result["locations"]]
    assert names == sorted(f"GET {path}" for path in PATHS)
    assert result["message"]["text"] == "GET / and 5 more: GET / has no nosniff"
    whole = sarif_log(read_run(report_runs.write_run(tmp_path / "again", report_runs.scenario(*lines))))
    assert [error.message for error in validator.iter_errors(whole)] == []


def test_a_result_has_no_more_places_than_github_takes(tmp_path):
    lines = [seen("s", "c", f"GET /{n}", Outcome.FAIL, message="it fails", cause="no") for n in range(1_200)]
    (result,) = log_of(tmp_path, *lines)["results"]
    assert len(result["locations"]) == 1_000
    assert result["message"]["text"] == "GET /0 and 1199 more: it fails"


def test_the_same_finding_has_the_same_fingerprint_in_another_run(tmp_path):
    def fingerprint(folder, paths):
        lines = [
            seen("s", "c", f"GET {path}", Outcome.FAIL, message=f"at {path}", cause="at {place}") for path in paths
        ]
        return log_of(folder, *lines)["results"][0]["partialFingerprints"]

    assert fingerprint(tmp_path / "1", PATHS) == fingerprint(tmp_path / "2", PATHS[2:])


def test_what_could_not_run_is_a_notification_and_no_success(tmp_path):
    run = log_of(
        tmp_path,
        seen("security", "headers.nosniff", "GET /"),
        seen("security", "collection", "checks/test_broken.py", Outcome.ERROR, message="No module named 'nowhere'"),
    )
    (call,) = run["invocations"]
    assert (call["executionSuccessful"], run["results"]) == (False, [])
    assert [each["message"]["text"] for each in call["toolExecutionNotifications"]] == [
        "checks/test_broken.py: No module named 'nowhere'"
    ]


def test_a_test_that_left_no_result_is_a_notification(tmp_path):
    run = log_of(tmp_path, seen("s", "c", "GET /"), collected=("checks/test_a.py::test_lost",))
    (call,) = run["invocations"]
    assert not call["executionSuccessful"]
    assert "test_lost" in call["toolExecutionNotifications"][0]["message"]["text"]


def test_a_narrowed_run_says_so_and_may_be_a_success(tmp_path):
    (call,) = log_of(tmp_path, seen("s", "c", "GET /"), narrowed="--only s")["invocations"]
    assert call["executionSuccessful"]
    assert ["--only s" in each["message"]["text"] for each in call["toolExecutionNotifications"]] == [True]


def test_a_run_that_is_whole_needs_no_notification(tmp_path):
    (call,) = log_of(tmp_path, seen("s", "c", "GET /"))["invocations"]
    assert call == {"executionSuccessful": True, "toolExecutionNotifications": []}
