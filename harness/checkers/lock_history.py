"""The history of locks with a time to live: who held one, what was written under it, how it was seen."""

from __future__ import annotations

from dataclasses import dataclass

from harness.checkers.history import Death, check_rules, check_span, check_times

GONE = -2
"""What Valkey answers for the time to live of a key that is not there; -1 is one without expiry (TTL command)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A lock granted to an owner, with its fencing token.

    `ended` is None if the hold was not released while it was watched: its owner died, or held it to the end.
    """

    lock: str
    owner: str
    token: int
    begun: float
    ended: float | None = None
    renewed: tuple[float, ...] = ()
    """When renewals succeeded."""

    def __post_init__(self) -> None:
        check_span(self, self.begun, self.ended)
        check_times(self, *self.renewed)
        if not all(self.begun <= time and (self.ended is None or time <= self.ended) for time in self.renewed):
            raise ValueError(f"a renewal lies outside of its hold: {self}")

    @property
    def last_proof(self) -> float:
        """When the lock was last granted or renewed."""
        return max((self.begun, *self.renewed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A write under a lock that the database accepted."""

    lock: str
    owner: str
    token: int
    at: float

    def __post_init__(self) -> None:
        check_times(self, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A lock's time to live as its server gave it, in seconds; None or -1: it has none; -2: there is no such lock."""

    lock: str
    at: float
    ttl: float | None

    def __post_init__(self) -> None:
        check_times(self, self.at, self.ttl)
        if self.ttl is not None and self.ttl < 0 and self.ttl not in (-1, GONE):
            raise ValueError(f"a time to live is -2, -1, or 0 and more: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHistory:
    """All that was seen of some locks until `until`. The deaths are those of owners."""

    holds: tuple[Hold, ...]
    until: float
    writes: tuple[Write, ...] = ()
    deaths: tuple[Death, ...] = ()
    seen: tuple[Seen, ...] = ()

    def __post_init__(self) -> None:
        check_times(self, self.until)
        if any(hold.last_proof > self.until for hold in self.holds):
            raise ValueError(f"holds begin or are renewed after the history's end at {self.until}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRules:
    """The contract of the locks, in seconds."""

    ttl: float
    takeover: float
    """How long after its time to live a dead owner's lock may stay without a new holder."""
    tolerance: float = 0.0
    """How far two clocks of the history may be apart."""

    def __post_init__(self) -> None:
        check_rules(self, positive=[self.ttl], other=[self.takeover, self.tolerance])

    @property
    def renewal(self) -> float:
        """The longest time between two renewals, without tolerance."""
        return self.ttl / 3
