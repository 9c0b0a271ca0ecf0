"""What a load run says as evidence, and when it says nothing."""

import math
from dataclasses import replace

import pytest

from harness.load import ALL, CHECK_IDS, GeneratorError, LoadResult
from harness.load.observations import failed_observations, observations
from harness.load.result import CanaryResult, EndpointFigures, Generator, Quantile
from harness.model import Outcome

ENDPOINT = EndpointFigures(
    count=1000,
    timed=990,
    errors=10,
    kinds={"status 503": 10},
    latency={
        "p50": Quantile(value=2.0, interval=(1.9, 2.1)),
        "p90": Quantile(value=3.0, interval=(2.9, 3.2)),
        "p95": Quantile(value=4.0, interval=(3.9, 4.4)),
        "p99": Quantile(value=9.0, interval=None),
    },
    latency_max_ms=12.0,
    service_ms={"p50": 1.8, "p90": 2.8, "p95": 3.8, "p99": 8.0},
)
GENERATOR = Generator(
    lateness_p99_ms=1.0,
    limit_ms=20,
    on_time=True,
    expected=1000,
    reached=1000,
    sent=1000,
    dropped=0,
    failures=0,
    cpu_share=0.1,
    connections=8,
    reconnects=0,
)
CANARY = CanaryResult(pause_ms=300, seen_ms=290, requests=6, seen=True)
GOOD = LoadResult(
    url="http://127.0.0.1:1",
    arrivals="poisson",
    seed=1,
    seconds=20,
    offered_rps=50,
    achieved_rps=50,
    endpoints={"GET /x": ENDPOINT, ALL: ENDPOINT},
    generator=GENERATOR,
    canary=CANARY,
    steps=(),
    timeline=(),
    ended_early=None,
    complete=True,
)


def said(result):
    return {(seen.check, seen.subject, seen.detail.get("statistic")): seen for seen in observations(result)}


def outcomes(result):
    return {check: seen.outcome for (check, _, _), seen in said(result).items()}


def test_a_good_run_measures_latencies_and_errors_of_each_endpoint_and_of_all():
    lines = said(GOOD)
    assert lines["load.completed", ALL, None].outcome is Outcome.PASS
    assert lines["load.generator", ALL, "p99"].outcome is Outcome.PASS
    p95 = lines["load.latency", "GET /x", "p95"]
    assert (p95.outcome, p95.value, p95.unit, p95.n) == (Outcome.MEASURED, 4.0, "ms", 990)
    assert p95.detail["interval"] == (3.9, 4.4)
    assert (p95.detail["level"], p95.detail["method"]) == (0.95, "order statistics")
    errors = lines["load.errors", "GET /x", "error_rate"]
    assert (errors.value, errors.unit, errors.n) == (0.01, "ratio", 1000)
    low, high = errors.detail["interval"]
    assert 0.0047 < low < 0.0049
    assert 0.0182 < high < 0.0184


def test_a_quantile_without_an_interval_stands_only_where_it_would_be_missed():
    lines = said(GOOD)
    assert ("load.latency", "GET /x", "p99") not in lines
    assert lines["load.latency", ALL, "p99"].detail["interval"] is None


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (replace(GOOD, generator=replace(GENERATOR, lateness_p99_ms=20.1, on_time=False)), "generator was late"),
        (replace(GOOD, generator=replace(GENERATOR, lateness_p99_ms=None, on_time=False)), "no request was sent"),
        (replace(GOOD, generator=replace(GENERATOR, failures=2)), "ran out of files"),
        (replace(GOOD, canary=replace(CANARY, seen=False)), "stood still for 300 ms"),
    ],
)
def test_a_generator_that_is_not_to_be_believed_makes_no_figures(result, says):
    assert outcomes(result) == {"load.completed": Outcome.PASS, "load.generator": Outcome.ERROR}
    assert says in said(result)["load.generator", ALL, "p99"].detail["message"]
    assert says in result.inconclusive


def test_traffic_that_stopped_half_way_makes_no_figures():
    result = replace(GOOD, complete=False, generator=replace(GENERATOR, reached=500, sent=500))
    assert outcomes(result)["load.completed"] is Outcome.ERROR
    assert "of 1000 arrivals 500 came due, 500 were sent" in said(result)["load.completed", ALL, None].detail["message"]
    assert "load.latency" not in outcomes(result)


def test_a_run_without_a_canary_proves_nothing_of_its_eyes():
    assert outcomes(replace(GOOD, canary=None))["load.generator"] is Outcome.ERROR


def test_an_unasked_429_is_an_error_of_the_measurement_not_of_the_service():
    shed = replace(ENDPOINT, kinds={"shed": 10})
    lines = said(replace(GOOD, endpoints={"GET /x": shed, ALL: shed}))
    assert lines["load.shed", "GET /x", None].outcome is Outcome.ERROR
    assert "refused with 429" in lines["load.shed", "GET /x", None].detail["message"]
    assert ("load.shed", ALL, None) not in lines


def test_an_endpoint_that_nobody_was_sent_to_has_no_line():
    silent = EndpointFigures(count=0, timed=0, errors=0, kinds={}, latency={}, latency_max_ms=None, service_ms={})
    lines = said(replace(GOOD, endpoints={"GET /y": silent, ALL: ENDPOINT}))
    assert not [key for key in lines if key[1] == "GET /y"]


def test_a_dead_generator_says_nothing_of_the_service():
    lines = failed_observations(GeneratorError("Locust was killed by signal 9", output="its last words"))
    assert {seen.check: seen.outcome for seen in lines} == {
        "load.completed": Outcome.ERROR,
        "load.generator": Outcome.ERROR,
    }
    assert lines[0].detail == {"message": "Locust was killed by signal 9", "output": "its last words"}


def test_no_figure_is_a_number_that_json_does_not_have():
    for seen in observations(GOOD):
        interval = seen.detail.get("interval") or (0.0,)
        assert all(math.isfinite(end) for end in interval)


def test_every_check_that_a_load_run_writes_is_registered():
    shed = replace(ENDPOINT, kinds={"shed": 10})
    seen = observations(replace(GOOD, endpoints={"GET /x": shed, "GET /y": ENDPOINT, ALL: shed}))
    assert {line.check for line in (*seen, *failed_observations(GeneratorError("gone")))} == CHECK_IDS


def test_what_a_limiter_refused_is_no_error_of_load():
    shed = replace(ENDPOINT, kinds={"shed": 10})
    seen = observations(replace(GOOD, endpoints={"GET /x": shed, ALL: shed}))
    assert [line.check for line in seen] == ["load.completed", "load.generator", "load.shed"]
