"""`manifest.json`: the sha256 of every byte the verdict rests on. Written last; it detects accident, not forgery."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from harness.errors import BrokenRunError
from harness.run.documents import encode_document, read_document, replace_file

_SEALED_FILES = ("run.json", "evidence.jsonl", "profile.json", "policy.json", "waivers.json", "verdict.json")
_SEALED_FOLDERS = ("samples", "artifacts", "logs")


def seal(path: Path) -> str:
    """Write the manifest of the run at `path`; returns the manifest's own digest."""
    digests = {name: _digest(path / name) for name in _sealed_names(path)}
    text = encode_document({"schema": 1, "sha256": digests})
    replace_file(path / "manifest.json", text)
    return hashlib.sha256(text).hexdigest()


def is_sealed(path: Path) -> bool:
    """Does the run have a manifest?"""
    return (path / "manifest.json").is_file()


def changed_files(path: Path) -> tuple[str, ...]:
    """Sealed files that differ, are gone or were added since; empty for a run that was never sealed.

    Raises `BrokenRunError` if the manifest itself cannot be read.
    """
    if not is_sealed(path):
        return ()
    try:
        sealed = msgspec.convert(read_document(path / "manifest.json").get("sha256"), dict[str, str])
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"{path / 'manifest.json'}: is not a manifest ({error})") from error
    now = set(_sealed_names(path))
    changed = [name for name, digest in sealed.items() if name not in now or _digest(path / name) != digest]
    return tuple(sorted({*changed, *(now - set(sealed))}))


def _sealed_names(path: Path) -> list[str]:
    names = [name for name in _SEALED_FILES if (path / name).is_file()]
    for folder in _SEALED_FOLDERS:
        names += [str(file.relative_to(path)) for file in sorted((path / folder).rglob("*")) if file.is_file()]
    return names


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
