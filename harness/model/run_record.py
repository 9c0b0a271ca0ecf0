"""`run.json`: what a run says of itself, from its first second to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.model.ruling import Build

RunKind = Literal["gate", "run", "load", "preflight", "prove", "pytest", "rollback", "watch"]
RunState = Literal["running", "finished", "interrupted"]
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What a run keeps of its stack: no setting's value, no secret, no URL with a password."""

    name: str
    backend: str
    url: str
    owned: bool
    instances: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    """Names of the settings that were overridden."""
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """A stretch of the run. `waited` seconds of `seconds` were spent waiting for the machine."""

    name: str
    seconds: float
    waited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSecond:
    """One second of load, in `samples/load-timeline.json`, by due time.

    Latencies in milliseconds from the due time; None where nothing was timed.
    """

    t: int
    """Seconds since the load began."""
    count: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCount:
    """The evidence as it was when the run ended."""

    count: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How a run was asked for, as words of a command line, so that it can be asked for again."""

    command: tuple[str, ...]
    """Without the values of settings, which a run does not keep."""
    selection: tuple[str, ...] = ()
    """Of its options those that say which target, on which stack, and what may be done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The members of `run.json`, in the order of the file."""

    schema: int = SCHEMA
    run: str
    kind: RunKind
    state: RunState
    target: str | None
    stack: StackFacts | None
    """None until the stack is up."""
    policy: str | None
    build: Build
    versions: Mapping[str, str]
    commit: str | None
    """Of the harness."""
    machine: Mapping[str, Any]
    seeds: Mapping[str, int]
    start: str
    end: str | None
    narrowed: str
    """What was left out, in the words of the command line."""
    absent: Mapping[str, str]
    collected: tuple[str, ...]
    """Every test that was to run."""
    phases: tuple[PhaseRecord, ...]
    evidence: EvidenceCount | None
    """None until the run has ended: no line may be added then."""
    invocation: Invocation | None = None
    """None where no command line says it."""
