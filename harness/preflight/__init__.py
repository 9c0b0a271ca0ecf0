"""What must hold before a suite starts: small checks, each with an id, a time and a remedy, and a score over them."""

from harness.preflight.check import Check, ReadinessFinding, Scene, run_check
from harness.preflight.checks import (
    CHECK_IDS,
    CHECKS,
    LIVE,
    STATIC,
    not_asked,
    run_live,
    run_static,
    validate_weights,
)
from harness.preflight.score import SCORE_CHECK, ReadinessPart, ReadinessScore, readiness_score, score_observation

__all__ = [
    "CHECKS",
    "CHECK_IDS",
    "LIVE",
    "SCORE_CHECK",
    "STATIC",
    "Check",
    "ReadinessFinding",
    "ReadinessPart",
    "ReadinessScore",
    "Scene",
    "not_asked",
    "readiness_score",
    "run_check",
    "run_live",
    "run_static",
    "score_observation",
    "validate_weights",
]
