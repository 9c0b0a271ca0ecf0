"""Data that was prepared once and is kept for the next stack of the same sources: a database server's whole folder.

A kept folder is made aside, looked through and renamed, so that a half-made one is never found; it counts until the
machine starts again, since nothing of it is written to the disk for sure; of the folders that were not used for longest
all but a few are removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StackError
from harness.machine.decoding import Reader
from harness.stack.servers.binaries import Account, cache_home
from harness.stack.servers.fingerprint_sources import Sources
from harness.stack.supervisor.client import Supervision
from harness.stack.supervisor.registry import boot_id

MOST_KEPT = 6
MOST_BYTES = 2**30
"""Of one kept folder; a larger one would take longer to copy than to make."""
_LAYOUT = "1"
_PREFIX = "prepared-"
_ABANDONED_SECONDS = 3600.0
"""So long nobody makes a folder: whoever began it was killed, and its supervisor too."""
_LOGS = "prepare-cached-*.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRecord:
    """What is written beside the data."""

    password: str
    """Its superuser's."""
    shape: str


_RECORD = Reader(CacheRecord)


class NotCachedError(Exception):
    """The data is not kept; the message says why."""


@dataclass(frozen=True, slots=True)
class CachedData:
    """The place of data that some sources make; whether it is there, `clone` says."""

    sources: Sources
    digest: str
    place: Path

    def clone(self, data: Path, logs: Path) -> str | None:
        """Copy the data to `data`, and what its commands printed to `logs`; returns the superuser's password.

        None if it was never made, or is no longer what it was; it is removed then. Raises StackError if it cannot be
        copied.
        """
        with _locked(self.place.parent, fcntl.LOCK_SH):
            record = self._record()
            if record is not None:
                os.utime(self.place)
                clone_folder(self.place / "data", data)
                for log in self.place.glob(_LOGS):
                    shutil.copyfile(log, logs / log.name)
                return record.password
        self.forget()
        return None

    def store(self, data: Path, logs: Path, password: str, supervision: Supervision) -> None:
        """Copy the folder of a server that is stopped. Raises NotCachedError, which says why it was not kept."""
        if self.sources.digest() != self.digest:
            raise NotCachedError("the sources changed while they prepared it")
        if _size(data) > MOST_BYTES:
            raise NotCachedError(f"it is larger than {MOST_BYTES / 2**30:g} GiB")
        aside = Path(tempfile.mkdtemp(prefix=f"{self.place.name}.", dir=self.place.parent))
        supervision.own_folder(aside)
        try:
            clone_folder(data, aside / "data")
            for log in logs.glob(_LOGS):
                shutil.copyfile(log, aside / log.name)
            record = CacheRecord(password=password, shape=_shape(aside / "data"))
            (aside / "facts.json").write_bytes(msgspec.json.encode(record))
            with _locked(self.place.parent, fcntl.LOCK_EX):
                if not self.place.exists():
                    aside.rename(self.place)
                _forget_oldest(self.place.parent)
        except (OSError, StackError) as error:
            raise NotCachedError(str(error)) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def forget(self) -> None:
        """Remove it, if it is there."""
        if self.place.exists():
            with _locked(self.place.parent, fcntl.LOCK_EX):
                shutil.rmtree(self.place, ignore_errors=True)

    def _record(self) -> CacheRecord | None:
        """What is written beside the data, if that is still what it was."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            record = _RECORD.json((self.place / "facts.json").read_bytes())
            return record if _shape(self.place / "data") == record.shape else None
        return None


def cached_data_for(sources: Sources, server: str, account: Account | None) -> CachedData | None:
    """Where the data of these sources is kept for that version of the server; None where none can be kept.

    Raises StackError for a source that cannot be read.
    """
    if not sources.may_keep:
        return None
    try:
        digest = sources.digest()
    except OSError as error:
        raise StackError(f"{error.filename}: cannot be read ({error.strerror}); a source of prepare_cached") from error
    words = (_LAYOUT, server, boot_id(), account.uid if account else os.geteuid(), digest)
    name = hashlib.sha256(repr(words).encode()).hexdigest()[:32]
    return CachedData(sources, digest, cache_home(account) / f"{_PREFIX}{name}")


def describe_cache(account: Account | None) -> str:
    """How much is kept and where, and how to be rid of it."""
    home = cache_home(account)
    with _locked(home, fcntl.LOCK_SH):
        sizes = [_size(place) for place in _folders(home)]
    if not sizes:
        return f"none in {home}"
    return f"{len(sizes)} of {MOST_KEPT} at most, {sum(sizes) // 2**20} MiB; rm -r {home}/{_PREFIX}* empties it"


def clone_folder(template: Path, data: Path) -> None:
    """Copy a data folder with owners and modes; by the file system's own cloning where it can. Raises StackError."""
    if sys.platform == "linux":
        done = subprocess.run(
            ["cp", "-a", "--reflink=auto", str(template), str(data)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            # a full disk is said of each file
            said, *more = done.stderr.strip().splitlines() or [f"cp ended with {done.returncode}"]
            raise StackError(
                f"the data folder {data} could not be made: {said}{f' ({len(more)} lines more)' if more else ''}"
            )
    else:
        shutil.copytree(template, data, symlinks=True)


def _forget_oldest(home: Path) -> None:
    half_made = [path for path in home.glob(f"{_PREFIX}*.*") if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS]
    for place in (*_folders(home)[MOST_KEPT:], *half_made):
        shutil.rmtree(place, ignore_errors=True)


def _folders(home: Path) -> list[Path]:
    # a folder that is being made has a dot in its name
    found = [path for path in home.glob(f"{_PREFIX}*") if path.is_dir() and "." not in path.name]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


@contextmanager
def _locked(home: Path, how: int) -> Iterator[None]:
    """What is copied is not removed meanwhile."""
    with (home / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


def _shape(folder: Path) -> str:
    """Digest of names and sizes of all files: a file that is missing, cut or added changes it, at 10 ms a folder."""
    told = sorted((str(path.relative_to(folder)), size) for path, size in _sizes(folder))
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _size(folder: Path) -> int:
    return sum(size for _, size in _sizes(folder))


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            yield path, path.lstat().st_size
