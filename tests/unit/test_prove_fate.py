"""Which tests can notice a defect, and what became of it: nothing that was not measured is a kill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge import judge
from harness.model import Status
from harness.prove.model import Expectation, Fate
from harness.prove.selection import Ruled, select_tests, settle_fate
from tests.judging import criterion, line, policy, record

CORS = criterion("cors.*", id="security.cors")
HEADERS = criterion("headers.*", id="security.headers")
EXPECTED = Expectation(criterion="security.cors", check="cors.origin")


def ruled(*lines):
    """A run with that evidence, judged by the two criteria."""
    whole = record(*lines)
    return Ruled(verdict=judge(policy(CORS, HEADERS), (), whole), evidence=whole.evidence)


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
    ("lines", "fate", "says"),
    [
        ([cors("fail"), headers("pass")], Fate.KILLED, "cors.origin"),
        ([cors("fail"), headers("fail")], Fate.KILLED, "cors.origin"),
        ([cors("fail", "cors.vary"), headers("pass")], Fate.MISATTRIBUTED, "not by cors.origin"),
        ([cors("pass"), headers("fail")], Fate.MISATTRIBUTED, "security.headers"),
        ([headers("fail")], Fate.MISATTRIBUTED, "security.headers"),
        ([cors("pass"), headers("pass")], Fate.SURVIVED, "nothing failed"),
        ([cors("error", detail={"reason": "timed out"}), headers("pass")], Fate.INCONCLUSIVE, "timed out"),
    ],
)
def test_what_became_of_a_defect(lines, fate, says):
    found, why = settle_fate(EXPECTED, ruled(*lines), Status.PASS, narrowed=False)
    assert found is fate
    assert says in why


@pytest.mark.parametrize("control", [Status.FAIL, Status.INCONCLUSIVE, Status.NOT_RUN, Status.WAIVED, None])
def test_what_is_not_green_on_the_healthy_service_convicts_nobody(control):
    found, why = settle_fate(EXPECTED, ruled(cors("fail")), control, narrowed=False)
    assert found is Fate.INCONCLUSIVE
    assert "healthy" in why


def test_what_a_left_out_suite_alone_guards_has_survived():
    assert settle_fate(EXPECTED, ruled(headers("pass")), Status.NOT_RUN, narrowed=True)[0] is Fate.SURVIVED
    assert settle_fate(EXPECTED, ruled(headers("fail")), Status.NOT_RUN, narrowed=True)[0] is Fate.MISATTRIBUTED
    assert settle_fate(EXPECTED, ruled(cors("fail")), Status.FAIL, narrowed=True)[0] is Fate.INCONCLUSIVE


OUTCOMES = st.sampled_from(["pass", "fail", "error", "skip"])


@given(st.lists(st.tuples(OUTCOMES, st.sampled_from(["cors.origin", "cors.vary", "headers.hsts"])), max_size=6))
def test_a_kill_needs_a_failure_of_the_expected_check(seen):
    lines = [line(outcome, check, test=f"{check} {number}") for number, (outcome, check) in enumerate(seen)]
    fate, why = settle_fate(EXPECTED, ruled(*lines), Status.PASS, narrowed=False)
    assert (fate is Fate.KILLED) == (("fail", "cors.origin") in seen)
    assert (fate in (Fate.KILLED, Fate.MISATTRIBUTED)) == any(outcome == "fail" for outcome, _ in seen)
    assert why
