"""Reading of JSON and of data as a type: what a reader needs to know of its type is made once, when it is made.

msgspec notes what it learns of a dataclass in the class, at the first use, without a lock: two threads that are first
at the same time end in a segmentation fault. So a reader is made where a module is imported, one at a time, and nothing
else of the harness decodes.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
_LEARNING = threading.Lock()


class Reader(Generic[T]):
    """Reads one type."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        with _LEARNING:
            self._decoder = msgspec.json.Decoder(kind)

    def json(self, text: bytes | str) -> T:
        """What a JSON document says. Raises `msgspec.DecodeError` for another one."""
        try:
            return self._decoder.decode(text)
        except (RecursionError, UnicodeError) as error:
            raise msgspec.DecodeError(str(error)) from None

    def data(self, value: object) -> T:
        """What data as JSON has it says. Raises `msgspec.ValidationError` for other data."""
        try:
            return msgspec.convert(value, self._kind)
        except RecursionError as error:
            raise msgspec.ValidationError(str(error)) from None
