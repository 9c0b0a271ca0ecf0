"""How the time of a step over text grows with the text: linear is 4 for four times as much, quadratic 16."""

from __future__ import annotations

import time
from collections.abc import Callable

FOUR_TIMES = 4
MOST = 9.0
"""Between linear and quadratic, with room for a busy machine."""
_WORTH_S = 0.01
"""Below this, a quotient of two times says nothing; growth that never gets there hurts nobody."""
_LARGEST = 30_000
_GIVEN_UP_S = 2.0


def grows_faster_than_its_text(step: Callable[[str], object], make: Callable[[int], str], first: int = 2000) -> bool:
    """Whether `step` over `make(n)` takes more than linear time in `n`; the smaller text grows until time tells."""
    size = first
    before = _seconds(step, make(size))
    while before < _WORTH_S and size < _LARGEST:
        size *= FOUR_TIMES
        after = _seconds(step, make(size))
        if after > _WORTH_S and before > _WORTH_S / 8 and not _linear(before, after):
            # once more, for a machine that was busy with something else
            return not _linear(_seconds(step, make(size // FOUR_TIMES)), _seconds(step, make(size)))
        if after > _GIVEN_UP_S:
            return not _linear(before, after)
        before = after
    return False


def _linear(before: float, after: float) -> bool:
    return after < MOST * before


def _seconds(step: Callable[[str], object], text: str) -> float:
    begun = time.thread_time()
    step(text)
    return time.thread_time() - begun
