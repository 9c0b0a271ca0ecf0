"""The proof on the wire: the healthy service, each mutant, the draw, and what all of them say of the suites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.jobs.gate_plan import suites_of
from harness.model import Listener
from harness.prove.controls import ControlRuns, count_healthy
from harness.prove.events import MutantBegan
from harness.prove.model import (
    NO_RUNS,
    Defect,
    Expectation,
    FacetCoverage,
    HealthyRuns,
    NoVerdictError,
    ProofPlan,
    Result,
)
from harness.prove.proof import Draw
from harness.prove.results import ProofResults
from harness.prove.suite_runs import SuiteRuns
from harness.prove.wire.coverage import cover_facets, promised
from harness.prove.wire.proxied_stack import ProxiedStack, attach_proxied, start_proxied
from harness.prove.wire.sampling import draw
from harness.prove.wire.trial import WireRuns, WireTrials, run_baseline

_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResults:
    """What the wire showed; nothing where it was not tried."""

    healthy: HealthyRuns = NO_RUNS
    coverage: tuple[FacetCoverage, ...] = ()
    draw: Draw | None = None


def prove_wire(plan: ProofPlan, results: ProofResults, scratch: Path, listen: Listener) -> WireResults:
    """Try the wire mutants that are left, and the draw, on one stack that stays up.

    Raises StackError and UsageError where that stack cannot be had.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with _proxied(plan, listen) as stack:
        promises = promised(stack.description) if stack.description else {}
        trials = _begin(plan, stack, tuple(promises), results, scratch, listen)
        healthy = _healthy(plan, trials)
        pending = tuple(_fitting(one, plan) for one in results.pending("wire"))
        for result in _tried(trials, "wire", pending, listen):
            results.add(result)
        traffic = trials.baseline.traffic
        mutants = draw(plan.seed, plan.draw, traffic.samples)
        drawn = tuple(_tried(trials, "draw", mutants, listen))
    known = (_fitting(one, plan) for one in plan.defects if one.kind == "wire")
    return WireResults(
        healthy=healthy,
        coverage=cover_facets(promises, traffic.seen, (*results.in_order("wire"), *drawn), (*known, *mutants)),
        draw=Draw(seed=plan.seed, results=drawn, mutants=mutants) if mutants else None,
    )


def _proxied(plan: ProofPlan, listen: Listener) -> AbstractContextManager[ProxiedStack]:
    if plan.url:
        return attach_proxied(plan.target, plan.url)
    return start_proxied(plan.target, plan.overrides, listen)


def _begin(
    plan: ProofPlan,
    stack: ProxiedStack,
    operations: tuple[str, ...],
    results: ProofResults,
    scratch: Path,
    listen: Listener,
) -> WireTrials:
    suites = SuiteRuns(
        target=stack.target,
        stack=stack.stack,
        policy=plan.policy,
        suites=tuple(one for one in suites_of(plan.target) if one.name in plan.suites),
        folder=results.folder.runs / "wire",
        scratch=scratch,
        active=plan.active,
        seconds=_SECONDS,
    )
    runs = WireRuns(suites, stack.proxy)
    foreign = bool(plan.url)
    return WireTrials(
        runs=runs,
        baseline=run_baseline(runs, operations, results.pending("wire"), listen, foreign=foreign),
        controls=ControlRuns(lambda one: runs.run(one.control, tests=one.tests)),
        operations=operations,
        seed=plan.seed,
        full=plan.full,
        narrowed=bool(plan.narrowed),
        foreign=foreign,
    )


def _healthy(plan: ProofPlan, trials: WireTrials) -> HealthyRuns:
    """The baseline, and as many runs more as the plan demands."""
    runs, broken = [trials.baseline.alarms], []
    for number in range(2, plan.healthy + 1):
        try:
            runs.append(trials.run_healthy(number))
        except NoVerdictError as error:
            broken.append(error.message)
    return count_healthy(runs, broken)


def _tried(trials: WireTrials, phase: str, mutants: Sequence[Defect], listen: Listener) -> Iterator[Result]:
    for number, mutant in enumerate(mutants):
        listen(MutantBegan(phase, mutant.id, number, len(mutants)))
        yield trials.try_mutant(mutant)


def _fitting(defect: Defect, plan: ProofPlan) -> Defect:
    """The defect as this target can be asked: of a service of somebody else, and where there is no such criterion, any
    check that speaks of what was changed will do.
    """
    criterion = next((one for one in plan.policy.criteria if one.id == defect.expect.criterion), None)
    if not plan.url and criterion is not None and criterion.target in (None, plan.target.name):
        return defect
    return replace(defect, expect=Expectation())
