"""A run's folder: `<out>/runs/<UTC time>-<id>/`, complete in shape from its first second (docs/run-folder.md)."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import psutil

from harness.errors import BrokenRunError, UsageError
from harness.machine.decoding import Reader
from harness.machine.redaction import Redactor
from harness.machine.secret_values import kept_profile, learn_target
from harness.model import (
    UNKNOWN_BUILD,
    EvidenceCount,
    Invocation,
    Observation,
    RunKind,
    RunRecord,
    RunState,
    StackFacts,
    StackInfo,
    Target,
)
from harness.run.access import make_run_folder
from harness.run.documents import read_document, write_document
from harness.run.evidence import EvidenceLog, Reading, read_evidence, utc_now

RECORD = "run.json"
_RESERVE, _RESERVE_BYTES = ".reserve", 16384
"""Room on the disk for the last change of `run.json`: a run whose disk fills up says that it was interrupted."""
_RECORD = Reader(RunRecord)
_PACKAGES = ("harness", "httpx", "locust", "playwright", "psycopg", "pytest", "pytest-xdist", "redis")


@dataclass(frozen=True)
class Run:
    """An open run: its folder, its name and its evidence log."""

    path: Path
    id: str
    log: EvidenceLog
    target: Target | None = None
    """As it was given: what `profile.json` keeps of it has no secret in it. None for a run that was opened again."""

    def record(self, observations: Iterable[Observation]) -> tuple[int, ...]:
        """Append evidence; returns the lines' numbers."""
        return self.log.append(observations)

    def update(self, change: Callable[[RunRecord], RunRecord]) -> None:
        """Change `run.json` under a lock on the folder; the new text replaces the old one in one step."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            write_document(self.path / RECORD, change(read_run_record(self.path)))
        finally:
            os.close(descriptor)

    def close(self, state: RunState) -> Reading:
        """Write end, state and the evidence's count and digest; after this no line may be added.

        Where the disk is full, the room that was set aside for this is used. Returns the evidence as it was counted.
        """
        (self.path / _RESERVE).unlink(missing_ok=True)
        self.log.cut_torn_tail()
        reading = read_evidence(self.path / "evidence.jsonl", self.id)
        counted = EvidenceCount(count=len(reading.lines), sha256=reading.sha256)
        self.update(lambda record: replace(record, state=state, end=utc_now(), evidence=counted))
        return reading


def new_name(now: datetime) -> str:
    """Name of a run or a proof that begins at that time (UTC)."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def create_run(
    out: Path,
    *,
    kind: RunKind,
    target: Target | None,
    policy: str | None,
    commit: str | None,
    documents: Mapping[str, object],
    redact: Redactor | None = None,
    narrowed: str = "",
    seeds: Mapping[str, int] | None = None,
    invocation: Invocation | None = None,
) -> Run:
    """Make the folder, write `run.json` and the profile, policy and waivers as used, and switch `latest` to it.

    `documents` are those last three by name; each becomes `<name>.json`. What is secret in the target is learned by
    `redact` before the first of them is written.
    """
    redact = redact or Redactor()
    if target is not None:
        learn_target(redact, target)
    now = datetime.now(UTC)
    name = new_name(now)
    path = out / "runs" / name
    record = RunRecord(
        run=name,
        kind=kind,
        state="running",
        target=target.name if target else None,
        stack=None,
        policy=policy,
        build=UNKNOWN_BUILD,
        versions=_versions(),
        commit=commit,
        machine=_machine(),
        seeds=seeds or {},
        start=utc_now(now),
        end=None,
        narrowed=narrowed,
        absent=redact.texts(target.absent) if target else {},
        collected=(),
        phases=(),
        evidence=None,
        invocation=invocation,
    )
    with _writing_to(out):
        make_run_folder(path)
        write_document(path / RECORD, record)
        for folder in ("samples", "artifacts", "logs"):
            (path / folder).mkdir()
        for title, content in documents.items():
            write_document(path / f"{title}.json", _kept(title, content, redact))
        (path / "evidence.jsonl").touch()
        (path / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))
        switch_latest(out, Path("runs") / name)
    return replace(open_run(path, redact), target=target)


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    """Blame the folder for what cannot be written into it, unless the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"{error.filename or out}: cannot be written ({error.strerror}); give another folder with --out"
        ) from error


def _kept(title: str, content: object, redact: Redactor) -> object:
    """A document as the run keeps it. Members keep their names and numbers, what they hold is cleaned text by text."""
    if title != "profile":
        return content
    return redact.texts(kept_profile(msgspec.to_builtins(content)))


def open_run(path: Path, redact: Redactor | None = None) -> Run:
    """Open a run that exists, to add to it.

    Raises `BrokenRunError` if it is none, `UsageError` if it has ended: its evidence is counted, a line more breaks it.
    """
    # a name such as `latest` is a link to it, what lies in it is none
    path = path.resolve() if path.is_symlink() else path
    record = read_run_record(path)
    if record.state != "running":
        raise UsageError(f"{path}: this run is {record.state}, nothing can be added to it; start a new one")
    return Run(path=path, id=record.run, log=EvidenceLog(path / "evidence.jsonl", record.run, redact or Redactor()))


def read_run_record(path: Path) -> RunRecord:
    """What the run at `path` says of itself. Raises `BrokenRunError` if it is none."""
    document = read_document(path / RECORD)
    try:
        return _RECORD.data(document)
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path / RECORD}: is not a run's record ({error})") from error


def switch_latest(out: Path, place: Path) -> None:
    """Point `<out>/latest` at a place below `out`, in one step."""
    link = out / f".latest-{secrets.token_hex(4)}"
    link.symlink_to(place)
    try:
        link.replace(out / "latest")
    finally:
        link.unlink(missing_ok=True)


def stack_facts(info: StackInfo) -> StackFacts:
    """What a run may keep of a stack."""
    return StackFacts(
        name=info.name,
        backend=info.backend,
        url=info.url,
        owned=info.owned,
        instances=tuple(instance.url for instance in info.instances),
        overrides=tuple(sorted(info.overrides)),
        timings=info.timings,
    )


def find_run(given: str, out: Path) -> Path:
    """The folder of a run named by path, by id, or as `latest`. Raises `UsageError` naming what was looked at."""
    for candidate in (Path(given), out / "runs" / given, out / given):
        if (candidate / RECORD).is_file():
            return candidate.resolve()
    raise UsageError(f"{given}: no run there (no run.json); `ls {out}/runs` lists the runs")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "python": sys.executable if sys.prefix == sys.base_prefix else "virtual environment",
    }
