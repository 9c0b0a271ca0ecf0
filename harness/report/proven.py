"""What `harness prove` said of the sources that a run judged: the copy of the proof that the gate kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.machine.decoding import Reader
from harness.run import read_regular

KEPT_PROOF = Path("artifacts") / "proof.json"
_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededDefect:
    """What became of one planted mistake."""

    id: str
    outcome: str
    detected: bool
    reason: str = ""
    accepted: str | None = None
    equivalent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """Whether a change of one facet of an operation would be noticed."""

    operation: str
    facet: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """Runs of the service without any mistake."""

    runs: int
    false_alarms: int
    false_alarm_upper95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProof:
    """`proof.json`, as far as a readiness page shows it."""

    schema: int
    id: str
    target: str
    policy: str
    fingerprint: str
    detected: int
    total: int
    healthy: Healthy
    start: str
    asked: str = ""
    narrowed: str = ""
    overrides: tuple[str, ...] = ()
    build: Mapping[str, object] = field(default_factory=dict)
    defects: tuple[SeededDefect, ...] = ()
    guarded: tuple[Facet, ...] = ()

    @property
    def undetected(self) -> tuple[SeededDefect, ...]:
        """Defects that count, and were not detected; accepted ones too."""
        return tuple(
            one for one in self.defects if not one.detected and not one.equivalent and one.outcome != "not_applied"
        )


_PROOF = Reader(KeptProof)


def read_proof(path: Path) -> KeptProof | None:
    """The proof at that place; None where there is none, or none that this version can read: it shows nothing then."""
    try:
        proof = _PROOF.json(read_regular(path))
    except (OSError, HarnessError, msgspec.MsgspecError):
        return None
    return proof if proof.schema == _SCHEMA else None
