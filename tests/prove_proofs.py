"""Proofs as `run_proof` makes them, by hand, for the tests of their document, page and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model import Build, Criterion, DefectKind, HealthyRecord, MutantStatus, Policy, ProofRecord, Select
from harness.prove.model import Defect, Expectation, FacetCoverage, HealthyRuns, Result
from harness.prove.proof import Draw, Proof, with_results
from tests.report_runs import COMMIT, HOSTILE

POLICY = Policy(
    name="quick",
    criteria=(
        Criterion(id="security.headers", area="security", select=Select(checks=("headers.*",)), demand=None),
        Criterion(id="security.cors", area="security", select=Select(checks=("cors.*",)), demand=None),
    ),
)
CHECKS = ("api.list", "cors.foreign", "cors.friend", "headers.hsts", "headers.nosniff", "ratelimit.refused")


def defect(id_: str, *, kind: DefectKind = "wire", area: str = "security", check: str = "", title: str = "") -> Defect:
    """A seeded mistake without files."""
    return Defect(
        id=id_,
        kind=kind,
        area=area,
        title=title or f"What {id_} changes",
        why="Somebody forgot it, and nothing said so.",
        folder=Path("defects") / id_,
        expect=Expectation(criterion="security.headers", check=check),
    )


def result(
    id_: str,
    status: MutantStatus = MutantStatus.KILLED,
    *,
    kind: DefectKind = "wire",
    area: str = "security",
    **more: Any,
) -> Result:
    """What became of it."""
    known: dict[str, Any] = {
        "expected": "security.headers",
        "failed": ("security.headers",) if status is MutantStatus.KILLED else (),
        "checks": ("headers.hsts",) if status is MutantStatus.KILLED else (),
        "reason": "1 of 12 failed" if status is MutantStatus.KILLED else "security.headers is pass; nothing failed",
        "seconds": 4.2,
    }
    return Result(id=id_, kind=kind, area=area, status=status, **known | more)


def health(runs: int = 5, *alarms: str) -> HealthyRuns:
    """So many healthy runs."""
    return HealthyRuns(runs=runs, alarms=alarms)


def recorded(proof: Proof | None = None, **changes: Any) -> ProofRecord:
    """What a proof of this repository's service leaves."""
    known: dict[str, Any] = {
        "id": "20260131T093000Z-abc123",
        "target": "dealradar",
        "policy": "quick",
        "build": Build(kind="commit", id=COMMIT),
        "fingerprint": "f" * 64,
        "changed": False,
        "url": "",
        "overrides": (),
        "asked": "",
        "how": "",
        "narrowed": "",
        "full": False,
        "seed": 7,
        "start": "2026-01-31T09:30:00.000000Z",
        "end": "2026-01-31T09:41:00.000000Z",
        "healthy_checks": CHECKS,
        "folders": {},
    }
    none = HealthyRecord(runs=0, false_alarms=0)
    record = ProofRecord(schema=1, healthy=none, detected=0, total=0, **known | changes)
    return record if proof is None else with_results(record, proof)


def proven() -> tuple[Proof, tuple[Defect, ...]]:
    """All was detected."""
    results = (
        result("headers-hsts-dropped", applied=12, before="strict-transport-security: max-age=31536000", after="none"),
        result("cache-key", kind="patch", area="cache"),
        result("no-policy", kind="gate", area="policy", expected="exit 2", failed=(), checks=()),
    )
    rows = (
        FacetCoverage(
            operation="GET /api/deals", facet="header etag", state="guarded", killed=("headers-hsts-dropped",)
        ),
        FacetCoverage(operation="GET /api/deals", facet="status 404", state="not_called"),
    )
    defects = tuple(defect(one.id, kind=one.kind, area=one.area, check="headers.hsts") for one in results)
    return Proof(healthy=health(), results=results, guarded=rows), defects


def missed_some() -> tuple[Proof, tuple[Defect, ...]]:
    """One of everything, and a draw."""
    results = (
        result("killed", checks=("headers.hsts", "headers.nosniff"), applied=12),
        result("survived", MutantStatus.SURVIVED, applied=3, before="200", after="500"),
        result("misattributed", MutantStatus.MISATTRIBUTED, failed=("e2e.api",), checks=("api.list",), kind="patch"),
        result("idle", MutantStatus.NOT_EXERCISED, area="cache"),
        result("slow", MutantStatus.INCONCLUSIVE, reason="the tests did not end within 600 s"),
        result("accepted", MutantStatus.SURVIVED, accepted="Nobody reads this header here."),
        result("equivalent", MutantStatus.SURVIVED, reason="not tried", equivalent="Order of members."),
        result("believed", MutantStatus.SURVIVED, kind="gate", area="policy", expected="exit 2"),
    )
    drawn = (result("draw-7-R5XX-x", MutantStatus.SURVIVED, area="draw"), result("draw-7-CTD-y", area="draw"))
    rows = (
        FacetCoverage(
            operation="GET /a", facet="header etag", state="guarded", killed=("killed",), survived=("survived",)
        ),
        FacetCoverage(operation="GET /a", facet="latency", state="unguarded", survived=("survived", "draw-7-R5XX-x")),
        FacetCoverage(operation="GET /a", facet="body", state="not_tried"),
        FacetCoverage(operation="GET /b", facet="any", state="not_called"),
    )
    defects = tuple(defect(one.id, kind=one.kind, area=one.area, check="headers.hsts") for one in results)
    mutants = tuple(defect(one.id, area="draw", title=f"GET /a: {one.id}") for one in drawn)
    proof = Proof(
        healthy=health(3, "load.latency is fail: p95 is 300 ms"),
        results=results,
        guarded=rows,
        draw=Draw(seed=7, results=drawn, mutants=mutants),
    )
    return proof, defects


def hostile() -> tuple[Proof, tuple[Defect, ...]]:
    """Texts that an enemy's service would send, wherever a text may be."""
    results = tuple(
        result(
            text,
            status,
            area=text[:80],
            expected=text,
            failed=(text,),
            checks=(text[:500],),
            reason=text,
            applied=1,
            before=text,
            after=text,
            accepted=text if status is MutantStatus.NOT_EXERCISED else "",
            equivalent=text if status is MutantStatus.NOT_APPLIED else "",
        )
        for text, status in zip(HOSTILE, [*MutantStatus, *MutantStatus], strict=False)
    )
    defects = tuple(defect(text, area=text[:80], check=text, title=text) for text in HOSTILE)
    rows = tuple(
        FacetCoverage(operation=text, facet=text, state="guarded", killed=(text,), survived=tuple(HOSTILE))
        for text in HOSTILE
    )
    proof = Proof(
        healthy=HealthyRuns(runs=2, alarms=HOSTILE[:1], broken=HOSTILE[1:2]),
        results=results,
        guarded=rows,
        draw=Draw(seed=1, results=(result(HOSTILE[0] + "draw", MutantStatus.SURVIVED, reason=HOSTILE[0]),)),
    )
    return proof, defects


def empty() -> tuple[Proof, tuple[Defect, ...]]:
    """Nothing was tried at all."""
    return Proof(healthy=HealthyRuns(runs=0, alarms=()), results=()), ()


def many(count: int = 300) -> tuple[Proof, tuple[Defect, ...]]:
    """As many defects as a large catalogue has, over as many checks."""
    results = tuple(
        result(
            f"defect-{number:03}-with-a-name-as-they-are",
            MutantStatus.SURVIVED if number % 17 == 0 else MutantStatus.KILLED,
            kind="patch" if number % 3 else "wire",
            area=f"area{number % 7}",
            checks=() if number % 17 == 0 else (f"area{number % 7}.check{number % 60}", f"other.check{number % 11}"),
        )
        for number in range(count)
    )
    return Proof(healthy=health(), results=results), tuple(defect(one.id, kind=one.kind) for one in results)
