"""What the renderers read: a run's folder as types. Nothing here rules; status words come from `verdict.json` alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import BrokenRunError
from harness.model import UNKNOWN_BUILD, Build, Evidence, Policy, Verdict
from harness.model.verdict_record import verdict_from_document
from harness.run import read_document, read_evidence

T = TypeVar("T")


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
    build: Build = UNKNOWN_BUILD
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
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

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


def read_run(path: Path) -> RunFiles:
    """Read the run at `path`. Raises `BrokenRunError` naming the file that contradicts its contract."""
    facts = _read_as(path / "run.json", RunFacts)
    reading = read_evidence(path / "evidence.jsonl", facts.run)
    manifest = path / "manifest.json"
    return RunFiles(
        path=path,
        facts=facts,
        verdict=_read_verdict(path / "verdict.json", reading.lines),
        policy=_read_as(path / "policy.json", Policy) if (path / "policy.json").is_file() else None,
        evidence=reading.lines,
        problems=reading.problems,
        evidence_sha256=reading.sha256,
        manifest_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
    )


def _read_verdict(path: Path, evidence: Sequence[Evidence]) -> Verdict | None:
    if not path.is_file():
        return None
    with _naming(path):
        return verdict_from_document(read_document(path), evidence)


def _read_as(path: Path, kind: type[T]) -> T:
    with _naming(path):
        return msgspec.convert(read_document(path), kind)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path}: is not what a run keeps there ({error}); judge or run it again") from error
