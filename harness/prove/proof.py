"""What a proof came to, as a whole: its exit status and its JSON document (DESIGN 4.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.prove.controls import Health
from harness.prove.model import Defect, Fate, Result
from harness.prove.wire.coverage import Row
from harness.prove.wire.sampling import score

_UNNOTICED = (Fate.SURVIVED, Fate.MISATTRIBUTED, Fate.NOT_EXERCISED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The random draw of wire mutants: it gives a score, and never decides."""

    seed: int
    results: tuple[Result, ...]
    mutants: tuple[Defect, ...] = ()
    """What was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Healthy runs, and what became of each defect."""

    health: Health
    results: tuple[Result, ...]
    guarded: tuple[Row, ...] = ()
    draw: Draw | None = None
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
    def exit_code(self) -> int:
        """2 if one of our own changed nothing, 1 if a defect was missed, 3 if anything is unclear or nothing was tried,
        else 0. An accepted survivor and the random draw change nothing.
        """
        if not self.foreign and any(one.fate is Fate.NOT_APPLIED for one in self.results):
            return 2
        if any(missed(one, foreign=self.foreign) for one in self.results):
            return 1
        unclear = any(one.fate is Fate.INCONCLUSIVE and not one.equivalent for one in self.results)
        if unclear or self.health.alarms or self.health.broken or not self.total:
            return 3
        return 0


def counts(result: Result) -> bool:
    """Is it part of the total? What is equivalent, or found nothing to change, is not."""
    return not result.equivalent and result.fate is not Fate.NOT_APPLIED


def missed(result: Result, *, foreign: bool) -> bool:
    """Does it speak against the suites?

    A survivor that was accepted, with its reason, does not. What no request passed counts as survived in our own
    catalogue; before a service that somebody else wrote it is only said.
    """
    if result.equivalent or result.accepted:
        return False
    if result.fate is Fate.NOT_EXERCISED:
        return not foreign
    return result.fate in (Fate.SURVIVED, Fate.MISATTRIBUTED)


def excused(result: Result) -> bool:
    """Was it not detected, and is that accepted? Of what is inconclusive or changed nothing, nothing is known yet."""
    return bool(result.accepted) and result.fate in _UNNOTICED


def proof_document(proof: Proof) -> dict[str, Any]:
    """`prove --json`."""
    health = proof.health
    document: dict[str, Any] = {
        "schema": 1,
        "healthy": {
            "runs": health.runs,
            "false_alarms": len(health.alarms),
            "false_alarm_upper95": None if health.upper95 is None else round(health.upper95, 4),
            "alarms": list(health.alarms),
            "broken": list(health.broken),
        },
        "defects": [_entry(one) for one in proof.results],
        "detected": proof.detected,
        "total": proof.total,
        "guarded": [{"operation": one.operation, "facet": one.facet, "state": one.state} for one in proof.guarded],
        "seconds_a_defect": means(proof.results),
    }
    if proof.draw is not None:
        document["draw"] = _draw(proof.draw)
    return document


def _entry(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "kind": result.kind,
        "area": result.area,
        "outcome": result.fate.value,
        "detected": result.detected,
        "expected": result.expected,
        "failed": list(result.failed),
        "checks": list(result.checks),
        "reason": result.reason,
        "applied": result.applied,
        "before": result.before,
        "after": result.after,
        "accepted": result.accepted or None,
        "equivalent": result.equivalent or None,
        "seconds": round(result.seconds, 2),
    }


def _draw(draw: Draw) -> dict[str, Any]:
    found = score(draw.results)
    return {
        "seed": draw.seed,
        "killed": found.killed if found else 0,
        "tried": found.tried if found else 0,
        "score": round(found.share, 4) if found else None,
        "interval": [round(found.low, 4), round(found.high, 4)] if found else None,
        "defects": [_entry(one) for one in draw.results],
    }


def means(results: Sequence[Result]) -> Mapping[str, float]:
    """Mean seconds of a defect, by kind."""
    kinds = sorted({one.kind for one in results})
    found = {kind: [one.seconds for one in results if one.kind == kind] for kind in kinds}
    return {kind: round(sum(seconds) / len(seconds), 2) for kind, seconds in found.items()}
