"""A drill as observations: whether the rollback works, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Observation, Outcome
from harness.rollback.drill import DrillResult

SUITE = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFigure:
    """One number of a drill, counted or timed once."""

    check: str
    value: float
    unit: str
    subject: str
    n: int = 1


def drill_figures(result: DrillResult) -> tuple[DrillFigure, ...]:
    """All its numbers; a time that is not known is left out."""
    rollback, level = result.rollback, result.level
    traffic, counted = rollback.traffic, result.acknowledged
    found = [
        DrillFigure(check="rollback.noticed", value=result.noticed_s, unit="s", subject=level),
        DrillFigure(check="rollback.down", value=traffic.down_s, unit="s", subject=level),
        DrillFigure(
            check="rollback.failed", value=traffic.failed, unit="requests", subject=level, n=max(1, traffic.requests)
        ),
    ]
    if result.alerted.began_s is not None:
        found.append(DrillFigure(check="rollback.alerted", value=result.alerted.began_s, unit="s", subject=level))
    if result.alerted.ended_s is not None:
        found.append(DrillFigure(check="rollback.alert_ended", value=result.alerted.ended_s, unit="s", subject=level))
    if rollback.recovered_s is not None:
        found.append(DrillFigure(check="rollback.recovered", value=rollback.recovered_s, unit="s", subject=level))
    if counted is not None:
        found += [
            DrillFigure(check="rollback.rpo", value=counted.lost, unit="rows", subject=level, n=counted.before_end),
            DrillFigure(check="rollback.since", value=counted.after_end, unit="rows", subject=level),
        ]
    found += [
        DrillFigure(check="rollback.step", value=seconds, unit="s", subject=f"{level} {step}")
        for step, seconds in rollback.seconds.items()
    ]
    return tuple(found)


def drill_observations(result: DrillResult) -> tuple[Observation, ...]:
    """What a run says whose drill came to its end."""
    plan = result.rollback.plan
    detail = {"from": plan.before.name, "to": plan.after.name, "noticed": list(result.noticed)}
    if result.problems:
        detail |= {"message": "; ".join(result.problems), "cause": result.problems[0], "severity": "critical"}
    outcome = Outcome.FAIL if result.problems else Outcome.PASS
    line = Observation(
        suite=SUITE, check=f"rollback.{result.level}", subject=result.level, outcome=outcome, detail=detail
    )
    return (line, *map(_measured, drill_figures(result)))


def _measured(figure: DrillFigure) -> Observation:
    return Observation(
        suite=SUITE,
        check=figure.check,
        subject=figure.subject,
        outcome=Outcome.MEASURED,
        value=figure.value,
        unit=figure.unit,
        n=figure.n,
        detail={"statistic": "value", "interval": [figure.value, figure.value], "level": 0.95, "method": "exact"},
    )
