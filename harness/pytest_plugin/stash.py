"""What the plugin keeps on pytest's objects, through typed keys only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.machine.lock import MachineLock
from harness.machine.redaction import Redactor
from harness.model import Observation, StackInfo, Target
from harness.probes.exchange import Exchange
from harness.probes.surface import Surface
from harness.pytest_plugin.pacing import Pace, pace_of


@dataclass(frozen=True, slots=True)
class Context:
    """What every process of a test session knows of the run."""

    target: Target
    info: StackInfo
    stack_file: Path
    run: Path
    surface: Surface
    active: bool
    traces: bool

    @property
    def pace(self) -> Pace | None:
        """How requests are paced, where all of them are one client's to the target."""
        return pace_of(self.target, self.info)


@dataclass
class ItemNotes:
    """What one attempt of a test left: exchanges, measurements, its count of assertions, what to do if it fails."""

    assertions: int = 0
    kept: list[Iterable[Exchange]] = field(default_factory=list)
    """One list of exchanges a client; each grows while its client works."""
    observations: list[Observation] = field(default_factory=list)
    on_failure: list[Callable[[], tuple[str, ...]]] = field(default_factory=list)
    """Each returns the artifacts it made, relative to the run."""
    misbehaved: list[str] = field(default_factory=list)
    """What the target did that ended the test whatever it asked, in words: if it failed, that is why."""
    unasked: list[str] = field(default_factory=list)
    """What happened to the test that says nothing of the target, in words: whatever its outcome, it is an error."""

    @property
    def exchanges(self) -> list[Exchange]:
        """What all clients of the test sent and got, client by client."""
        return [exchange for kept in self.kept for exchange in kept]


CONTEXT = pytest.StashKey[Context]()
NOTES = pytest.StashKey[ItemNotes]()
REDACT = pytest.StashKey[Redactor]()
MACHINE_LOCK = pytest.StashKey[MachineLock]()
WAITED = pytest.StashKey[float]()
"""Seconds that a test waited for its turn on the machine."""
