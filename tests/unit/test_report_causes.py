"""One cause is one finding, with all its places."""

from __future__ import annotations

import pytest

from harness.model import Evidence, Invocation, Outcome
from harness.report.causes import command_for, findings

_FAIL, _ERROR = Outcome.FAIL, Outcome.ERROR


def line(
    seq: int, check: str, subject: str, outcome: Outcome = _FAIL, *, suite: str = "security", **detail
) -> Evidence:
    test = detail.pop("test", f"suites/{suite}/test_it.py::test_{check}[{subject}]")
    return Evidence(
        run="r", seq=seq, at="", suite=suite, check=check, subject=subject, outcome=outcome, detail=detail, test=test
    )


def shown(*lines: Evidence) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.first.check, finding.places) for finding in findings(lines)]


def test_lines_of_one_check_and_cause_are_one_finding():
    lines = [
        line(at, "nosniff", path, message=f"{path} lacks it", cause="lacks it") for at, path in enumerate("abcdef")
    ]
    (finding,) = findings(lines)
    assert (finding.says, finding.places) == ("a lacks it", tuple("abcdef"))


@pytest.mark.parametrize(
    "other",
    [
        line(2, "nosniff", "b", cause="is misspelt"),
        line(2, "hsts", "b", cause="lacks it"),
        line(2, "nosniff", "b", _ERROR, cause="lacks it"),
        line(2, "nosniff", "b", suite="own", cause="lacks it"),
    ],
)
def test_another_cause_check_outcome_or_suite_is_another_finding(other):
    assert len(findings([line(1, "nosniff", "a", cause="lacks it"), other])) == 2


def test_a_line_without_a_cause_is_grouped_by_what_it_says():
    lines = [line(1, "c", "a", message="down"), line(2, "c", "b", message="down"), line(3, "c", "c", message="slow")]
    assert shown(*lines) == [("c", ("a", "b")), ("c", ("c",))]


def test_only_what_failed_last_is_a_finding():
    lines = [
        line(1, "flaky", "a", superseded=True, attempt=1, message="no"),
        line(2, "flaky", "a", Outcome.FLAKY, attempt=2),
        line(3, "fine", "a", Outcome.PASS),
        line(4, "skipped", "a", Outcome.SKIP, reason="none here"),
        line(5, "figure", "a", Outcome.MEASURED),
        line(6, "twice", "a", superseded=True, attempt=1, message="first"),
        line(7, "twice", "a", attempt=2, message="second"),
    ]
    assert [(finding.first.check, finding.says) for finding in findings(lines)] == [("twice", "second")]


def test_the_worst_comes_first_and_what_could_not_be_tried_last():
    lines = [
        line(1, "minor", "a", severity="minor"),
        line(2, "broken", "a", _ERROR, severity="critical"),
        line(3, "critical", "a", severity="critical"),
        line(4, "unsaid", "a"),
        line(5, "normal", "a", severity="normal"),
        line(6, "odd", "a", severity="Catastrophic"),
    ]
    order = ["critical", "normal", "odd", "unsaid", "minor", "broken"]
    assert [finding.first.check for finding in findings(lines)] == order


def test_a_finding_is_as_bad_as_its_worst_place():
    (finding,) = findings(
        [line(1, "c", "a", severity="minor", cause="x"), line(2, "c", "b", severity="high", cause="x")]
    )
    assert finding.severity == "high"


def test_the_request_is_of_the_first_place_that_has_one():
    (finding,) = findings([line(1, "c", "a", cause="x"), line(2, "c", "b", cause="x", curl=["curl 1", "curl 2"])])
    assert finding.curl == "curl 2"


def test_the_command_names_suite_selection_and_test():
    invocation = Invocation(command=("harness", "gate"), selection=("--target", "/a b.toml", "--stack", "embedded"))
    words = command_for(line(1, "nosniff", "a"), invocation)
    assert words == "harness run security --target '/a b.toml' --stack embedded -- -k test_nosniff"
    assert command_for(line(1, "startup", "a", test=None), invocation) == ""
    assert command_for(line(1, "nosniff", "a"), None) == ""
