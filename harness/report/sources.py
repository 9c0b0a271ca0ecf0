"""What the renderers read: a run's folder as types. Nothing here rules; status words come from `verdict.json` alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import BrokenRunError
from harness.model import Build, Criterion, Evidence, Policy, RunRecord, Verdict
from harness.run import Reading, read_document, read_evidence, read_run_record

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """One run, read once for all reports."""

    path: Path
    facts: RunRecord
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


def read_run(path: Path, reading: Reading | None = None) -> RunFiles:
    """Read the run at `path`; `reading` is its evidence, where the caller has just read it.

    Raises `BrokenRunError` naming the file that contradicts its contract."""
    facts = read_run_record(path)
    reading = reading or read_evidence(path / "evidence.jsonl", facts.run)
    manifest = path / "manifest.json"
    return RunFiles(
        path=path,
        facts=facts,
        verdict=_read_if_there(path / "verdict.json", Verdict),
        policy=_read_if_there(path / "policy.json", Policy),
        evidence=reading.lines,
        problems=reading.problems,
        evidence_sha256=reading.sha256,
        manifest_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
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


def _read_if_there(path: Path, kind: type[T]) -> T | None:
    return _read_as(path, kind) if path.is_file() else None


def _read_as(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(read_document(path), kind)
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path}: is not what a run keeps there ({error}); judge or run it again") from error
