"""`proof.json`, in the shape of the file: what `harness prove` writes, and what a gate's page reads (docs/prove.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from harness.model.ruling import UNKNOWN_BUILD, Build

DefectKind = Literal["patch", "wire", "gate", "source"]
DEFECT_KINDS: tuple[DefectKind, ...] = ("patch", "wire", "gate", "source")
FacetState = Literal["guarded", "unguarded", "not_tried", "not_called"]
FACET_STATES: tuple[FacetState, ...] = ("guarded", "unguarded", "not_tried", "not_called")


class MutantStatus(StrEnum):
    """What became of a defect."""

    KILLED = "killed"
    SURVIVED = "survived"
    MISATTRIBUTED = "misattributed"
    """Not GO, but for another reason: not detected."""
    NOT_EXERCISED = "not_exercised"
    """No request of the suites passed the changed place."""
    NOT_APPLIED = "not_applied"
    """Nothing was changed."""
    INCONCLUSIVE = "inconclusive"
    """A time-out, a crash, a stack that failed: never a kill."""
    STILLBORN = "stillborn"
    """The service does not start with it: any start would notice, so it says nothing of the suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectRecord:
    """What became of one seeded defect, or of a drawn mutant."""

    id: str
    kind: DefectKind
    area: str = ""
    outcome: MutantStatus
    detected: bool
    expected: str = ""
    failed: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    reason: str = ""
    applied: int | None = None
    before: str = ""
    after: str = ""
    accepted: str | None = None
    equivalent: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthyRecord:
    """Runs of the service without any defect, and what they raised for nothing."""

    runs: int
    false_alarms: int
    false_alarm_upper95: float | None = None
    alarms: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRecord:
    """A random draw of mutants, and its score."""

    seed: int
    killed: int
    tried: int
    score: float | None
    interval: tuple[float, float] | None
    defects: tuple[DefectRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetRecord:
    """Whether a change of one facet of an operation would be noticed."""

    operation: str
    facet: str
    state: FacetState


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """The whole file: what became of the defects, and of which build and by which words."""

    schema: int
    healthy: HealthyRecord
    defects: tuple[DefectRecord, ...] = ()
    detected: int
    total: int
    guarded: tuple[FacetRecord, ...] = ()
    seconds_a_defect: Mapping[str, float] = field(default_factory=dict)
    draw: DrawRecord | None = None
    """Mutants of the wire; None, and no key in the file, where none was drawn."""
    source: DrawRecord | None = None
    """Mutants of the sources; None, and no key in the file, where none was drawn."""
    id: str
    """Name of the proof's folder."""
    target: str
    policy: str
    build: Build = UNKNOWN_BUILD
    fingerprint: str
    """Digest of the sources that were tried; "" for a service at a URL, and for sources that changed meanwhile."""
    changed: bool = False
    """Did the sources change while the proof ran? Then nobody knows of which it holds."""
    url: str = ""
    overrides: tuple[str, ...] = ()
    """Names of the settings that `--env` changed."""
    asked: str = ""
    """The words that narrowed the proof; "" for the whole catalogue."""
    how: str = ""
    """Other words of the command line that are needed to do the same again."""
    narrowed: str = ""
    """The suites that were left out, as words."""
    full: bool = False
    seed: int = 0
    """What draw and sample were made from."""
    start: str
    end: str = ""
    harness: str = ""
    healthy_checks: tuple[str, ...] = ()
    """Checks that ran on the healthy service."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Id of a defect -> where its evidence lies, relative to the proof's folder."""

    @property
    def undetected(self) -> tuple[DefectRecord, ...]:
        """Defects that count, and were not detected; accepted ones too."""
        return tuple(
            one
            for one in self.defects
            if not one.detected and not one.equivalent and one.outcome is not MutantStatus.NOT_APPLIED
        )
