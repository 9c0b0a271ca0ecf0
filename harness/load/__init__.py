"""Load: Locust with open arrivals, in a process of its own; every latency counted from the moment a request was due."""

from harness.errors import GeneratorError
from harness.load.observations import CHECK_IDS, MEASUREMENTS
from harness.load.plan import LoadPlan, Request, Stage, clients_needed
from harness.load.result import ALL, LoadResult
from harness.load.run import check_generator, run_load
from harness.load.stages import PROFILES, parse_duration, profile_stages

__all__ = [
    "ALL",
    "CHECK_IDS",
    "MEASUREMENTS",
    "PROFILES",
    "GeneratorError",
    "LoadPlan",
    "LoadResult",
    "Request",
    "Stage",
    "check_generator",
    "clients_needed",
    "parse_duration",
    "profile_stages",
    "run_load",
]
