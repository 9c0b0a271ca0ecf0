"""A proof's folder and its results as they come in, so that an interrupted proof can go on (`--resume`)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.machine.decoding import Reader
from harness.model import DefectKind
from harness.prove.model import Defect, OnResult, ProofPlan, Result
from harness.run.access import make_run_folder
from harness.run.files import replace_file
from harness.run.folder import new_name, switch_latest
from harness.stack.build import fingerprint

RESULTS, PROOF, PAGE = "results.jsonl", "proof.json", "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    digest: str
    result: Result


_LINE = Reader(_Line)


@dataclass(frozen=True, slots=True)
class ProofFolder:
    """`<out>/prove/<UTC time>-<id>/`, with `<out>/prove/latest` pointing at the newest."""

    path: Path

    @property
    def runs(self) -> Path:
        """Where the trials of each defect leave their evidence."""
        return self.path / "runs"

    def append(self, result: Result, digest: str) -> None:
        """Add one result, in one write; half a line, left by a proof that was killed, is cut off."""
        line = msgspec.json.encode(_Line(digest=digest, result=result)) + b"\n"
        with (self.path / RESULTS).open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read(self, digests: Mapping[str, str]) -> dict[str, Result]:
        """Results of defects that are still what they were, by id; a torn last line is not one."""
        found: dict[str, Result] = {}
        lines = (self.path / RESULTS).read_bytes().splitlines() if (self.path / RESULTS).is_file() else []
        for number, text in enumerate(lines, start=1):
            try:
                line = _LINE.json(text)
            except msgspec.MsgspecError:
                if number == len(lines):
                    break
                raise UsageError(
                    f"{self.path / RESULTS}:{number}: is no result; start again without --resume"
                ) from None
            if digests.get(line.result.id) == line.digest:
                found[line.result.id] = line.result
        return found

    def write(self, name: str, data: bytes) -> Path:
        """Write one file of the proof as a whole."""
        replace_file(self.path / name, data)
        return self.path / name


class ProofResults:
    """Which defects are left to try, and what became of the others; a resumed proof tries none of them again."""

    def __init__(self, plan: ProofPlan, folder: ProofFolder, on_result: OnResult) -> None:
        self.folder = folder
        self._plan = plan
        self._on_result = on_result
        tried_on = plan.url or fingerprint(plan.target)
        self._digests = {one.id: digest_of(one, tried_on) for one in plan.defects}
        self._results = folder.read(self._digests) if plan.resume else {}
        for result in self._results.values():
            on_result(result)

    def pending(self, kind: DefectKind) -> tuple[Defect, ...]:
        """Defects of that kind without a result."""
        return tuple(one for one in self._plan.defects if one.kind == kind and one.id not in self._results)

    def add(self, result: Result) -> None:
        """Write a result down and tell of it."""
        self.folder.append(result, self._digests[result.id])
        self._results[result.id] = result
        self._on_result(result)

    def in_order(self, kind: DefectKind | None = None) -> tuple[Result, ...]:
        """All results, in the catalogue's order; with a `kind`, those of it."""
        found = (self._results[one.id] for one in self._plan.defects if one.id in self._results)
        return tuple(one for one in found if kind in (None, one.kind))


def new_folder(out: Path) -> ProofFolder:
    """Make a folder for a new proof."""
    name = new_name(datetime.now(UTC))
    folder = ProofFolder(out / "prove" / name)
    make_run_folder(folder.path)
    folder.runs.mkdir()
    switch_latest(out / "prove", Path(name))
    return folder


def latest_folder(out: Path) -> ProofFolder:
    """The proof that was begun last. Raises UsageError if there is none."""
    path = out / "prove" / "latest"
    if not path.is_dir():
        raise UsageError(f"--resume: no proof was begun in {out / 'prove'}; leave --resume out")
    return ProofFolder(path.resolve())


def digest_of(defect: Defect, tried_on: str) -> str:
    """What a result holds for: the defect's files, and what it was tried on, a digest of sources or a URL."""
    digest = hashlib.sha256(tried_on.encode())
    digest.update(msgspec.json.encode((defect.id, defect.operator, defect.where, defect.args)))
    for file in sorted(defect.folder.rglob("*")) if defect.folder != Path() else ():
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
