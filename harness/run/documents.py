"""JSON files of a run: read with suspicion, written so that a reader sees the old text or the new one, never a half."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import BrokenRunError
from harness.machine.encodable import encodable_data


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from disk. Raises `BrokenRunError` naming the file."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise BrokenRunError(f"{path}: cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise BrokenRunError(f"{path}: an object was expected")
    return document


def encode_document(document: object) -> bytes:
    """The text of a JSON file of ours: one member a line, so that two runs can be compared by `diff`."""
    try:
        text = msgspec.json.encode(document)
    except UnicodeEncodeError:
        text = msgspec.json.encode(encodable_data(msgspec.to_builtins(document)))
    return msgspec.json.format(text, indent=1) + b"\n"


def write_document(path: Path, document: object) -> None:
    """Replace the file by that document, in one step."""
    replace_file(path, encode_document(document))


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file's content in one step; a draft beside it is renamed over it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
