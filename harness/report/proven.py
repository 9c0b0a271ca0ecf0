"""What `harness prove` said of the sources that a run judged: the copy of the proof that the gate kept."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.machine.decoding import Reader
from harness.model import ProofRecord
from harness.run import read_regular

KEPT_PROOF = Path("artifacts") / "proof.json"
_SCHEMA = 1
_PROOF = Reader(ProofRecord)


def read_proof(path: Path) -> ProofRecord | None:
    """The proof at that place; None where there is none, or none that this version can read: it shows nothing then."""
    try:
        proof = _PROOF.json(read_regular(path))
    except (OSError, HarnessError, msgspec.MsgspecError):
        return None
    return proof if proof.schema == _SCHEMA else None
