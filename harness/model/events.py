"""What happens while a job runs, told to whoever shows it. Renderers only listen, and match on types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

STACK_UP = "stack up"
"""The phase at whose end the stack answers."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class Noted(ProgressEvent):
    """Something that whoever started the job should read."""

    text: str


@dataclass(frozen=True, slots=True)
class StackAdvanced(ProgressEvent):
    """The next step on the way to a running stack began."""

    step: str


@dataclass(frozen=True, slots=True)
class PhaseBegan(ProgressEvent):
    """A phase of the job began."""

    phase: str


@dataclass(frozen=True, slots=True)
class PhaseAdvanced(ProgressEvent):
    """So many parts of a phase are done; of how many is not known while `total` is 0."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PhaseEnded(ProgressEvent):
    """A phase came to its end, or was broken off."""

    phase: str
    seconds: float
    completed: bool


@dataclass(frozen=True, slots=True)
class MachineAsked(ProgressEvent):
    """The machine was asked for, to be held alone."""

    phase: str


@dataclass(frozen=True, slots=True)
class MachineAwaited(ProgressEvent):
    """Others hold the machine, and the phase waits for it."""

    phase: str
    progress: PhaseAdvanced | None = None
    """How far the phase had come, if it had begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAdvanced(ProgressEvent):
    """One more second of load, and what came of all its requests until then."""

    second: int
    seconds: int
    finished: int
    failed: int
    in_flight: int
    p95_ms: float | None


Listener = Callable[[ProgressEvent], None]
