"""What lies beside a backup and says what it is, and whether it is still that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from harness.backup.facts import DatabaseFacts, Difference
from harness.errors import UsageError
from harness.machine.decoding import Reader

SCHEMA = 1
MANIFEST, DIGEST, RESTORED, DATA = "manifest.json", "manifest.sha256", "restored.json", "data"
"""Of a backup's folder: what it is; the digest of that; when it was restored; the files of the server or the dump."""
Method = Literal["base", "dump"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server that a backup was taken from."""

    system: str
    """Its system identifier: made once, by initdb, and the same in every copy of its data."""
    stack: str
    """Id of the stack that it belonged to: all stacks of a machine begin as copies of one server."""
    version: int
    """As `server_version_num` says it: 180006."""
    superuser: str
    roles: tuple[str, ...]

    @property
    def major(self) -> int:
        """18 of 18.6."""
        return self.version // 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The end of a backup: all that was acknowledged before it is in the backup, and `facts` say what that is."""

    name: str
    lsn: str
    """Position in the write-ahead log; "" for a dump."""
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a backup, by its path inside `data`."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup is."""

    schema: int
    harness: str
    method: Method
    why: str
    """Why it is no base backup; "" where it is one."""
    server: Server
    database: str
    point: Point
    facts: DatabaseFacts
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    """All of `data`, empty ones too: a server does not start without them."""
    seconds: float
    """It took so long."""
    locked_ms: float
    """So long nobody could write, at its end."""

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """That a backup was restored, and what was not as it had been."""

    at: str
    manifest: str
    """Digest of the manifest that this is about."""
    seconds: float
    rows: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose manifest was read."""

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def data(self) -> Path:
        """Its files."""
        return self.folder / DATA

    @property
    def restored(self) -> Restoration | None:
        """When it was restored last; None if it never was, as this very backup."""
        try:
            found = _RESTORATION.json((self.folder / RESTORED).read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.manifest == self.digest else None

    def age_s(self, now: datetime) -> float:
        """Seconds since its end."""
        return (now - datetime.fromisoformat(self.manifest.point.at)).total_seconds()


class DamagedManifestError(UsageError):
    """A manifest is not what was written; which file, and what is wrong, are its message."""

    exit_code = 1

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what


_MANIFEST, _RESTORATION = Reader(Manifest), Reader(Restoration)


def write_manifest(folder: Path, manifest: Manifest) -> Backup:
    """Write it and its digest."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    digest = hashlib.sha256(text).hexdigest()
    _write(folder / MANIFEST, text)
    _write(folder / DIGEST, f"{digest}  {MANIFEST}\n".encode())
    return Backup(folder, manifest, digest)


def write_restoration(backup: Backup, restoration: Restoration) -> None:
    """Note beside the backup that it was restored."""
    _write(backup.folder / RESTORED, msgspec.json.format(msgspec.json.encode(restoration), indent=1))


def open_backup(folder: Path) -> Backup:
    """Read a backup's manifest. Raises UsageError where there is no backup, DamagedManifestError for a changed one."""
    # programs are given its path, and work elsewhere
    folder = folder.absolute()
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; `harness backup take` makes a backup")
    if not (folder / MANIFEST).is_file() and not (folder / DIGEST).is_file():
        raise UsageError(f"{folder}: no backup of the harness (no {MANIFEST}); `harness backup take` makes one")
    text, said = _read(folder, MANIFEST), _read(folder, DIGEST)
    digest = hashlib.sha256(text).hexdigest()
    if said != f"{digest}  {MANIFEST}\n".encode():
        raise DamagedManifestError(MANIFEST, f"is not what {DIGEST} says: one of them was changed")
    try:
        manifest = _MANIFEST.json(text)
    except msgspec.MsgspecError as error:
        raise DamagedManifestError(MANIFEST, f"cannot be read: {error}") from error
    if manifest.schema != SCHEMA:
        raise DamagedManifestError(MANIFEST, f"is of schema {manifest.schema}, this harness reads {SCHEMA}")
    return Backup(folder, manifest, digest)


def stored_files(data: Path, known: Iterable[StoredFile] = ()) -> tuple[tuple[StoredFile, ...], tuple[str, ...]]:
    """All files below `data` with their digests, and all folders, each by its path inside.

    `known` files are taken at their word, even those that are not there: what was damaged is not made sound by this.
    """
    files, folders = {file.path: file for file in known}, []
    for place, below, names in os.walk(data):
        folders += [str(Path(place, name).relative_to(data)) for name in below]
        for name in names:
            path = Path(place, name)
            inside = str(path.relative_to(data))
            if inside not in files:
                files[inside] = StoredFile(path=inside, bytes=path.stat().st_size, sha256=file_digest(path))
    return tuple(sorted(files.values(), key=lambda file: file.path)), tuple(sorted(folders))


def file_digest(path: Path) -> str:
    """SHA-256 of a file, however large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise DamagedManifestError(name, "is missing") from None
    except OSError as error:
        raise DamagedManifestError(name, f"cannot be read: {error.strerror}") from error


def _write(path: Path, text: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
