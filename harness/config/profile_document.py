"""The profile as kept in a run's folder (`profile.json`), there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import Target

_TARGET = Reader(Target)


def target_document(target: Target) -> dict[str, Any]:
    """The target as JSON data."""
    document: dict[str, Any] = msgspec.to_builtins(target)
    return document


def target_from_document(document: Mapping[str, Any]) -> Target:
    """The target of a run. Raises `BrokenRunError` if the document is none."""
    try:
        return _TARGET.data(document)
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"profile.json: is not a profile as this harness writes it ({error})") from error
