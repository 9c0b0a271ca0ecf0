"""Load: what visitors wait for at the target's usual rate, with its limiter on and a client for each visitor.

Takes 10 s of load at 50 requests a second, longer at a lower rate (p99 needs 368 samples), and 3 s around it.
"""

import math

import pytest

from harness.testing import HarnessError, Observation, Outcome, context_of, silent_part
from harness.testing.load import (
    GeneratorError,
    Stage,
    failed_observations,
    observations,
    plan_for,
    run_load,
    scenario,
)

ATTEMPTS = 2
"""A generator that was late measured nothing; what is repeated is the measurement, never a result."""
LEAST_SECONDS = 10.0
MOST_SECONDS = 60.0
SAMPLES = 450
"""p99 has an interval at 95 % from 368 samples on; Poisson arrivals may be a few fewer than expected."""


@pytest.fixture
def plan(target, stack, pytestconfig):
    """The target's scenario at its usual rate, after a second of warming up; other arrivals each time."""
    context = context_of(pytestconfig)
    if context.surface.why and not target.load.paths:
        pytest.skip(context.surface.why)
    rate = target.load.rate
    seconds = min(MOST_SECONDS, max(LEAST_SECONDS, math.ceil(SAMPLES / rate)))
    stages = (
        Stage(rate=rate, seconds=1.0, name="warm-up", warm_up=True),
        Stage(rate=rate, seconds=seconds, name="steady"),
    )
    return plan_for(
        target,
        stack.info.url,
        stages=stages,
        requests=scenario(target, found=context.surface.paths),
        ca_file=stack.info.ca_file,
        seed=int.from_bytes(context.run.name[-6:].encode()) % 2**32,
    )


def repeated(attempt: int, reason: str) -> Observation:
    """A measurement that its own instrument did not believe, kept beside the one that took its place."""
    return Observation(
        suite="load",
        check="load.repeated",
        subject="the run",
        outcome=Outcome.MEASURED,
        value=attempt,
        unit="attempts",
        detail={"statistic": "count", "interval": [attempt, attempt], "method": "exact", "reason": reason},
    )


@pytest.mark.alone
@pytest.mark.check(
    "load.completed", severity="high", subject="the run", source="open arrivals: Schroeder et al., NSDI 2006"
)
def test_the_usual_load_is_answered(plan, stack, record, pytestconfig):
    context = context_of(pytestconfig)
    refusal = context.refusal("load")
    if refusal is not None:
        pytest.skip(str(refusal))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            result = run_load(plan, folder=context.run, on_start=stack.own_process)
        except GeneratorError as error:
            record(*failed_observations(error))
            raise
        if not result.inconclusive or attempt == ATTEMPTS:
            break
        record(repeated(attempt, result.inconclusive))
    if (silent := silent_part(stack.info)) is not None:
        raise HarnessError(f"{silent} of the stack does not answer: nothing of this was the service's doing")
    record(*observations(result))
    if result.inconclusive:
        raise GeneratorError(result.inconclusive)
    assert result.generator.sent == result.generator.expected
