"""What a proof came to, as a whole: its exit status, its score and its record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from harness.model import DefectRecord, DrawRecord, FacetRecord, HealthyRecord, MutantStatus, ProofRecord
from harness.prove.model import Defect, FacetCoverage, HealthyRuns, Result
from harness.stats import clopper_pearson

_UNNOTICED = (MutantStatus.SURVIVED, MutantStatus.MISATTRIBUTED)
_SCORED = (MutantStatus.KILLED, *_UNNOTICED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationScore:
    """Which share of the drawn mutants is noticed, with its interval at 95 % (Clopper & Pearson 1934)."""

    killed: int
    tried: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself."""
        return self.killed / self.tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A random draw of mutants, of the wire or of the sources: it gives a score, and never decides."""

    seed: int
    results: tuple[Result, ...]
    mutants: tuple[Defect, ...] = ()
    """What was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Healthy runs, and what became of each defect."""

    healthy: HealthyRuns
    results: tuple[Result, ...]
    guarded: tuple[FacetCoverage, ...] = ()
    draw: Draw | None = None
    source: Draw | None = None
    foreign: bool = False
    """Against a service without its source: there a mutant may find nothing to change."""

    @property
    def total(self) -> int:
        """Defects that could have been detected."""
        return sum(counts(one) for one in self.results)

    @property
    def detected(self) -> int:
        """Those that were."""
        return sum(one.detected and counts(one) for one in self.results)

    @property
    def draws(self) -> tuple[tuple[str, Draw], ...]:
        """The random draws that were made, and of what."""
        found = (("wire", self.draw), ("source", self.source))
        return tuple((of, draw) for of, draw in found if draw is not None)

    @property
    def drawn(self) -> tuple[Result, ...]:
        """Results of the random draws."""
        return tuple(result for _, draw in self.draws for result in draw.results)

    @property
    def missed(self) -> tuple[Result, ...]:
        """Results that speak against the suites."""
        return tuple(one for one in self.results if missed(one, foreign=self.foreign))

    @property
    def unclear(self) -> tuple[Result, ...]:
        """Results that say nothing, of defects that could have been noticed."""
        return tuple(one for one in self.results if one.status is MutantStatus.INCONCLUSIVE and not one.equivalent)

    @property
    def unapplied(self) -> tuple[Result, ...]:
        """Results of defects that changed nothing."""
        return tuple(one for one in self.results if one.status is MutantStatus.NOT_APPLIED)

    @property
    def exit_code(self) -> int:
        """2 if one of our own changed nothing, 1 if a defect was missed, 3 if anything is unclear or nothing was tried,
        else 0. An accepted survivor and a random draw change nothing.
        """
        if self.unapplied and not self.foreign:
            return 2
        if self.missed:
            return 1
        tried = self.total or (self.source is not None and score(self.source.results) is not None)
        return 3 if self.unclear or self.healthy.alarms or self.healthy.broken or not tried else 0


def counts(result: Result) -> bool:
    """Is it part of the total? What is equivalent, found nothing to change, or cannot even start, is not."""
    return not result.equivalent and result.status not in (MutantStatus.NOT_APPLIED, MutantStatus.STILLBORN)


def missed(result: Result, *, foreign: bool) -> bool:
    """Does it speak against the suites?

    A survivor that was accepted, with its reason, does not. What no request passed counts as survived in our own
    catalogue; before a service that somebody else wrote it is only said.
    """
    if result.equivalent or result.accepted:
        return False
    if result.status is MutantStatus.NOT_EXERCISED:
        return not foreign
    return result.status in _UNNOTICED


def excused(result: Result) -> bool:
    """Was it not detected, and is that accepted? Of what is inconclusive or changed nothing, nothing is known yet."""
    return bool(result.accepted) and result.status in (*_UNNOTICED, MutantStatus.NOT_EXERCISED)


def score(results: Iterable[Result]) -> MutationScore | None:
    """The score of drawn mutants: killed ones among those killed, survived and misattributed, equivalent ones left
    out; None if there are none. What was not exercised, not applied, stillborn or inconclusive says nothing of the
    suites.
    """
    tried = [result for result in results if result.status in _SCORED and not result.equivalent]
    if not tried:
        return None
    killed = sum(result.detected for result in tried)
    low, high = clopper_pearson(killed, len(tried))
    return MutationScore(killed=killed, tried=len(tried), low=low, high=high)


def mean_seconds(results: Sequence[Result]) -> Mapping[str, float]:
    """Mean seconds of a defect, by kind."""
    kinds = sorted({one.kind for one in results})
    found = {kind: [one.seconds for one in results if one.kind == kind] for kind in kinds}
    return {kind: round(sum(seconds) / len(seconds), 2) for kind, seconds in found.items()}


def with_results(record: ProofRecord, proof: Proof) -> ProofRecord:
    """The record of where and how, with what the proof came to."""
    healthy = proof.healthy
    return replace(
        record,
        healthy=HealthyRecord(
            runs=healthy.runs,
            false_alarms=len(healthy.alarms),
            false_alarm_upper95=None if healthy.upper95 is None else round(healthy.upper95, 4),
            alarms=healthy.alarms,
            broken=healthy.broken,
        ),
        defects=tuple(_defect(one) for one in proof.results),
        detected=proof.detected,
        total=proof.total,
        guarded=tuple(FacetRecord(operation=one.operation, facet=one.facet, state=one.state) for one in proof.guarded),
        seconds_a_defect=mean_seconds(proof.results),
        draw=_draw(proof.draw) if proof.draw is not None else None,
        source=_draw(proof.source) if proof.source is not None else None,
    )


def proof_document(record: ProofRecord) -> dict[str, Any]:
    """The members of `proof.json`, which `prove --json` prints."""
    document: dict[str, Any] = msgspec.to_builtins(record)
    for key in ("draw", "source"):
        if document[key] is None:
            del document[key]
    return document


def _defect(result: Result) -> DefectRecord:
    return DefectRecord(
        id=result.id,
        kind=result.kind,
        area=result.area,
        outcome=result.status,
        detected=result.detected,
        expected=result.expected,
        failed=result.failed,
        checks=result.checks,
        reason=result.reason,
        applied=result.applied,
        before=result.before,
        after=result.after,
        accepted=result.accepted or None,
        equivalent=result.equivalent or None,
        seconds=round(result.seconds, 2),
    )


def _draw(draw: Draw) -> DrawRecord:
    found = score(draw.results)
    return DrawRecord(
        seed=draw.seed,
        killed=found.killed if found else 0,
        tried=found.tried if found else 0,
        score=round(found.share, 4) if found else None,
        interval=(round(found.low, 4), round(found.high, 4)) if found else None,
        defects=tuple(_defect(one) for one in draw.results),
    )
