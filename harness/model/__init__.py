"""The words of the project as types: what is measured, what is demanded, what is ruled, what runs.

Imports nothing else of the project. All classes are frozen; collections are tuples or read-only mappings.
"""

from harness.model.evidence import Evidence, Observation, Outcome
from harness.model.ruling import (
    UNKNOWN_BUILD,
    Build,
    Criterion,
    Decision,
    Integrity,
    Policy,
    Record,
    Ruling,
    Select,
    Status,
    Threshold,
    Verdict,
    Waiver,
)
from harness.model.schema import Index, Manifest, Table
from harness.model.stack import Instance, Listener, Progress, StackInfo, Worker
from harness.model.target import (
    ABSENT_WORDS,
    MOST_WORKERS,
    NEEDS_WORDS,
    Auth,
    Cache,
    Health,
    Load,
    PageLogin,
    RateLimit,
    Role,
    Service,
    Target,
    Workers,
)

__all__ = [
    "ABSENT_WORDS",
    "MOST_WORKERS",
    "NEEDS_WORDS",
    "UNKNOWN_BUILD",
    "Auth",
    "Build",
    "Cache",
    "Criterion",
    "Decision",
    "Evidence",
    "Health",
    "Index",
    "Instance",
    "Integrity",
    "Listener",
    "Load",
    "Manifest",
    "Observation",
    "Outcome",
    "PageLogin",
    "Policy",
    "Progress",
    "RateLimit",
    "Record",
    "Role",
    "Ruling",
    "Select",
    "Service",
    "StackInfo",
    "Status",
    "Table",
    "Target",
    "Threshold",
    "Verdict",
    "Waiver",
    "Worker",
    "Workers",
]
