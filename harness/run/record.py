"""A run read back for the judge: what does not fit together is listed, and never guessed around
(docs/run-folder.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import Integrity, Record, RunRecord
from harness.run.documents import read_document
from harness.run.evidence import Reading, read_evidence
from harness.run.folder import read_run_record
from harness.run.seal import changed_files, is_sealed


class _Profile(msgspec.Struct, frozen=True):
    """The members of `profile.json` that `run.json` repeats."""

    name: str
    absent: dict[str, str] = {}


_PROFILE = Reader(_Profile)


def load_record(path: Path, reading: Reading | None = None, *, sealed: bool = False) -> Record:
    """Read the run at `path` back; what does not fit together is listed in its `integrity`.

    `reading` is its evidence, where the caller has just read it. A run that somebody else may have changed
    since it finished is asked to be `sealed`.

    Raises `BrokenRunError` if there is no readable `run.json`.
    """
    facts = read_run_record(path)
    reading = reading or read_evidence(path / "evidence.jsonl", facts.run)
    problems = (*reading.problems, *_contradictions(facts, reading), *_other_target(path, facts), *_changes(path))
    if sealed and facts.state == "finished" and not is_sealed(path):
        problems = (*problems, "the run has finished and manifest.json, which seals it, is gone: it may be another one")
    return Record(
        run=facts.run,
        target=str(facts.target),
        build=facts.build,
        end=facts.end,
        collected=facts.collected,
        narrowed=facts.narrowed,
        absent=facts.absent,
        integrity=Integrity(state=facts.state, problems=problems, evidence_sha256=reading.sha256),
        evidence=reading.lines,
    )


def _contradictions(facts: RunRecord, reading: Reading) -> Iterator[str]:
    if facts.state != "finished":
        yield f"the run is {facts.state}, not finished"
    if facts.evidence is None:
        yield "the evidence was never counted"
        return
    if facts.evidence.count != len(reading.lines):
        yield f"{facts.evidence.count} lines of evidence were written, {len(reading.lines)} are there"
    if facts.evidence.sha256 != reading.sha256:
        yield "evidence.jsonl has changed since the run ended (its digest differs)"


def _other_target(path: Path, facts: RunRecord) -> Iterator[str]:
    """Was the run made of the target whose profile it keeps? What that target does not have, only its profile says."""
    if not os.path.lexists(path / "profile.json"):
        return
    try:
        profile = _PROFILE.data(read_document(path / "profile.json"))
    except (BrokenRunError, msgspec.ValidationError) as error:
        yield f"profile.json: is not a profile ({error})"
        return
    if profile.name != facts.target:
        yield f"the run is of target {facts.target}, its profile.json of {profile.name}"
    if profile.absent != facts.absent:
        yield "run.json and profile.json do not agree on what the target has"


def _changes(path: Path) -> Iterator[str]:
    """The evidence has its own digest in `run.json`, with a message of its own."""
    yield from (f"{name} has changed since the verdict" for name in changed_files(path) if name != "evidence.jsonl")
