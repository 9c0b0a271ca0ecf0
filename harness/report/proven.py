"""What `harness prove` said of the sources that a run judged: the copy of the proof that the gate kept, and the part of
the page that shows it. It rules nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import HarnessError
from harness.machine.decoding import Reader
from harness.model import DefectRecord, FacetRecord, ProofRecord
from harness.report.sources import RunFiles
from harness.report.text import clock, one_line, plain
from harness.run import read_regular

KEPT_PROOF = Path("artifacts") / "proof.json"
_SCHEMA = 1
_PROOF = Reader(ProofRecord)
_MOST, _MOST_FACETS = 60, 40
_STATES = (("guarded", "pass"), ("unguarded", "fail"), ("not_tried", "not-run"), ("not_called", "not-applicable"))
_OPEN = (("unguarded", "unguarded"), ("not_tried", "not tried"))
_ICONS = {
    "survived": "fail",
    "misattributed": "error",
    "not_exercised": "not-run",
    "inconclusive": "inconclusive",
}


def read_proof(path: Path) -> ProofRecord | None:
    """The proof at that place; None where there is none, or none that this version can read: it shows nothing then."""
    try:
        proof = _PROOF.json(read_regular(path))
    except (OSError, HarnessError, msgspec.MsgspecError):
        return None
    return proof if proof.schema == _SCHEMA else None


def proven_part(run: RunFiles) -> dict[str, Any]:
    """`proven`: None for a run that is no gate; else what the kept proof says, empty without one."""
    if run.facts.kind != "gate":
        return {"proven": None}
    proof = read_proof(run.path / KEPT_PROOF)
    return {"proven": {} if proof is None else _proof(proof)}


def _proof(proof: ProofRecord) -> dict[str, Any]:
    undetected = proof.undetected
    return {
        "id": one_line(proof.id, 120),
        "policy": one_line(proof.policy, 120),
        "start": clock(proof.start),
        "detected": proof.detected,
        "total": proof.total,
        "healthy": proof.healthy,
        "narrowed": one_line(proof.asked or proof.narrowed, 300),
        "undetected": [_defect(one) for one in undetected[:_MOST]],
        "more": max(0, len(undetected) - _MOST),
        "states": _counts(proof.guarded),
        "operations": _operations(proof.guarded),
    }


def _defect(one: DefectRecord) -> tuple[str, str, str, str]:
    """Icon, word, id and reason."""
    if one.accepted and one.outcome != "inconclusive":
        return "waived", "accepted", one_line(one.id, 160), plain(one.accepted, 400)
    word = one_line(one.outcome.replace("_", " "), 40)
    return _ICONS.get(one.outcome, "inconclusive"), word, one_line(one.id, 160), plain(one.reason, 400)


def _counts(facets: Sequence[FacetRecord]) -> list[tuple[str, str, int]]:
    found = [one.state for one in facets]
    return [(state.replace("_", " "), icon, found.count(state)) for state, icon in _STATES if state in found]


def _operations(facets: Iterable[FacetRecord]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Operation -> its unguarded and its untried facets, where it has any."""
    found = []
    for operation, own in groupby(facets, key=lambda one: one.operation):
        rows = tuple(own)
        groups = [(words, _names(rows, state)) for state, words in _OPEN if any(row.state == state for row in rows)]
        if groups:
            found.append((one_line(operation, 200), groups))
    return found


def _names(rows: Sequence[FacetRecord], state: str) -> list[str]:
    names = [one_line(row.facet, 200) for row in rows if row.state == state]
    return [*names[:_MOST_FACETS], *([f"{len(names) - _MOST_FACETS} more"] if len(names) > _MOST_FACETS else [])]
