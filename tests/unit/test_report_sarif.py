"""`report.sarif`: against the schema of SARIF 2.1.0."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from harness.report.sarif import sarif_log, write_sarif
from harness.report.sources import read_run
from tests import report_runs

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


def test_a_result_a_failed_line_a_rule_a_check(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.no_go())))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("headers.hsts", "error"),
        ("headers.hsts", "error"),
        ("ratelimit.refused", "error"),
    ]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [
        each["ruleId"] for each in run["results"]
    ]
    assert rules[1]["properties"]["security-severity"] == "9.5"
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "suites/security/test_headers.py"


def test_no_place_leads_out_of_the_repository(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.hostile())))["runs"]
    places = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]]
    assert places == ["profiles/dealradar.toml"] * len(places) != []


def test_a_healthy_run_has_no_result(tmp_path):
    (run,) = sarif_log(read_run(report_runs.write_run(tmp_path, report_runs.go())))["runs"]
    assert run["results"] == []
