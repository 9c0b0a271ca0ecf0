"""When tests run: with others, alone on the machine, or beside the rest; and which of these a session has tests for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.machine.decoding import Reader

_OWN = ("alone", "beside")
SHARED = "shared"


@dataclass(frozen=True, slots=True, order=True)
class SuiteTurn:
    """A suite, and one of the turns of its tests."""

    suite: str
    turn: str


_TURNS = Reader(tuple[SuiteTurn, ...])


def turn_of(marks: Collection[str]) -> str:
    """When a test with these marks runs: "shared", "alone" or "beside"."""
    return next((turn for turn in _OWN if turn in marks), SHARED)


def write_turns(file: Path, chosen: Iterable[SuiteTurn]) -> None:
    """Leave word of what pytest has chosen tests of; each process of a session writes the same."""
    file.write_bytes(msgspec.json.encode(sorted(chosen)))


def read_turns(file: Path) -> frozenset[SuiteTurn] | None:
    """What pytest has chosen tests of; None where it did not come that far."""
    try:
        return frozenset(_TURNS.json(file.read_bytes()))
    except (OSError, msgspec.DecodeError):
        return None
