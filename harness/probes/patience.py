"""How long a service of somebody else is waited for, that was waited for in vain before.

One that hangs at every path would cost its whole time-out at each of a hundred checks. So all processes that ask one
service count together how often they waited in vain; from `MOST_IN_VAIN` on what never was answered is given a
tenth of the time, and still less once there were eight, as long as such waits are more than a tenth of all answers.
Services of ours are not counted: a test
may make them hang on purpose.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

MOST_IN_VAIN = 2
_MANY_IN_VAIN = 8
_SHARE = 0.1
_LEAST_S, _LEAST_OF_MANY_S = 1.0, 0.25
_MOST_PATHS = 1000
_FILE = "waited-in-vain"
"""A byte for each wait."""

Place = tuple[str, int]


@dataclass(slots=True)
class _Seen:
    file: Path
    answers: int = 0
    answered: set[str] = field(default_factory=set)
    """Methods with their paths: `GET /x`."""
    silent: bool = False

    def in_vain(self) -> int:
        try:
            return self.file.stat().st_size
        except OSError:
            return 0


_seen: dict[Place, _Seen] = {}


def count_waits(place: Place, state_dir: str) -> None:
    """Count from now on what is waited for there, with all processes that name the same folder."""
    _seen.setdefault(place, _Seen(Path(state_dir) / _FILE))


def patience(place: Place, asked: str, usual_s: float) -> float:
    """Seconds to wait for a whole answer."""
    seen = _seen.get(place)
    if seen is None or asked in seen.answered:
        return usual_s
    in_vain = seen.in_vain()
    if in_vain < MOST_IN_VAIN or in_vain <= _SHARE * seen.answers:
        return usual_s
    return min(usual_s, _LEAST_OF_MANY_S if in_vain >= _MANY_IN_VAIN else max(_LEAST_S, usual_s * _SHARE))


def is_silent(place: Place) -> bool:
    """Was the service, when it was last asked, waited for in vain?"""
    return place in _seen and _seen[place].silent


def waited_in_vain(place: Place) -> None:
    """No whole answer came in time."""
    if (seen := _seen.get(place)) is None:
        return
    seen.silent = True
    try:
        descriptor = os.open(seen.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, b".")
    finally:
        os.close(descriptor)


def was_answered(place: Place, asked: str) -> None:
    """A whole answer came."""
    if (seen := _seen.get(place)) is not None:
        seen.silent = False
        seen.answers += 1
        if len(seen.answered) < _MOST_PATHS:
            seen.answered.add(asked)
