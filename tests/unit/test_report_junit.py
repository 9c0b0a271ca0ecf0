"""`junit.xml`: what a CI server reads."""

from xml.etree import ElementTree as ET

import pytest

from harness.model import Outcome
from harness.report.causes import last_attempts
from harness.report.junit import write_junit
from harness.report.sources import read_run
from tests import report_runs
from tests.report_lines import POLICY, seen

_ATTRIBUTES = {
    "testsuites": ({"name", "tests", "failures", "errors"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"skipped", "time", "timestamp"}),
    "testcase": ({"name", "classname"}, {"time"}),
    "failure": (set(), {"message", "type"}),
    "error": (set(), {"message", "type"}),
    "skipped": (set(), {"message"}),
    "system-out": (set(), set()),
}
_CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase", "system-out"},
    "testcase": {"failure", "error", "skipped"},
}
"""The schema of Jenkins' JUnit plugin (junit-4.xsd), as far as it is used here; its `testsuites` knows no `skipped`."""


def write(tmp_path, scenario):
    run = report_runs.write_run(tmp_path, scenario)
    return ET.parse(write_junit(read_run(run))).getroot()  # noqa: S314 - our own file


def check_shape(element):
    needed, allowed = _ATTRIBUTES[element.tag]
    assert needed <= set(element.attrib) <= needed | allowed
    for child in element:
        assert child.tag in _CHILDREN.get(element.tag, set())
        check_shape(child)


@pytest.mark.parametrize("name", ["go", "no_go", "inconclusive", "hostile"])
def test_the_file_has_the_common_shape_and_its_counts_are_those_of_its_cases(tmp_path, name):
    root = write(tmp_path, getattr(report_runs, name)())
    check_shape(root)
    assert int(root.get("tests")) > 30
    for scope in (root, *root):
        cases = list(scope.iter("testcase"))
        assert int(scope.get("tests")) == len(cases)
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            if scope is root and tag == "skipped":
                continue
            assert int(scope.get(attribute)) == sum(case.find(tag) is not None for case in cases)


def test_a_failure_carries_its_message_and_the_line_to_repeat_it(tmp_path):
    root = write(tmp_path, report_runs.no_go())
    failures = {
        case.get("name"): case.find("failure") for case in root.iter("testcase") if case.find("failure") is not None
    }
    (name,) = [name for name in failures if "ratelimit.refused" in name]
    assert "never refused" in failures[name].text
    assert "curl -i" in failures[name].text
    assert len(failures) == 3


def test_nothing_measured_is_a_case_and_nothing_flaky_is_a_pass(tmp_path):
    root = write(tmp_path, report_runs.no_go())
    names = [case.get("name") for case in root.iter("testcase")]
    assert not any("load.latency" in name or "cache.ratio" in name for name in names)
    flaky = [case for case in root.iter("testcase") if "cors.foreign" in case.get("name")]
    assert [case.find("skipped").get("message")[:5] for case in flaky] == ["flaky"]
    assert any("load.latency" in (suite.findtext("system-out") or "") for suite in root)


def test_of_a_repeated_test_only_the_last_attempt_counts(tmp_path):
    attempts = (
        seen("e2e", "api.read", "a", Outcome.FAIL, message="red", attempt=1, superseded=True),
        seen("e2e", "api.read", "a", Outcome.PASS, attempt=2),
        seen("e2e", "api.read", "b", Outcome.FAIL, message="its call", attempt=1),
        seen("e2e", "api.read", "b", Outcome.ERROR, message="its teardown", attempt=1),
        seen("e2e", "api.read", "c", Outcome.FAIL, message="never repeated", attempt=1, superseded=True),
    )
    run = read_run(report_runs.write_run(tmp_path, report_runs.Scenario(observations=attempts, policy=POLICY)))
    assert [(line.subject, line.outcome) for line in last_attempts(run.evidence)] == [
        ("a", Outcome.PASS),
        ("b", Outcome.FAIL),
        ("c", Outcome.FAIL),
    ]
