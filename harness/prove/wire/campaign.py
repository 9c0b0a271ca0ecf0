"""The proof on the wire: the healthy service, each mutant, the draw, and what all of them say of the suites."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.jobs.gate_plan import suites_of
from harness.model import Listener
from harness.prove.book import Book, ProofPlan
from harness.prove.controls import Health, health_of
from harness.prove.events import MutantBegan
from harness.prove.model import Defect, Expectation, Fate, Result
from harness.prove.patch.runner import AttemptError
from harness.prove.proof import Draw
from harness.prove.wire.coverage import Row, guarded, promised
from harness.prove.wire.proxied_stack import Wired, wired_stack, wired_url
from harness.prove.wire.sampling import draw
from harness.prove.wire.suite_runs import WireRuns
from harness.prove.wire.trial import WireProof

NO_RUNS = Health(runs=0, alarms=())
_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What the wire showed; nothing where it was not tried."""

    health: Health = NO_RUNS
    rows: tuple[Row, ...] = ()
    draw: Draw | None = None


def prove_wire(plan: ProofPlan, book: Book, scratch: Path, listen: Listener) -> Wire:
    """Try the wire mutants that are left, and the draw, on one stack that stays up.

    Raises StackError and UsageError where that stack cannot be had.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with _wired(plan, listen) as wired:
        proof = _begin(plan, wired, book.folder.runs / "wire", scratch)
        left = book.left("wire")
        proof.look(left, listen)
        mutants = tuple(_fitting(one, plan) for one in left)
        healthy, broken = [proof.healthy.against], []
        for number in range(2, plan.healthy + 1):
            try:
                healthy.append(proof.once_more(number))
            except AttemptError as error:
                broken.append(error.message)
        for number, mutant in enumerate(mutants):
            listen(MutantBegan("wire", mutant.id, number, len(mutants)))
            book.hear(_tried(proof, mutant))
        drawn = draw(plan.seed, plan.draw, proof.healthy.traffic.samples)
        lots: list[Result] = []
        for number, mutant in enumerate(drawn):
            listen(MutantBegan("draw", mutant.id, number, len(drawn)))
            lots.append(_tried(proof, mutant))
    results = (*book.in_order("wire"), *lots)
    known = tuple(_fitting(one, plan) for one in plan.defects if one.kind == "wire")
    rows = guarded(
        promised(wired.description) if wired.description else {},
        proof.healthy.traffic.seen,
        results,
        (*known, *drawn),
        {one.id: one.operations for one in results},
    )
    return Wire(
        health=health_of(healthy, broken),
        rows=rows,
        draw=Draw(seed=plan.seed, results=tuple(lots), mutants=drawn) if drawn else None,
    )


def _wired(plan: ProofPlan, listen: Listener) -> AbstractContextManager[Wired]:
    if plan.url:
        return wired_url(plan.target, plan.url)
    return wired_stack(plan.target, plan.overrides, listen)


def _begin(plan: ProofPlan, wired: Wired, folder: Path, scratch: Path) -> WireProof:
    runs = WireRuns(
        wired=wired,
        policy=plan.policy,
        suites=tuple(one for one in suites_of(plan.target) if one.name in plan.suites),
        folder=folder,
        scratch=scratch,
        active=plan.active,
        seconds=_SECONDS,
    )
    named = tuple(promised(wired.description)) if wired.description else ()
    return WireProof(
        runs=runs,
        operations=named,
        seed=plan.seed,
        full=plan.full,
        narrowed=bool(plan.narrowed),
        foreign=bool(plan.url),
    )


def _fitting(defect: Defect, plan: ProofPlan) -> Defect:
    """The defect as this target can be asked: of a service of somebody else, and where there is no such criterion, any
    check that speaks of what was changed will do.
    """
    criterion = next((one for one in plan.policy.criteria if one.id == defect.expect.criterion), None)
    if not plan.url and criterion is not None and criterion.target in (None, plan.target.name):
        return defect
    return replace(defect, expect=Expectation())


def _tried(proof: WireProof, mutant: Defect) -> Result:
    if not mutant.equivalent:
        return proof.try_mutant(mutant)
    return mutant.came_to(Fate.SURVIVED, reason="not tried")
