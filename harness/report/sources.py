"""What the renderers read: a run's folder as types. Nothing here rules; status words come from `verdict.json` alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import Build, Evidence, HoldBackKind, Policy, RunRecord, Verdict
from harness.model.quoting import quoted_line
from harness.run import Reading, is_regular, read_document, read_evidence, read_regular, read_run_record

T = TypeVar("T")
_VERDICT, _POLICY = Reader(Verdict), Reader(Policy)


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


def read_run(path: Path, reading: Reading | None = None) -> RunFiles:
    """Read the run at `path`; `reading` is its evidence, where the caller has just read it.

    Raises `BrokenRunError` naming the file that contradicts its contract."""
    facts = read_run_record(path)
    reading = reading or read_evidence(path / "evidence.jsonl", facts.run)
    manifest = path / "manifest.json"
    sealed = is_regular(manifest)

    def to_verdict(document: Mapping[str, Any]) -> Verdict:
        return verdict_from_document(document, reading.lines)

    return RunFiles(
        path=path,
        facts=facts,
        # what nothing seals may have been written by anybody
        verdict=_read(path / "verdict.json", to_verdict) if sealed else None,
        policy=_read(path / "policy.json", _POLICY.data),
        evidence=reading.lines,
        problems=reading.problems,
        evidence_sha256=reading.sha256,
        manifest_sha256=hashlib.sha256(read_regular(manifest)).hexdigest() if sealed else None,
    )


def verdict_from_document(document: Mapping[str, Any], evidence: Iterable[Evidence]) -> Verdict:
    """The verdict in a `verdict.json`, over that evidence. Raises `msgspec.ValidationError` if it is none."""
    texts = document.get("held_back")
    kept = [{"kind": HoldBackKind.UNSTATED, "text": text} for text in texts] if isinstance(texts, list) else texts
    verdict = _VERDICT.data({**document, "held_back": kept})
    lines = {line.seq: line for line in evidence}
    return replace(verdict, criteria=tuple(replace(one, first=quoted_line(one, lines)) for one in verdict.criteria))


def _read(path: Path, convert: Callable[[dict[str, Any]], T]) -> T | None:
    """None where nothing stands at that place, not even a link."""
    if not os.path.lexists(path):
        return None
    try:
        return convert(read_document(path))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path}: is not what a run keeps there ({error}); judge or run it again") from error
