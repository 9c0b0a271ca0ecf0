"""Which tests can notice a defect, and what became of it: nothing that was not measured is a kill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge import judge
from harness.model import MutantStatus, Status
from harness.prove.model import Expectation
from harness.prove.selection import JudgedRun, decide_status, select_tests
from tests.judging import criterion, line, policy, record

CORS = criterion("cors.*", id="security.cors")
HEADERS = criterion("headers.*", id="security.headers")
EXPECTED = Expectation(criterion="security.cors", check="cors.origin")


def judged_run(*lines):
    """A run with that evidence, judged by the two criteria."""
    whole = record(*lines)
    return JudgedRun(verdict=judge(policy(CORS, HEADERS), (), whole), evidence=whole.evidence)


def cors(outcome, check="cors.origin", test="a.py::origin", **facts):
    return line(outcome, check, test=test, **facts)


def headers(outcome):
    return line(outcome, "headers.hsts", test="b.py::hsts")


def test_the_tests_of_a_criterion_are_those_that_left_its_evidence():
    healthy = [cors("pass"), cors("pass", "cors.vary", "a.py::vary"), headers("pass")]
    found = select_tests(CORS, "", healthy)
    assert (found.tests, found.suites, found.until) == (("a.py::origin", "a.py::vary"), ("security",), ("cors.*",))
    assert not found.preflight
    one = select_tests(CORS, "cors.vary", healthy)
    assert (one.tests, one.until) == (("a.py::vary",), ("cors.vary",))


def test_what_the_gate_writes_itself_needs_no_test():
    found = select_tests(criterion("preflight.*"), "", [line("pass", "preflight.schema", suite="preflight")])
    assert (found.tests, found.suites, found.preflight) == ((), (), True)


def test_without_evidence_there_is_nothing_to_select():
    assert select_tests(CORS, "", [headers("pass")]) is None
    assert select_tests(CORS, "cors.vary", [cors("pass")]) is None


@pytest.mark.parametrize(
    ("lines", "status", "says"),
    [
        ([cors("fail"), headers("pass")], MutantStatus.KILLED, "cors.origin"),
        ([cors("fail"), headers("fail")], MutantStatus.KILLED, "cors.origin"),
        ([cors("fail", "cors.vary"), headers("pass")], MutantStatus.MISATTRIBUTED, "not by cors.origin"),
        ([cors("pass"), headers("fail")], MutantStatus.MISATTRIBUTED, "security.headers"),
        ([headers("fail")], MutantStatus.MISATTRIBUTED, "security.headers"),
        ([cors("pass"), headers("pass")], MutantStatus.SURVIVED, "nothing failed"),
        ([cors("error", detail={"reason": "timed out"}), headers("pass")], MutantStatus.INCONCLUSIVE, "timed out"),
    ],
)
def test_what_became_of_a_defect(lines, status, says):
    found, why = decide_status(EXPECTED, judged_run(*lines), Status.PASS, narrowed=False)
    assert found is status
    assert says in why


@pytest.mark.parametrize("control", [Status.FAIL, Status.INCONCLUSIVE, Status.NOT_RUN, Status.WAIVED, None])
def test_what_is_not_green_on_the_healthy_service_convicts_nobody(control):
    found, why = decide_status(EXPECTED, judged_run(cors("fail")), control, narrowed=False)
    assert found is MutantStatus.INCONCLUSIVE
    assert "healthy" in why


def test_what_a_left_out_suite_alone_guards_has_survived():
    assert (
        decide_status(EXPECTED, judged_run(headers("pass")), Status.NOT_RUN, narrowed=True)[0] is MutantStatus.SURVIVED
    )
    assert (
        decide_status(EXPECTED, judged_run(headers("fail")), Status.NOT_RUN, narrowed=True)[0]
        is MutantStatus.MISATTRIBUTED
    )
    assert decide_status(EXPECTED, judged_run(cors("fail")), Status.FAIL, narrowed=True)[0] is MutantStatus.INCONCLUSIVE


OUTCOMES = st.sampled_from(["pass", "fail", "error", "skip"])


@given(st.lists(st.tuples(OUTCOMES, st.sampled_from(["cors.origin", "cors.vary", "headers.hsts"])), max_size=6))
def test_a_kill_needs_a_failure_of_the_expected_check(seen):
    lines = [line(outcome, check, test=f"{check} {number}") for number, (outcome, check) in enumerate(seen)]
    status, why = decide_status(EXPECTED, judged_run(*lines), Status.PASS, narrowed=False)
    assert (status is MutantStatus.KILLED) == (("fail", "cors.origin") in seen)
    assert (status in (MutantStatus.KILLED, MutantStatus.MISATTRIBUTED)) == any(
        outcome == "fail" for outcome, _ in seen
    )
    assert why
