"""Writes what a proof leaves: its document, its page, and a sealed run with its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

import msgspec

from harness.errors import HarnessError, UsageError
from harness.jobs.session import RunSession, run_session
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import FACET_STATES, MutantStatus, Observation, Outcome, ProofRecord
from harness.prove.model import FacetCoverage, HealthyRuns, ProofPlan, Result
from harness.prove.proof import Draw, Proof, excused, missed, proof_document, score, with_results
from harness.prove.report.page import render_proof
from harness.prove.report.provenance import Begun, record_of
from harness.prove.results import PAGE, PROOF, ProofFolder
from harness.run.documents import encode_document

SUITE = "prove"
_LEVEL = 0.95
_MOST_NAMED = 40


def write_proof(plan: ProofPlan, folder: ProofFolder, proof: Proof, begun: Begun) -> None:
    """Write `proof.json`, `index.html` and the run.

    A secret that a service let slip into a reason or an exchange is taken out of all three. Raises OSError or
    HarnessError where they cannot be written.
    """
    redact = Redactor()
    learn_target(redact, plan.target, plan.overrides)
    record = record_of(plan, folder, (*proof.results, *proof.drawn), begun)
    proof = _cleaned(proof, redact)
    record = with_results(record, proof)
    document = encode_document(proof_document(record))
    _write_run(plan, proof, record, document, redact)
    folder.write(PAGE, render_proof(proof, record, plan.defects, plan.policy).encode("utf-8", "replace"))
    # last: a gate takes a folder that has it for a whole proof
    folder.write(PROOF, document)


def _cleaned(proof: Proof, redact: Redactor) -> Proof:
    """The proof without secrets, text by text: in a page as a whole, a mask could take markup with it."""

    def clean(one: Result) -> Result:
        return msgspec.structs.replace(
            one, reason=redact(one.reason), before=redact(one.before), after=redact(one.after)
        )

    def cleaned(draw: Draw | None) -> Draw | None:
        return draw and replace(draw, results=tuple(clean(one) for one in draw.results))

    healthy = replace(
        proof.healthy,
        alarms=tuple(redact(each) for each in proof.healthy.alarms),
        broken=tuple(redact(each) for each in proof.healthy.broken),
    )
    return replace(
        proof,
        healthy=healthy,
        results=tuple(clean(one) for one in proof.results),
        draw=cleaned(proof.draw),
        source=cleaned(proof.source),
    )


def observations(proof: Proof) -> tuple[Observation, ...]:
    """A proof as evidence: a line for each defect, one for the healthy runs, the draw and each operation."""
    return (
        *_healthy(proof.healthy),
        *(_defect(one, foreign=proof.foreign) for one in proof.results),
        *_drawn("prove.draw", "drawn mutants", proof.draw),
        *_drawn("prove.source", "mutants of the sources", proof.source),
        *_guarded(proof.guarded),
    )


def _write_run(plan: ProofPlan, proof: Proof, record: ProofRecord, document: bytes, redact: Redactor) -> None:
    narrowed = " ".join(word for word in (record.asked, record.narrowed) if word)
    seeds = {"draw": proof.draws[0][1].seed} if proof.draws else {}
    with _session(plan, narrowed, seeds, redact) as session:
        session.run.record(observations(proof))
        (session.path / "artifacts" / PROOF).write_bytes(document)
        session.run.update(lambda kept: replace(kept, start=record.start, build=record.build))


def _session(plan: ProofPlan, narrowed: str, seeds: Mapping[str, int], redact: Redactor) -> RunSession:
    try:
        return run_session(
            "prove", plan.target, plan.out, policy=plan.policy, narrowed=narrowed, seeds=seeds, redact=redact
        )
    except UsageError as error:
        # the command line was right when the proof began: what is in the way now is the machine's
        raise HarnessError(error.message) from error


def _defect(result: Result, *, foreign: bool) -> Observation:
    detail: dict[str, Any] = {
        "kind": result.kind,
        "area": result.area,
        "fate": result.status.value,
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
    if result.status is MutantStatus.INCONCLUSIVE or (result.status is MutantStatus.NOT_APPLIED and not foreign):
        return Outcome.ERROR
    return Outcome.SKIP


def _healthy(healthy: HealthyRuns) -> Iterator[Observation]:
    if healthy.upper95 is None:
        return
    detail = {
        "interval": [0.0, round(healthy.upper95, 4)],
        "level": _LEVEL,
        "method": "one-sided upper bound (Clopper & Pearson 1934)",
        "alarms": list(healthy.alarms),
        "broken": list(healthy.broken),
    }
    yield _share("prove.healthy", "false alarms", len(healthy.alarms) / healthy.runs, healthy.runs, detail)


def _drawn(check: str, subject: str, draw: Draw | None) -> Iterator[Observation]:
    found = score(draw.results) if draw else None
    if draw is None or found is None:
        return
    detail = {
        "interval": [round(found.low, 4), round(found.high, 4)],
        "level": _LEVEL,
        "method": "Clopper & Pearson 1934",
        "seed": draw.seed,
        "survived": [one.id for one in draw.results if missed(one, foreign=True)],
    }
    yield _share(check, subject, found.share, found.tried, detail)


def _guarded(coverage: Iterable[FacetCoverage]) -> Iterator[Observation]:
    for operation, own in groupby(coverage, key=lambda one: one.operation):
        found = tuple(own)
        detail: dict[str, Any] = {"method": "counted", "counts": {}}
        for state in FACET_STATES:
            names = [one.facet for one in found if one.state == state]
            detail["counts"][state] = len(names)
            if names:
                detail[state] = [*names[:_MOST_NAMED], *(["…"] if len(names) > _MOST_NAMED else [])]
        yield _share("prove.guarded", operation, detail["counts"]["guarded"] / len(found), len(found), detail)


def _share(check: str, subject: str, value: float, n: int, detail: Mapping[str, object]) -> Observation:
    shown = {"statistic": "share", **detail}
    return Observation(
        suite=SUITE,
        check=check,
        subject=subject,
        outcome=Outcome.MEASURED,
        value=value,
        unit="ratio",
        n=n,
        detail=shown,
    )
