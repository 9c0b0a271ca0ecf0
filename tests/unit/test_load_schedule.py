"""Arrivals: when, which request, which client."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load import LoadPlan, Request, Stage
from harness.load.schedule import draw_schedule


def plan(*stages, **words):
    requests = words.pop("requests", (Request(path="/a"),))
    return LoadPlan(url="http://127.0.0.1:1", requests=requests, stages=stages, **words)


def test_uniform_arrivals_are_equally_spaced():
    due = draw_schedule(plan(Stage(rate=4, seconds=2), arrivals="uniform")).due
    assert due.tolist() == [0.125, 0.375, 0.625, 0.875, 1.125, 1.375, 1.625, 1.875]


def test_a_ramp_sends_more_and_more():
    due = draw_schedule(plan(Stage(rate=0, until=200, seconds=10), arrivals="uniform")).due
    counts, _ = np.histogram(due, bins=10, range=(0, 10))
    assert counts.tolist() == [10, 30, 50, 70, 90, 110, 130, 150, 170, 190]


def test_a_falling_ramp_sends_less_and_less():
    due = draw_schedule(plan(Stage(rate=200, until=0, seconds=10), arrivals="uniform")).due
    counts, _ = np.histogram(due, bins=10, range=(0, 10))
    assert counts.tolist() == [190, 170, 150, 130, 110, 90, 70, 50, 30, 10]


def test_poisson_gaps_are_exponential():
    due = draw_schedule(plan(Stage(rate=1000, seconds=20), seed=5)).due
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.03)
    # an exponential's standard deviation is its mean, and 1/e of the gaps are longer than it
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)
    assert (gaps > gaps.mean()).mean() == pytest.approx(1 / np.e, abs=0.02)


@given(
    stages=st.lists(
        st.builds(
            Stage,
            rate=st.floats(1, 50),
            until=st.none() | st.floats(0, 50),
            seconds=st.floats(1, 10),
        ),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**32 - 1),
    model=st.sampled_from(["poisson", "uniform"]),
)
def test_arrivals_are_in_order_and_within_their_stages(stages, seed, model):
    schedule = draw_schedule(plan(*stages, seed=seed, arrivals=model))
    assert (np.diff(schedule.due) >= 0).all()
    begin = 0.0
    for number, stage in enumerate(stages):
        due = schedule.due[schedule.stage == number]
        assert ((due >= begin) & (due <= begin + stage.seconds + 1e-9)).all()
        begin += stage.seconds


def test_the_seed_decides_everything():
    stage = Stage(rate=50, seconds=4)
    requests = (Request(path="/a"), Request(path="/b"))
    one, same, other = (draw_schedule(plan(stage, requests=requests, seed=seed)) for seed in (1, 1, 2))
    assert one.due.tolist() == same.due.tolist()
    assert one.request.tolist() == same.request.tolist()
    assert one.due.tolist() != other.due.tolist()


def test_weights_are_shares():
    requests = (Request(path="/a", weight=3), Request(path="/b", weight=1))
    chosen = draw_schedule(plan(Stage(rate=1000, seconds=10), requests=requests, seed=3)).request
    assert (chosen == 0).mean() == pytest.approx(0.75, abs=0.02)


def test_clients_take_turns_so_that_none_sends_more_than_its_share():
    schedule = draw_schedule(plan(Stage(rate=101, seconds=10), clients=7, arrivals="uniform"))
    counts = np.bincount(schedule.client)
    assert len(counts) == 7
    assert counts.max() - counts.min() <= 1


def test_workers_share_every_arrival_once():
    schedule = draw_schedule(plan(Stage(rate=100, seconds=3), seed=9))
    parts = [schedule.share(part, 3) for part in range(3)]
    assert sorted(np.concatenate([part.due for part in parts])) == schedule.due.tolist()
    assert abs(len(parts[0]) - len(parts[2])) <= 1
