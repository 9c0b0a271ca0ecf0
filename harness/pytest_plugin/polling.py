"""Waiting in tests: never by sleeping for as long as it might take, always by looking again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
_PAUSE_S = 0.02


def eventually(
    holds: Callable[[], T],
    what: str,
    *,
    seconds: float,
    pause: float = _PAUSE_S,
    explain: Callable[[], object] = str,
) -> T:
    """What `holds` gives, as soon as that is true; if it is not within `seconds` the test fails, and explains.

    It is asked again after each `pause` (seconds).
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what} {explain()}")
        time.sleep(pause)
    return found
