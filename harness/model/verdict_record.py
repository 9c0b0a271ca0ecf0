"""`verdict.json`: written the same for the same verdict, byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.model.ruling import Ruling, Verdict


def verdict_document(verdict: Verdict) -> bytes:
    """The canonical text of `verdict.json`."""
    document: dict[str, Any] = {
        "schema": verdict.schema,
        "run": verdict.run,
        "target": verdict.target,
        "policy": verdict.policy,
        "verdict": verdict.verdict,
        "score": verdict.score,
        "build": {"kind": verdict.build.kind, "id": verdict.build.id, "dirty": verdict.build.dirty},
        "held_back": [one.text for one in verdict.held_back],
        "criteria": [_criterion(ruling) for ruling in verdict.criteria],
        "evidence_sha256": verdict.evidence_sha256,
    }
    # told only where there are some, so that a run of before is ruled with the same bytes
    if verdict.next_steps:
        document["next_steps"] = verdict.next_steps
    if verdict.todo:
        document["todo"] = verdict.todo
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _criterion(ruling: Ruling) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": ruling.id,
        "area": ruling.area,
        "requires": ruling.requires,
        "required": ruling.required,
        "weight": ruling.weight,
        "status": ruling.status,
        "measured": ruling.measured,
        "threshold": ruling.threshold,
        "interval": ruling.interval,
        "n": ruling.n,
        "evidence": ruling.evidence,
        "reason": ruling.reason,
        "waiver": ruling.waiver,
    }
    return told | ({"unlock": ruling.unlock} if ruling.unlock else {})
