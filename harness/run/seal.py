"""`manifest.json`: the sha256 of every byte the verdict rests on. Written last; it detects accident, not forgery."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.machine.encodable import encodable
from harness.run.documents import encode_document, read_document
from harness.run.files import is_regular, open_regular, replace_file

_DIGESTS = Reader(dict[str, str])
_SEALED_FILES = ("run.json", "evidence.jsonl", "profile.json", "policy.json", "waivers.json", "verdict.json")
_SEALED_FOLDERS = ("samples", "artifacts", "logs")


def seal(path: Path) -> str:
    """Write the manifest of the run at `path`; returns the manifest's own digest."""
    digests = {name: digest for name, file in _sealed_files(path).items() if (digest := _digest(file)) is not None}
    text = encode_document({"schema": 1, "sha256": digests})
    replace_file(path / "manifest.json", text)
    return hashlib.sha256(text).hexdigest()


def is_sealed(path: Path) -> bool:
    """Does the run have a manifest?"""
    return (path / "manifest.json").is_file() or (path / "manifest.json").is_symlink()


def changed_files(path: Path) -> tuple[str, ...]:
    """Sealed files that differ, are gone or were added since; empty for a run that was never sealed.

    Raises `BrokenRunError` if the manifest itself cannot be read.
    """
    if not is_sealed(path):
        return ()
    try:
        sealed = _DIGESTS.data(read_document(path / "manifest.json").get("sha256"))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path / 'manifest.json'}: is not a manifest ({error})") from error
    now = _sealed_files(path)
    changed = [name for name, digest in sealed.items() if name not in now or _digest(now[name]) != digest]
    return tuple(sorted({*changed, *(now.keys() - sealed.keys())}))


def _sealed_files(path: Path) -> dict[str, Path]:
    """Files of the run, and what stands where one may be: a link, a pipe. By names that JSON can hold: a file's may be
    any bytes."""
    names = [name for name in _SEALED_FILES if os.path.lexists(path / name)]
    for folder in _SEALED_FOLDERS:
        if (path / folder).is_symlink():
            names.append(folder)
            continue
        found = sorted((path / folder).rglob("*"))
        names += [str(file.relative_to(path)) for file in found if file.is_symlink() or not file.is_dir()]
    return {encodable(name): path / name for name in names}


def _digest(path: Path) -> str | None:
    """None for what is no file: it was not when the run was sealed, or it is not what was sealed."""
    if not is_regular(path):
        return None
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
