"""Readiness alone: up, the readiness checks and their score, down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import StartupError
from harness.jobs.session import RunSession, run_session
from harness.model import STACK_UP, Listener, Observation, Outcome, StackInfo
from harness.preflight import (
    ReadinessScore,
    not_asked,
    readiness_score,
    run_live,
    run_static,
    score_observation,
    validate_weights,
)
from harness.runner.artifacts import full_disk_named
from harness.runner.progress import machine_shared
from harness.stack.selection import TargetSelection, bring_up


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightResult:
    """What the readiness checks found."""

    run: Path
    target: str
    observations: tuple[Observation, ...]
    score: ReadinessScore
    service_log: str = ""
    """The last lines of a service that did not start."""

    @property
    def exit_code(self) -> int:
        """1 for a failure, 3 for an error or where nothing was asked, else 0."""
        outcomes = {each.outcome for each in self.observations}
        if Outcome.FAIL in outcomes:
            return 1
        return 3 if Outcome.ERROR in outcomes or Outcome.PASS not in outcomes else 0


def run_preflight(selection: TargetSelection, out: Path, listen: Listener) -> PreflightResult:
    """Check the readiness of the target. Raises `StackError` where its stack does not come up, `ConfigError` for a
    weight of a check that does not exist.
    """
    validate_weights(selection.target)
    weights = selection.target.preflight.weights
    found: list[Observation] = []
    service_log = ""
    with (
        full_disk_named(out),
        run_session("preflight", selection.target, out, overrides=selection.overrides) as session,
    ):
        try:
            _ask(selection, session, found, listen)
        except StartupError as error:
            found += not_asked(session.redact(error.message))
            service_log = session.redact(error.output)
        score = readiness_score(found, weights)
        session.run.record([*found, score_observation(score)])
    return PreflightResult(
        run=session.path,
        target=selection.target.name,
        observations=tuple(found),
        score=score,
        service_log=service_log,
    )


def _ask(selection: TargetSelection, session: RunSession, found: list[Observation], listen: Listener) -> None:
    """Bring the stack up and ask; what is found stays in `found`, however far it gets."""
    folders = (str(session.path),)

    def before_service(info: StackInfo) -> None:
        session.learn(info)
        found.extend(run_static(selection.target, info, folders))

    with (
        machine_shared(STACK_UP, listen),
        bring_up(selection, listen, before_service) as stack,
        session.on_stack(stack.info),
    ):
        if not selection.starts:
            before_service(stack.info)
        found.extend(run_live(selection.target, stack.info))
