"""Text that any file can hold: JSON may spell halves of a character (lone surrogates), which no encoding has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def encodable(text: str) -> str:
    """The text with lone surrogates written as escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def encodable_data(value: Any) -> Any:  # noqa: ANN401 - JSON-like data in, the same out
    """Mappings, lists and strings that can be written, names of members among them."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {
            encodable(name) if isinstance(name, str) else name: encodable_data(each) for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [encodable_data(each) for each in value]
    return value
