"""The table over numbers, row by row, and the order of its rows."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.rule import ThresholdComparison, compare
from harness.model import Threshold
from tests.judging import MS, criterion, line, measured, ruling_of

LATENCY = criterion("load.*", id="load.latency", demand=MS, min_n=100)


def test_an_interval_wholly_below_the_threshold_passes_and_shows_its_numbers():
    found = ruling_of(LATENCY, measured(120.5, [110, 130]))
    assert found.status == "pass"
    assert found.measured == "p99 120.5 ms [110, 130] (ALL)"
    assert found.threshold == "p99 <= 300 ms"
    assert (found.interval, found.n, found.evidence) == ((110.0, 130.0), 1000, (2,))


@pytest.mark.parametrize(
    ("op", "interval", "status"),
    [
        ("<=", [1, 300], "pass"),
        ("<", [1, 300], "inconclusive"),
        ("<", [1, 299], "pass"),
        ("<", [300, 301], "fail"),
        ("<=", [300, 301], "inconclusive"),
        ("<=", [301, 302], "fail"),
        (">=", [300, 301], "pass"),
        (">", [300, 301], "inconclusive"),
        (">", [301, 302], "pass"),
        (">", [299, 300], "fail"),
        (">=", [299, 300], "inconclusive"),
        (">=", [298, 299], "fail"),
        ("==", [300, 300], "pass"),
        ("==", [299, 301], "inconclusive"),
        ("==", [301, 301], "fail"),
    ],
)
def test_an_interval_stands_against_a_threshold(op, interval, status):
    rule = replace(LATENCY, demand=replace(MS, op=op))
    assert ruling_of(rule, measured(sum(interval) / 2, interval)).status == status


@pytest.mark.parametrize(
    "interval",
    [None, [], [1], [1, 2, 3], [130, 110], [1, math.nan], [-math.inf, 1], ["1", "2"], [True, True], {"low": 1}, 5],
)
def test_a_number_without_a_usable_interval_proves_nothing(interval):
    found = ruling_of(LATENCY, measured(1, interval))
    assert found.status == "inconclusive"
    assert "no interval" in found.reason


@pytest.mark.parametrize("level", [0, 0.5, 0.9499, 95, math.nan, "0.95", None, True])
def test_an_interval_of_a_lesser_level_proves_nothing(level):
    found = ruling_of(LATENCY, measured(120, [110, 130], detail={"level": level}))
    assert found.status == "inconclusive"
    assert f"its interval is of level {level}, at least 0.95 is needed" in found.reason


@pytest.mark.parametrize("level", [0.95, 0.99, 1, 1.0])
def test_an_interval_of_the_least_level_or_surer_is_ruled_on(level):
    assert ruling_of(LATENCY, measured(120, [110, 130], detail={"level": level})).status == "pass"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"unit": "s"}, "it is in 's', the threshold in 'ms'"),
        ({"unit": ""}, "it is in 'no unit', the threshold in 'ms'"),
        ({"n": 99}, "99 samples, at least 100 are needed"),
        ({"value": None}, "it carries no value"),
        ({"value": math.nan}, "it carries no value"),
        ({"value": 400}, "its value lies outside of its own interval"),
    ],
)
def test_a_number_with_a_flaw_proves_nothing(facts, said):
    found = ruling_of(LATENCY, measured(**{"value": 1, "interval": [1, 2]} | facts))
    assert found.status == "inconclusive"
    assert said in found.reason


def test_no_line_of_the_demanded_statistic_is_not_run():
    found = ruling_of(LATENCY, measured(1, [1, 2], statistic="p50"), line("pass", "load.completed"))
    assert (found.status, found.n, found.evidence) == ("not_run", 0, ())
    assert ruling_of(LATENCY, line("skip", "load.latency")).status == "not_run"


def test_the_rows_come_in_their_order_over_several_lines():
    fail, error, flaky = (line(outcome, "load.completed") for outcome in ("fail", "error", "flaky"))
    missing = measured(1, None, subject="/a")
    straddles = measured(300, [200, 400], subject="/b")
    misses = measured(500, [400, 600], subject="/c")
    meets = measured(100, [90, 110], subject="/d")
    assert ruling_of(LATENCY, meets, misses, straddles, missing, error, fail).status == "fail"
    assert ruling_of(LATENCY, meets, misses, straddles, missing, error).status == "inconclusive"
    assert "could not be told" in ruling_of(LATENCY, misses, missing, error).reason
    assert "no interval" in ruling_of(LATENCY, meets, misses, straddles, missing).reason
    assert ruling_of(LATENCY, meets, misses, straddles).status == "inconclusive"
    assert ruling_of(LATENCY, meets, misses).status == "fail"
    assert ruling_of(LATENCY, meets).status == "pass"
    assert ruling_of(LATENCY, meets, flaky).status == "inconclusive"


def test_of_several_lines_the_worst_is_shown():
    lines = [measured(500, [400, 600], subject="/a"), measured(450, [440, 700], subject="/b")]
    found = ruling_of(LATENCY, *lines)
    assert found.status == "fail"
    assert "/b" in found.measured
    assert found.interval == (440.0, 700.0)
    passing = ruling_of(LATENCY, measured(10, [1, 20], subject="/a"), measured(10, [5, 15], subject="/b"))
    assert passing.interval == (1.0, 20.0)


def test_a_repeated_measurement_replaces_the_one_of_the_failed_attempt():
    test = "suites/load/test_load.py::test_load"
    slow = measured(500, [400, 600], test=test, detail={"attempt": 1, "superseded": True})
    quick = measured(100, [90, 110], test=test, detail={"attempt": 2})
    median = measured(50, [40, 60], test=test, detail={"attempt": 2}, statistic="p50")
    assert ruling_of(LATENCY, slow, median, quick).status == "pass"


def test_statistics_of_one_test_do_not_replace_each_other():
    test = "suites/load/test_load.py::test_load"
    lines = [measured(100, [90, 110], test=test), measured(50, [40, 60], test=test, statistic="p50")]
    assert ruling_of(LATENCY, *lines).status == "pass"
    assert ruling_of(LATENCY, *reversed(lines)).status == "pass"


def test_two_measurements_of_one_attempt_both_count():
    test = "suites/load/test_load.py::test_load"
    lines = [measured(value, [value, value], test=test, detail={"attempt": 1}) for value in (500, 100)]
    assert ruling_of(LATENCY, *lines).status == "fail"


FINITE = st.floats(min_value=-1e9, max_value=1e9)
OPS = st.sampled_from(["<", "<=", ">", ">=", "=="])
HOLDS = {
    "<": lambda x, t: x < t,
    "<=": lambda x, t: x <= t,
    ">": lambda x, t: x > t,
    ">=": lambda x, t: x >= t,
    "==": lambda x, t: x == t,
}


@given(ends=st.tuples(FINITE, FINITE), limit=FINITE, op=OPS)
def test_an_interval_meets_if_both_ends_hold_and_misses_if_no_value_in_it_does(ends, limit, op):
    low, high = sorted(ends)
    found = compare((low, high), Threshold(stat="x", op=op, value=limit, unit=""))
    holds = HOLDS[op]
    if holds(low, limit) and holds(high, limit):
        assert found is ThresholdComparison.MEETS
    elif holds(low, limit) or holds(high, limit) or (op == "==" and low <= limit <= high):
        assert found is ThresholdComparison.STRADDLES
    else:
        assert found is ThresholdComparison.MISSES


@given(value=FINITE, limit=FINITE, op=OPS)
def test_an_exact_count_is_never_inconclusive(value, limit, op):
    assert (
        compare((value, value), Threshold(stat="count", op=op, value=limit, unit=""))
        is not ThresholdComparison.STRADDLES
    )
