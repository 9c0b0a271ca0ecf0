"""From samples to figures, with the samples in the test."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load import ALL, LoadPlan, Request, Stage
from harness.load.samples import Failure, Samples, failure_kind
from harness.load.summary import endpoints, histogram, lateness_p99_ms, timeline
from tests.histograms import histogram_quantile

PLAN = LoadPlan(
    url="http://127.0.0.1:1",
    requests=(Request(path="/a"), Request(path="/b")),
    stages=(Stage(rate=1, seconds=100),),
)


def samples(rows):
    """Rows of (due, lateness, service, request, status), times in seconds."""
    due, late, service, request, status = (np.array(column) for column in zip(*rows, strict=True))
    sent = np.where(status == Failure.DROPPED, np.nan, due + late)
    return Samples(
        due=due.astype(float),
        sent=sent,
        done=sent + service,
        request=request.astype(np.uint16),
        client=np.zeros(len(rows), np.uint32),
        stage=np.zeros(len(rows), np.uint16),
        status=status.astype(np.int16),
        size=np.zeros(len(rows), np.uint32),
    )


def test_latency_counts_from_the_due_time_and_service_from_sending():
    figures = endpoints(PLAN, samples([(1.0, 0.5, 0.01, 0, 200)]))["GET /a"]
    assert figures.latency["p50"].value == pytest.approx(510)
    assert figures.service_ms["p50"] == pytest.approx(10)


def test_all_is_made_of_all_samples_and_is_no_mean_of_percentiles():
    rows = [(i, 0, 0.001, 0, 200) for i in range(99)] + [(99, 0, 1.0, 1, 200)]
    figures = endpoints(PLAN, samples(rows))
    assert figures["GET /b"].latency["p95"].value == pytest.approx(1000)
    assert figures[ALL].latency["p95"].value == pytest.approx(1)
    assert figures[ALL].count == 100


def test_a_quick_error_is_no_quick_answer_and_a_time_out_is_a_slow_one():
    rows = [
        (0, 0, 0.02, 0, 200),
        (1, 0, 0.0001, 0, 503),
        (2, 0, 10.0, 0, Failure.TIMEOUT),
        (3, 0, 0, 0, Failure.DROPPED),
    ]
    figures = endpoints(PLAN, samples(rows))["GET /a"]
    assert (figures.count, figures.timed, figures.errors) == (4, 2, 3)
    assert figures.latency["p50"].value == pytest.approx(20)
    assert figures.latency_max_ms == pytest.approx(10_000)
    assert figures.kinds == {"status 503": 1, "timeout": 1, "dropped": 1}


def test_no_answer_has_no_latency_rather_than_zero():
    figures = endpoints(PLAN, samples([(0, 0, 0.001, 0, Failure.REFUSED)]))
    assert figures["GET /a"].latency == {}
    assert figures["GET /a"].latency_max_ms is None
    assert figures["GET /b"].count == 0
    assert lateness_p99_ms(samples([(0, 0, 0, 0, Failure.DROPPED)])) is None


def test_few_samples_have_a_p50_with_an_interval_and_a_p99_without():
    figures = endpoints(PLAN, samples([(i, 0, 0.001 * i, 0, 200) for i in range(100)]))["GET /a"]
    low, high = figures.latency["p50"].interval
    assert low < figures.latency["p50"].value < high
    assert figures.latency["p99"].interval is None


@pytest.mark.parametrize(
    ("status", "word"), [(503, "status 503"), (429, "shed"), (Failure.CUT, "cut"), (Failure.DROPPED, "dropped")]
)
def test_failures_have_names(status, word):
    assert failure_kind(int(status)) == word


def test_the_timeline_has_a_line_for_every_second_even_an_empty_one():
    lines = timeline(samples([(0.2, 0, 0.01, 0, 200), (0.9, 0, 0.03, 1, 200), (2.5, 0, 0.001, 0, 500)]))
    assert [(line.t, line.count, line.errors) for line in lines] == [(0, 2, 0), (1, 0, 0), (2, 1, 1)]
    assert lines[0].max == pytest.approx(30)
    assert lines[1].p50 is None
    assert lines[2].p99 is None


@given(
    latencies=st.lists(st.floats(1e-6, 100), min_size=1, max_size=200),
    q=st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]),
)
def test_a_quantile_out_of_the_histogram_is_off_by_a_thousandth_at_most(latencies, q):
    rows = [(number, 0, latency, number % 2, 200) for number, latency in enumerate(latencies)]
    exact = sorted(latencies)[math.ceil(q * len(latencies)) - 1] * 1000
    found = histogram_quantile(histogram(PLAN, samples(rows)), q)
    assert found == pytest.approx(exact, rel=0.0011)


def test_an_empty_histogram_has_no_quantile():
    document = histogram(PLAN, samples([(0, 0, 0.001, 0, 500)]))
    assert histogram_quantile(document, 0.5) is None


def test_samples_come_back_from_disk_and_join_in_order(tmp_path):
    one = samples([(0, 0, 0.01, 0, 200), (2, 0, 0.01, 1, 200)])
    two = samples([(1, 0, 0.02, 1, 404), (3, 0, 0, 0, Failure.DROPPED)])
    one.save(tmp_path / "one.npz")
    joined = Samples.join([Samples.load(tmp_path / "one.npz"), two])
    assert joined.due.tolist() == [0, 1, 2, 3]
    assert joined.status.tolist() == [200, 404, 200, 0]
    assert joined.failed.tolist() == [False, True, False, True]
