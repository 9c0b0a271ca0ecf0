"""JSON files of a run: read with suspicion, written so that a reader sees the old text or the new one, never a half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.errors import BrokenRunError
from harness.machine.encodable import encodable_data
from harness.machine.nesting import json_too_deep
from harness.run.files import read_regular, replace_file

_MOST_BYTES = 64 * 2**20


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from disk. Raises `BrokenRunError` naming the file."""
    try:
        data = read_regular(path, _MOST_BYTES)
        if json_too_deep(data):
            raise BrokenRunError(f"{path}: cannot be read (it nests too deeply)")
        document = msgspec.json.decode(data)
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
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
