"""Which step is sustained, and whose limit the first one shows that is not."""

from dataclasses import replace

import pytest

from harness.load import LoadPlan, Request, Stage
from harness.load.capacity import Beat, Watch, ruled, sustained_stages
from harness.load.result import Step

GOOD = Step(
    name="100/s",
    offered_rps=100,
    arrived_rps=100,
    achieved_rps=100,
    error_rate=0,
    p95_ms=8.0,
    lateness_p99_ms=1.0,
    why_not="",
)
PLAN = LoadPlan(
    url="http://127.0.0.1:1",
    requests=(Request(path="/"),),
    stages=(Stage(rate=100, seconds=2, name="low"), Stage(rate=200, seconds=2, name="high")),
    stop_at_knee=True,
)


@pytest.mark.parametrize(
    ("change", "whose", "says"),
    [
        ({}, "", ""),
        ({"error_rate": 0.011}, "service", "1.1% of the requests failed"),
        ({"error_rate": 0.009}, "", ""),
        ({"achieved_rps": 89}, "service", "89 answers a second to 100 requests"),
        ({"achieved_rps": 91}, "", ""),
        ({"p95_ms": 81}, "service", "p95 is 81 ms, above 80 ms"),
        ({"p95_ms": 79}, "", ""),
        ({"lateness_p99_ms": 21}, "generator", "the generator was 21 ms late"),
        ({"lateness_p99_ms": 21, "error_rate": 1, "achieved_rps": 0}, "generator", "the generator was 21 ms late"),
    ],
)
def test_what_ends_a_step(change, whose, says):
    step = ruled(replace(GOOD, **change), GOOD, 20.0)
    assert step.whose == whose
    assert says in step.why_not
    assert bool(step.why_not) == bool(says)


def beat(t, reached, finished, failed=0, late=1.0, p95=5.0):
    return Beat(
        t=t,
        reached=reached,
        finished=finished,
        failed=failed,
        dropped=0,
        in_flight=reached - finished,
        late_ms=late,
        p95_ms=p95,
    )


def ends(beats):
    watch = Watch(PLAN)
    return [watch.look(one) for one in beats]


def test_a_run_that_is_sustained_goes_on():
    assert ends([beat(1, 100, 100), beat(2, 200, 200), beat(3, 400, 398), beat(4, 600, 599)]) == [
        None,
        None,
        None,
        None,
    ]


def test_a_run_ends_with_the_step_that_fails():
    told = ends([beat(1, 100, 100), beat(2, 200, 200), beat(3, 400, 300), beat(4, 600, 350)])
    assert told[:3] == [None, None, None]
    assert told[3].startswith("high: ")


def test_figures_come_from_the_steps_below_the_knee():
    bad = replace(GOOD, why_not="it failed", whose="service")
    assert sustained_stages(PLAN, [GOOD, bad]) == [0]
    assert sustained_stages(PLAN, [GOOD, GOOD]) == [0, 1]
    assert sustained_stages(PLAN, [bad]) == [0, 1]
    assert sustained_stages(replace(PLAN, stop_at_knee=False), [GOOD, bad]) == [0, 1]
