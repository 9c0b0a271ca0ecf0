"""Load with open arrivals, and what it has to say."""

from harness.load import GeneratorError, LoadPlan, LoadResult, Request, Stage, run_load
from harness.load.observations import failed_observations, observations
from harness.load.scenario import plan_for, scenario

__all__ = [
    "GeneratorError",
    "LoadPlan",
    "LoadResult",
    "Request",
    "Stage",
    "failed_observations",
    "observations",
    "plan_for",
    "run_load",
    "scenario",
]
