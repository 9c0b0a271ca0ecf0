"""What happens while defects are tried, beside what happens in every job."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import ProgressEvent


@dataclass(frozen=True, slots=True)
class HealthyRunEnded(ProgressEvent):
    """A run without any mistake ended; `alarm` is the first thing that spoke against it all the same."""

    number: int
    alarm: str | None


@dataclass(frozen=True, slots=True)
class TrafficRecorded(ProgressEvent):
    """All exchanges of the healthy service with some of the tests are known."""

    name: str
    exchanges: int


@dataclass(frozen=True, slots=True)
class MutantBegan(ProgressEvent):
    """A mutant of a phase (the catalogue's, the draw's) is tried; `done` of `total` were before it."""

    phase: str
    id: str
    done: int
    total: int
