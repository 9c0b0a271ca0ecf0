"""What the renderers read: a run's folder as types. Nothing here rules; status words come from `verdict.json` alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import Build, Criterion, Evidence, Policy, Verdict
from harness.run import is_regular, read_document, read_evidence, read_regular

T = TypeVar("T")

_UNKNOWN_BUILD = Build(kind="unknown", id="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of the run. `waited` seconds of `seconds` were spent waiting for the machine's turn."""

    name: str
    seconds: float
    waited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What a run keeps of the stack it used; no setting's value, only the names of those that were overridden."""

    name: str = ""
    backend: str = ""
    url: str = ""
    owned: bool = False
    instances: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """`run.json`. A run that was killed early has little of it, hence the defaults."""

    run: str
    kind: str = "gate"
    state: str = "running"
    target: str | None = None
    stack: Stack | None = None
    policy: str | None = None
    build: Build = _UNKNOWN_BUILD
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    end: str | None = None
    narrowed: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)
    collected: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """One run, read once for all reports."""

    path: Path
    facts: RunFacts
    verdict: Verdict | None
    """None where the run ended before it was judged, or is of a kind that has no verdict."""
    policy: Policy | None
    evidence: tuple[Evidence, ...]
    problems: tuple[str, ...]
    """What is wrong with `evidence.jsonl`, in words."""
    evidence_sha256: str
    manifest_sha256: str | None

    @property
    def build(self) -> Build:
        """The build that was judged, or that was to be."""
        return self.verdict.build if self.verdict is not None else self.facts.build

    @property
    def policy_name(self) -> str:
        """The policy that the run was judged by, or was to be."""
        return self.verdict.policy if self.verdict is not None else self.facts.policy or "none"

    def digest(self, name: str) -> str | None:
        """sha256 of one file of the run; None where there is no such file."""
        path = self.path / name
        return hashlib.sha256(read_regular(path)).hexdigest() if is_regular(path) else None

    def holds(self, name: str) -> bool:
        """Is `name` the relative path of something inside this run? Evidence may claim any path."""
        if not name or "\\" in name or "\0" in name:
            return False
        root = self.path.resolve()
        try:
            found = (root / name).resolve()
            return found.is_relative_to(root) and found.exists()
        except OSError:
            return False


_FACTS, _VERDICT, _POLICY = Reader(RunFacts), Reader(Verdict), Reader(Policy)


def read_run(path: Path) -> RunFiles:
    """Read the run at `path`. Raises `BrokenRunError` naming the file that contradicts its contract."""
    facts = _read_as(path / "run.json", _FACTS)
    reading = read_evidence(path / "evidence.jsonl", facts.run)
    manifest = path / "manifest.json"
    sealed = is_regular(manifest)
    return RunFiles(
        path=path,
        facts=facts,
        # what nothing seals may have been written by anybody
        verdict=_read_if_there(path / "verdict.json", _VERDICT) if sealed else None,
        policy=_read_if_there(path / "policy.json", _POLICY),
        evidence=reading.lines,
        problems=reading.problems,
        evidence_sha256=reading.sha256,
        manifest_sha256=hashlib.sha256(read_regular(manifest)).hexdigest() if sealed else None,
    )


def selects(criterion: Criterion, line: Evidence) -> bool:
    """Does the criterion look at this line? Used to show what no criterion covers, never to rule."""
    wanted = criterion.select
    return (
        (wanted.suite is None or line.suite == wanted.suite)
        and any(fnmatchcase(line.check, pattern) for pattern in wanted.checks)
        and (wanted.subject is None or fnmatchcase(line.subject, wanted.subject))
    )


def is_superseded(line: Evidence) -> bool:
    """An earlier attempt of a test that was tried again (DESIGN 4.2)."""
    return line.detail.get("superseded") is True


def _read_if_there(path: Path, kind: Reader[T]) -> T | None:
    return _read_as(path, kind) if os.path.lexists(path) else None


def _read_as(path: Path, kind: Reader[T]) -> T:
    try:
        return kind.data(read_document(path))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path}: is not what a run keeps there ({error}); judge or run it again") from error
