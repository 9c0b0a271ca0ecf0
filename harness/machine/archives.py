"""Zip archives without secrets: a browser's trace holds what was typed, sent and answered."""

from __future__ import annotations

import secrets
import zipfile
from pathlib import Path

from harness.machine.redaction import Redactor

_MOST_BYTES = 64 * 2**20
"""What an archive may hold unpacked; a larger one is not kept, since nobody looked at it."""


def clean_archive(path: Path, redact: Redactor) -> str | None:
    """Take secrets out of an archive, or remove it where that cannot be. Returns what was done, None for nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _MOST_BYTES:
                return _removed(path, f"more than {_MOST_BYTES // 2**20} MiB unpacked")
            changed = {entry.filename: clean for entry in entries if (clean := _cleaned(archive.read(entry), redact))}
            if not changed:
                return None
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                with zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as clean_one:
                    for entry in entries:
                        clean_one.writestr(entry, changed.get(entry.filename) or archive.read(entry))
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        return _removed(path, str(error))
    return f"secrets were taken out of {len(changed)} of its {len(entries)} files"


def _removed(path: Path, why: str) -> str:
    path.unlink(missing_ok=True)
    return f"removed, since it cannot be searched for secrets ({why})"


def _cleaned(data: bytes, redact: Redactor) -> bytes | None:
    """The data without secrets; None if there is none in it. What is no text is looked through byte by byte."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        clean = redact.known(text)
        return clean.encode("latin-1") if clean != text else None
    clean = redact(text)
    return clean.encode() if clean != text else None
