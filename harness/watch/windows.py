"""Events in counted buckets: how many there were and how many were bad within a window, in memory that never grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.stats import clopper_pearson_lower

BUCKETS = 60
"""Of one window: so coarse is the moment at which an event leaves it."""

Bucket = tuple[int, int, int]
"""Number of the bucket, events, bad ones."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of a window."""

    total: int
    bad: int

    def burn(self, budget: float) -> float | None:
        """How many times too fast the budget is spent; None without events, which are no good ones either."""
        return self.bad / self.total / budget if self.total else None

    def surely_above(self, budget: float, level: float) -> bool:
        """Is the share of bad events above the budget with that confidence?"""
        return self.bad > 0 and clopper_pearson_lower(self.bad, self.total, level) > budget


@dataclass(slots=True)
class Window:
    """The events of the last `seconds`; times are of a clock that never goes back."""

    seconds: float
    _buckets: deque[list[int]] = field(default_factory=deque)
    _total: int = 0
    _bad: int = 0

    def add(self, at: float, total: int, bad: int) -> None:
        """Count events; one that comes late is counted with the newest."""
        number = int(at * BUCKETS / self.seconds)
        if not self._buckets or self._buckets[-1][0] < number:
            self._buckets.append([number, 0, 0])
            self._expire(number)
        newest = self._buckets[-1]
        newest[1] += total
        newest[2] += bad
        self._total += total
        self._bad += bad

    def counts(self, now: float) -> Counts:
        """What lies in the window that ends now."""
        self._expire(int(now * BUCKETS / self.seconds))
        return Counts(self._total, self._bad)

    def dump(self) -> list[Bucket]:
        """All of it, to be kept."""
        return [(number, total, bad) for number, total, bad in self._buckets]

    def load(self, buckets: Iterable[Bucket], shift: float) -> None:
        """Take over what was dumped, `shift` seconds later by the clock of now."""
        moved = round(shift * BUCKETS / self.seconds)
        for number, total, bad in sorted(buckets):
            self._buckets.append([number + moved, total, bad])
            self._total += total
            self._bad += bad

    def _expire(self, number: int) -> None:
        while self._buckets and self._buckets[0][0] <= number - BUCKETS:
            _, total, bad = self._buckets.popleft()
            self._total -= total
            self._bad -= bad
