"""Whether a backup is still what was taken, and still of use; nothing is started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.backup.manifest import (
    DIGEST,
    MANIFEST,
    RESTORED,
    Backup,
    DamagedManifestError,
    StoredFile,
    file_digest,
    open_backup,
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that keeps a backup from being used, with the file that shows it."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a backup must be, where somebody knows."""

    system: str | None = None
    """System identifier of the server that it should be of."""
    stack: str | None = None
    """Id of the stack whose server that is."""
    database: str | None = None
    major: int | None = None
    """The newest version of Postgres whose data can be restored here."""
    max_age_s: float | None = None


def find_flaws(folder: Path, expected: Expected, now: datetime) -> tuple[Flaw, ...]:
    """All that is wrong with the backup in `folder`, none where it is sound. Raises UsageError where there is none."""
    try:
        backup = open_backup(folder)
    except DamagedManifestError as error:
        return (Flaw(error.path, error.what),)
    return (*_unfit(backup, expected, now), *_damaged(backup))


def _unfit(backup: Backup, expected: Expected, now: datetime) -> Iterator[Flaw]:
    manifest, age = backup.manifest, backup.age_s(now)
    if expected.max_age_s is not None and age > expected.max_age_s:
        text = f"the backup is {_duration(age)} old; {_duration(expected.max_age_s)} are allowed"
        yield Flaw(MANIFEST, text)
    if age < -60:
        yield Flaw(MANIFEST, f"the backup was taken in {_duration(-age)}: a clock is wrong, and its age unknown")
    if expected.system is not None and manifest.server.system != expected.system:
        text = f"a backup of another server (system {manifest.server.system}, not {expected.system})"
        yield Flaw(MANIFEST, text)
    elif expected.stack is not None and manifest.server.stack != expected.stack:
        text = f"a backup of another stack ({manifest.server.stack or 'unknown'}, not {expected.stack})"
        yield Flaw(MANIFEST, text)
    if expected.database is not None and manifest.database != expected.database:
        yield Flaw(MANIFEST, f"a backup of database {manifest.database!r}, not of {expected.database!r}")
    if expected.major is not None and manifest.server.major > expected.major:
        text = f"taken by a newer server: Postgres {manifest.server.major}, and {expected.major} is here"
        yield Flaw(MANIFEST, text)
    elif expected.major is not None and manifest.method == "base" and manifest.server.major != expected.major:
        text = f"files of Postgres {manifest.server.major}, which Postgres {expected.major} cannot read"
        yield Flaw(MANIFEST, text)


def _damaged(backup: Backup) -> Iterator[Flaw]:
    known = {file.path: file for file in backup.manifest.files}
    for file in known.values():
        flaw = _file_flaw(backup.data, file)
        if flaw is not None:
            yield flaw
    yield from _strangers(backup, known.keys())


def _file_flaw(data: Path, file: StoredFile) -> Flaw | None:
    path, told = data / file.path, f"{data.name}/{file.path}"
    if path.is_symlink():
        return Flaw(told, "is a link, and was a file")
    if path.is_dir():
        return Flaw(told, "is no file any more")
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return Flaw(told, f"has {size} bytes and had {file.bytes}")
        changed = file_digest(path) != file.sha256
    except FileNotFoundError:
        return Flaw(told, "is missing")
    except OSError as error:
        return Flaw(told, f"cannot be read: {error.strerror}")
    return Flaw(told, "was changed since it was taken: its digest is another one") if changed else None


def _strangers(backup: Backup, known: AbstractSet[str]) -> Iterator[Flaw]:
    """Files that nobody took: one such as `standby.signal` changes what a server does with the others."""
    for place, folders, names in os.walk(backup.data):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*names, *links):
            path = str(Path(place, name).relative_to(backup.data))
            if path not in known:
                yield Flaw(f"{backup.data.name}/{path}", "is no file of this backup")
    for beside in sorted(backup.folder.iterdir()):
        if beside.name not in {MANIFEST, DIGEST, RESTORED, backup.data.name}:
            yield Flaw(beside.name, "is no file of this backup")


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
