"""Fencing tokens: each grant of a lock gets a higher one, one owner each, and what was outbid writes no more.

Kleppmann, "How to do distributed locking" (2016).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.checkers.kinds import LockKind
from harness.checkers.lock_history import Hold, LockHistory, LockRules, Write
from harness.checkers.result import Anomaly, Finding


@dataclass(frozen=True, slots=True)
class _Granted:
    """The grants of one lock in order, and after each the one with the highest token so far."""

    begun: list[float] = field(default_factory=list)
    highest: list[Hold] = field(default_factory=list)

    def add(self, hold: Hold) -> None:
        self.begun.append(hold.begun)
        self.highest.append(max((*self.highest[-1:], hold), key=lambda one: one.token))

    def before(self, time: float) -> Hold | None:
        place = bisect_left(self.begun, time)
        return self.highest[place - 1] if place else None


def _granted(holds: Iterable[Hold]) -> dict[str, _Granted]:
    granted: dict[str, _Granted] = defaultdict(_Granted)
    for hold in sorted(holds, key=lambda one: (one.begun, repr(one))):
        granted[hold.lock].add(hold)
    return granted


def token_order(history: LockHistory, rules: LockRules) -> Finding:
    """Tokens strictly increase in the order of acquisition. Equal ones of two owners are `token_shared`'s business."""
    granted = _granted(history.holds)
    cases = 0
    found = []
    for hold in history.holds:
        before = granted[hold.lock].before(hold.begun - rules.tolerance)
        if before is None:
            continue
        cases += 1
        if before.token > hold.token or (before.token == hold.token and before.owner == hold.owner):
            what = f"{hold.owner} was granted {hold.lock} with token {hold.token} after {before.token} had been granted"
            found.append(Anomaly(LockKind.TOKEN_ORDER, hold.begun, what, (before, hold)))
    return Finding(LockKind.TOKEN_ORDER, cases, tuple(found))


def stale_writes(history: LockHistory, rules: LockRules) -> Finding:
    """No write is accepted whose token is older than one that had been granted."""
    granted = _granted(history.holds)
    cases = 0
    found = []
    for write in history.writes:
        before = granted[write.lock].before(write.at - rules.tolerance)
        if before is None:
            continue
        cases += 1
        if before.token > write.token:
            what = (
                f"{write.owner} wrote under {write.lock} with token {write.token} after {before.token} had been granted"
            )
            found.append(Anomaly(LockKind.STALE_WRITE, write.at, what, (before, write)))
    return Finding(LockKind.STALE_WRITE, cases, tuple(found))


def token_shared(history: LockHistory, _: LockRules) -> Finding:
    """A token belongs to one owner."""
    uses: dict[tuple[str, int], list[tuple[float, Hold | Write]]] = defaultdict(list)
    for hold in history.holds:
        uses[hold.lock, hold.token].append((hold.begun, hold))
    for write in history.writes:
        uses[write.lock, write.token].append((write.at, write))
    found = []
    for (lock, token), used in uses.items():
        used.sort(key=lambda use: (use[0], repr(use[1])))
        first = used[0][1]
        other = next((use for use in used if use[1].owner != first.owner), None)
        if other:
            what = f"{first.owner} and {other[1].owner} used token {token} of {lock}"
            found.append(Anomaly(LockKind.TOKEN_SHARED, other[0], what, (first, other[1])))
    return Finding(LockKind.TOKEN_SHARED, len(uses), tuple(found))
