"""How long a service is waited for that was waited for in vain before.

One that hangs at every path would cost its whole time-out at each of a hundred checks. So after `MOST_IN_VAIN` in a row
this process waits a tenth as long, until the next whole answer.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

MOST_IN_VAIN = 2
_SHARE = 0.1
_LEAST_S = 1.0
_FILE = "hangs"

Place = tuple[str, int]
_in_vain: Counter[Place] = Counter()


def patience(place: Place, usual_s: float) -> float:
    """Seconds to wait for a whole answer."""
    return min(usual_s, max(_LEAST_S, usual_s * _SHARE)) if hangs(place) else usual_s


def hangs(place: Place) -> bool:
    """Was the service waited for in vain again and again?"""
    return _in_vain[place] >= MOST_IN_VAIN


def is_silent(place: Place) -> bool:
    """Was the service last waited for in vain?"""
    return _in_vain[place] > 0


def waited_in_vain(place: Place) -> None:
    """No whole answer came in time."""
    _in_vain[place] += 1


def was_answered(place: Place) -> None:
    """A whole answer came."""
    _in_vain.pop(place, None)


def tell_others(state_dir: str, place: Place) -> None:
    """Leave word in a stack's folder for the processes to come, where the service is silent."""
    if state_dir and is_silent(place):
        (Path(state_dir) / _FILE).touch()


def heed_others(state_dir: str, place: Place) -> None:
    """Begin without much patience where an earlier process of the same stack waited in vain."""
    if state_dir and (Path(state_dir) / _FILE).exists():
        _in_vain[place] = MOST_IN_VAIN
