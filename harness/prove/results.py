"""A proof's folder: results as they come in, so that an interrupted proof can go on (`--resume`)."""

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
from harness.prove.model import Defect, Result
from harness.run.access import make_run_folder
from harness.run.files import replace_file
from harness.run.folder import new_name, switch_latest

RESULTS, PROOF, PAGE = "results.jsonl", "proof.json", "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    digest: str
    result: Result


_KEPT = Reader(_Kept)


@dataclass(frozen=True, slots=True)
class ProofFolder:
    """`<out>/prove/<UTC time>-<id>/`, with `<out>/prove/latest` pointing at the newest."""

    path: Path

    @property
    def runs(self) -> Path:
        """Where the gates over each defect leave their evidence."""
        return self.path / "runs"

    def keep(self, result: Result, digest: str) -> None:
        """Add one result, in one write; half a line, left by a proof that was killed, is cut off."""
        line = msgspec.json.encode(_Kept(digest=digest, result=result)) + b"\n"
        with (self.path / RESULTS).open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def kept(self, digests: Mapping[str, str]) -> dict[str, Result]:
        """Results of defects that are still what they were, by id; a torn last line is not one."""
        found: dict[str, Result] = {}
        lines = (self.path / RESULTS).read_bytes().splitlines() if (self.path / RESULTS).is_file() else []
        for number, line in enumerate(lines, start=1):
            try:
                kept = _KEPT.json(line)
            except msgspec.MsgspecError:
                if number == len(lines):
                    break
                raise UsageError(
                    f"{self.path / RESULTS}:{number}: is no result; start again without --resume"
                ) from None
            if digests.get(kept.result.id) == kept.digest:
                found[kept.result.id] = kept.result
        return found

    def write(self, name: str, data: bytes) -> Path:
        """Write one file of the proof as a whole."""
        replace_file(self.path / name, data)
        return self.path / name


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


def digest_of(defect: Defect, ground: str) -> str:
    """What a result holds for: the defect's files, and `ground`, a digest of what it was tried on."""
    digest = hashlib.sha256(ground.encode())
    digest.update(msgspec.json.encode((defect.id, defect.operator, defect.where, defect.args)))
    for file in sorted(defect.folder.rglob("*")) if defect.folder != Path() else ():
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
