"""`verdict.json`: written the same for the same verdict, byte for byte, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from harness.model.evidence import Evidence
from harness.model.quoting import quoted_line
from harness.model.ruling import HoldBackKind, Ruling, Verdict


def verdict_document(verdict: Verdict) -> bytes:
    """The canonical text of `verdict.json`."""
    document = {
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
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _criterion(ruling: Ruling) -> dict[str, Any]:
    return {
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


def verdict_from_document(document: Mapping[str, Any], evidence: Iterable[Evidence]) -> Verdict:
    """The verdict in a `verdict.json`, over that evidence. Raises `msgspec.ValidationError` if it is none."""
    texts = document.get("held_back")
    kept = [{"kind": HoldBackKind.UNSTATED, "text": text} for text in texts] if isinstance(texts, list) else texts
    verdict = msgspec.convert({**document, "held_back": kept}, Verdict)
    lines = {line.seq: line for line in evidence}
    return replace(verdict, criteria=tuple(replace(one, first=quoted_line(one, lines)) for one in verdict.criteria))
