"""The System Readiness Score: the weighted share of readiness checks that were asked and found right.

What was not measured is never counted as passed: an `error`, and a `skip` of something that is there but not known
here, earn nothing. Only what the target does not have leaves the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import Observation, Outcome
from harness.preflight.check import SUITE

PREFIX = f"{SUITE}."
SCORE_CHECK = f"{PREFIX}score"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessPart:
    """What one check brings to the score."""

    check: str
    outcome: Outcome
    weight: float
    earned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessScore:
    """From 0 to 100; 0 where nothing was asked."""

    value: float
    parts: tuple[ReadinessPart, ...]
    left_out: tuple[str, ...]
    """Checks of what the target does not have."""


def readiness_score(observations: Iterable[Observation], weights: Mapping[str, float]) -> ReadinessScore:
    """Score the readiness checks among the observations.

    A weight is given by check id, `preflight.` left out or not; the default is 1.
    """
    asked = [each for each in observations if each.suite == SUITE and each.check != SCORE_CHECK]
    left_out = tuple(each.check for each in asked if not each.counts)
    parts = tuple(_part(each, weights) for each in asked if each.check not in left_out)
    return ReadinessScore(value=_share_earned(parts), parts=parts, left_out=left_out)


def _share_earned(parts: Sequence[ReadinessPart]) -> float:
    total = sum(part.weight for part in parts)
    return round(100 * sum(part.earned for part in parts) / total, 1) if total else 0.0


def score_observation(score: ReadinessScore) -> Observation:
    """The score as evidence; an exact figure, so its interval has no width."""
    earned = sum(part.outcome is Outcome.PASS for part in score.parts)
    missed = [
        f"{part.check.removeprefix(PREFIX)} ({part.outcome})" for part in score.parts if part.earned < part.weight
    ]
    message = f"{earned} of {len(score.parts)} checks passed" + (f"; not: {', '.join(missed)}" if missed else "")
    return Observation(
        suite=SUITE,
        check=SCORE_CHECK,
        subject="System Readiness Score",
        outcome=Outcome.MEASURED,
        value=score.value,
        unit="of 100",
        n=max(1, len(score.parts)),
        detail={
            "statistic": "score",
            "interval": [score.value, score.value],
            "level": 1.0,
            "method": "weighted share of the checks that passed",
            "message": message,
            "parts": [
                {"check": part.check, "outcome": part.outcome, "weight": part.weight, "earned": part.earned}
                for part in score.parts
            ],
            "left_out": list(score.left_out),
        },
    )


def _part(seen: Observation, weights: Mapping[str, float]) -> ReadinessPart:
    weight = weights.get(seen.check, weights.get(seen.check.removeprefix(PREFIX), 1.0))
    return ReadinessPart(
        check=seen.check, outcome=seen.outcome, weight=weight, earned=weight if seen.outcome is Outcome.PASS else 0.0
    )
