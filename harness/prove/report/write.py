"""What a proof leaves behind: its document, its page, and a sealed run with its evidence (DESIGN 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from harness.config import policy_document, target_document
from harness.errors import HarnessError, UsageError
from harness.machine.bundle import root
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import Observation, Outcome
from harness.prove.book import ProofPlan
from harness.prove.controls import Health
from harness.prove.model import Fate, Result
from harness.prove.proof import Draw, Proof, excused, missed, proof_document
from harness.prove.report.page import render_proof
from harness.prove.report.provenance import Begun, ProofFacts, facts_document, facts_of
from harness.prove.results import PAGE, PROOF, ProofFolder
from harness.prove.wire.coverage import STATES, Row
from harness.prove.wire.sampling import score
from harness.run import Run, create_run, seal
from harness.run.documents import encode_document
from harness.stack.build import commit_of

SUITE = "prove"
_LEVEL = 0.95
_MOST_NAMED = 40


def leave_proof(plan: ProofPlan, folder: ProofFolder, proof: Proof, begun: Begun) -> None:
    """Write `proof.json`, `index.html` and the run.

    A secret that a service let slip into a reason or an exchange is taken out of all three. Raises OSError or
    HarnessError where they cannot be written.
    """
    redact = Redactor()
    learn_target(redact, plan.target, plan.overrides)
    facts = facts_of(plan, folder, (*proof.results, *(proof.draw.results if proof.draw else ())), begun)
    proof = _cleaned(proof, redact)
    document = encode_document(proof_document(proof) | facts_document(facts))
    folder.write(PROOF, document)
    folder.write(PAGE, render_proof(proof, facts, plan.defects, plan.policy).encode("utf-8", "replace"))
    _leave_run(plan, proof, facts, document, redact)


def _cleaned(proof: Proof, redact: Redactor) -> Proof:
    """The proof without secrets, text by text: in a page as a whole, a mask could take markup with it."""

    def clean(one: Result) -> Result:
        return replace(one, reason=redact(one.reason), before=redact(one.before), after=redact(one.after))

    draw = proof.draw and replace(proof.draw, results=tuple(clean(one) for one in proof.draw.results))
    health = replace(
        proof.health,
        alarms=tuple(redact(each) for each in proof.health.alarms),
        broken=tuple(redact(each) for each in proof.health.broken),
    )
    return replace(proof, health=health, results=tuple(clean(one) for one in proof.results), draw=draw)


def observations(proof: Proof) -> tuple[Observation, ...]:
    """A proof as evidence: a line for each defect, one for the healthy runs, the draw and each operation."""
    return (
        *_healthy(proof.health),
        *(_defect(one, foreign=proof.foreign) for one in proof.results),
        *_drawn(proof.draw),
        *_guarded(proof.guarded),
    )


def _leave_run(plan: ProofPlan, proof: Proof, facts: ProofFacts, document: bytes, redact: Redactor) -> None:
    run = _new_run(plan, redact)
    run.record(observations(proof))
    (run.path / "artifacts" / PROOF).write_bytes(document)
    with run.editing() as record:
        record["start"] = facts.start
        record["build"] = facts.build
        record["narrowed"] = " ".join(word for word in (facts.asked, facts.narrowed) if word)
        record["seeds"] = {"draw": proof.draw.seed} if proof.draw else {}
    run.close("finished")
    seal(run.path)


def _new_run(plan: ProofPlan, redact: Redactor) -> Run:
    documents = {"profile": target_document(plan.target), "policy": policy_document(plan.policy)}
    commit = commit_of(root()).id or None
    try:
        return create_run(
            plan.out,
            kind="prove",
            target=plan.target,
            policy=plan.policy.name,
            commit=commit,
            documents=documents,
            redact=redact,
        )
    except UsageError as error:
        # the command line was right when the proof began: what is in the way now is the machine's
        raise HarnessError(error.message) from error


def _defect(result: Result, *, foreign: bool) -> Observation:
    detail: dict[str, Any] = {
        "kind": result.kind,
        "area": result.area,
        "fate": result.fate.value,
        "reason": result.equivalent or (result.accepted if excused(result) else result.reason),
        "expected": result.expected,
        "failed": list(result.failed),
        "checks": list(result.checks),
        "seconds": round(result.seconds, 2),
    }
    if result.applied is not None:
        detail |= {"applied": result.applied, "before": result.before, "after": result.after}
    outcome = _outcome(result, foreign=foreign)
    return Observation(suite=SUITE, check="prove.defect", subject=result.id, outcome=outcome, detail=detail)


def _outcome(result: Result, *, foreign: bool) -> Outcome:
    """One of our own that changed nothing is a mistake of the catalogue: an error."""
    if result.equivalent:
        return Outcome.SKIP
    if result.detected:
        return Outcome.PASS
    if missed(result, foreign=foreign):
        return Outcome.FAIL
    if result.fate is Fate.INCONCLUSIVE or (result.fate is Fate.NOT_APPLIED and not foreign):
        return Outcome.ERROR
    return Outcome.SKIP


def _healthy(health: Health) -> Iterator[Observation]:
    if health.upper95 is None:
        return
    detail: dict[str, Any] = {
        "statistic": "share",
        "interval": [0.0, round(health.upper95, 4)],
        "level": _LEVEL,
        "method": "one-sided upper bound (Clopper & Pearson 1934)",
        "alarms": list(health.alarms),
        "broken": list(health.broken),
    }
    yield Observation(
        suite=SUITE,
        check="prove.healthy",
        subject="false alarms",
        outcome=Outcome.MEASURED,
        value=len(health.alarms) / health.runs,
        unit="ratio",
        n=health.runs,
        detail=detail,
    )


def _drawn(draw: Draw | None) -> Iterator[Observation]:
    found = score(draw.results) if draw else None
    if draw is None or found is None:
        return
    detail: dict[str, Any] = {
        "statistic": "share",
        "interval": [round(found.low, 4), round(found.high, 4)],
        "level": _LEVEL,
        "method": "Clopper & Pearson 1934",
        "seed": draw.seed,
        "survived": [one.id for one in draw.results if missed(one, foreign=True)],
    }
    yield Observation(
        suite=SUITE,
        check="prove.draw",
        subject="drawn mutants",
        outcome=Outcome.MEASURED,
        value=found.share,
        unit="ratio",
        n=found.tried,
        detail=detail,
    )


def _guarded(rows: Iterable[Row]) -> Iterator[Observation]:
    for operation, own in groupby(rows, key=lambda row: row.operation):
        found = tuple(own)
        detail: dict[str, Any] = {"statistic": "share", "method": "counted", "counts": {}}
        for state in STATES:
            names = [row.facet for row in found if row.state == state]
            detail["counts"][state] = len(names)
            if names:
                detail[state] = [*names[:_MOST_NAMED], *(["…"] if len(names) > _MOST_NAMED else [])]
        yield Observation(
            suite=SUITE,
            check="prove.guarded",
            subject=operation,
            outcome=Outcome.MEASURED,
            value=detail["counts"]["guarded"] / len(found),
            unit="ratio",
            n=len(found),
            detail=detail,
        )
