"""A run's folder: `<out>/runs/<UTC time>-<id>/`, complete in shape from its first second (DESIGN 4.2)."""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from harness.errors import BrokenRunError, UsageError
from harness.model import Build, Integrity, Observation, Record, StackInfo, Target
from harness.run.evidence import EvidenceLog, read_evidence, utc_now
from harness.run.seal import changed_files

_PACKAGES = ("harness", "httpx", "locust", "playwright", "psycopg", "pytest", "pytest-xdist", "redis")

State = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class Run:
    """An open run: its folder, its name and its evidence log."""

    path: Path
    id: str
    log: EvidenceLog

    def record(self, observations: Iterable[Observation]) -> tuple[int, ...]:
        """Append evidence; returns the lines' numbers."""
        return self.log.append(observations)

    @contextmanager
    def editing(self) -> Iterator[dict[str, Any]]:
        """Change `run.json` under a lock; the new text replaces the old one atomically."""
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = read_document(self.path / "run.json")
            yield document
            write_document(self.path / "run.json", document)

    def close(self, state: State) -> None:
        """Write end, state and the evidence's count and digest; after this no line may be added."""
        reading = read_evidence(self.path / "evidence.jsonl", self.id)
        with self.editing() as document:
            document["state"] = state
            document["end"] = utc_now()
            document["evidence"] = {"count": len(reading.lines), "sha256": reading.sha256}
        (self.path / ".lock").unlink(missing_ok=True)


def create_run(
    out: Path,
    *,
    kind: str,
    target: Target | None,
    policy: str | None,
    commit: str | None,
    documents: Mapping[str, Any],
    redact: Callable[[str], str] = str,
) -> Run:
    """Make the folder, write `run.json` and the profile, policy and waivers as used, and switch `latest` to it.

    `documents` are those last three by name; each becomes `<name>.json`.
    """
    start = utc_now()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{stamp}-{secrets.token_hex(3)}"
    path = out / "runs" / name
    try:
        for folder in ("samples", "artifacts", "logs"):
            (path / folder).mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written to ({error.strerror}); give another folder with --out") from error
    document = {
        "schema": 1,
        "run": name,
        "kind": kind,
        "state": "running",
        "target": target.name if target else None,
        "stack": None,
        "policy": policy,
        "build": Build(kind="unknown", id=""),
        "versions": _versions(),
        "commit": commit,
        "machine": _machine(),
        "seeds": {},
        "start": start,
        "end": None,
        "narrowed": "",
        "absent": dict(target.absent) if target else {},
        "collected": [],
        "phases": [],
        "evidence": None,
    }
    write_document(path / "run.json", document)
    for title, content in documents.items():
        write_document(path / f"{title}.json", content)
    (path / "evidence.jsonl").touch()
    switch_latest(out, name)
    return open_run(path, redact)


def open_run(path: Path, redact: Callable[[str], str] = str) -> Run:
    """Open a run that exists, to add to it."""
    name = str(read_document(path / "run.json")["run"])
    return Run(path=path, id=name, log=EvidenceLog(path / "evidence.jsonl", name, redact))


def switch_latest(out: Path, name: str) -> None:
    """Point `<out>/latest` at the run, in one step."""
    link = out / f".latest-{secrets.token_hex(4)}"
    link.symlink_to(Path("runs") / name)
    link.replace(out / "latest")


def stack_facts(info: StackInfo) -> dict[str, Any]:
    """What a run may keep of a stack: no setting, no secret, no URL with a password."""
    return {
        "name": info.name,
        "backend": info.backend,
        "url": info.url,
        "owned": info.owned,
        "instances": [instance.url for instance in info.instances],
        "overrides": sorted(info.overrides),
        "timings": dict(info.timings),
    }


def load_record(path: Path) -> Record:
    """Read a run back for the judge; what does not fit together is listed in `integrity`.

    Raises `BrokenRunError` if there is no readable `run.json`.
    """
    document = read_document(path / "run.json")
    try:
        run = str(document["run"])
        state: State = document["state"]
        build = msgspec.convert(document["build"], Build)
        counted = document["evidence"]
        target = str(document["target"])
        end, collected, narrowed = document["end"], tuple(document["collected"]), str(document["narrowed"])
        absent = dict(document["absent"])
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise BrokenRunError(f"{path / 'run.json'}: is not a run's record ({error!r})") from error
    reading = read_evidence(path / "evidence.jsonl", run)
    problems = list(reading.problems)
    if state != "finished":
        problems.append(f"the run is {state}, not finished")
    if counted is None:
        problems.append("the evidence was never counted")
    else:
        if counted["count"] != len(reading.lines):
            problems.append(f"{counted['count']} lines of evidence were written, {len(reading.lines)} are there")
        if counted["sha256"] != reading.sha256:
            problems.append("evidence.jsonl has changed since the run ended (its digest differs)")
    problems += [f"{name} has changed since the verdict" for name in changed_files(path) if name != "evidence.jsonl"]
    return Record(
        run=run,
        target=target,
        build=build,
        end=end,
        collected=collected,
        narrowed=narrowed,
        absent=absent,
        integrity=Integrity(state=state, problems=tuple(problems), evidence_sha256=reading.sha256),
        evidence=reading.lines,
    )


def find_run(given: str, out: Path) -> Path:
    """The folder of a run named by path, by id, or as `latest`. Raises `UsageError` naming what was looked at."""
    for candidate in (Path(given), out / "runs" / given, out / given):
        if (candidate / "run.json").is_file():
            return candidate.resolve()
    raise UsageError(f"{given}: no run there (no run.json); `ls {out}/runs` lists the runs")


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from disk. Raises `BrokenRunError` naming the file."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise BrokenRunError(f"{path}: cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise BrokenRunError(f"{path}: an object was expected")
    return document


def write_document(path: Path, document: object) -> None:
    """Write JSON so that a reader sees the old text or the new one, never a half."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=1)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_bytes(text + b"\n")
    draft.replace(path)


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
