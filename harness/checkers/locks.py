"""Locks with a time to live: one holder at a time, tokens that fence, renewal in time, takeover from the dead in time.

Fencing tokens: each grant of a lock gets a higher one, one owner each, and what was outbid writes no more (Kleppmann,
"How to do distributed locking", 2016).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.checkers.history import Death, RowSpan, check_rules, check_span, check_times, overlaps, seconds
from harness.checkers.kinds import LockKind
from harness.checkers.result import Anomaly, Checked, RuleResult, checked

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
class LockReading:
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
    seen: tuple[LockReading, ...] = ()

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


def check_locks(history: LockHistory, rules: LockRules) -> Checked:
    """Hold a history of locks against their contract."""
    return checked(rule(history, rules) for rule in RULES)


def _two_holders(history: LockHistory, rules: LockRules) -> RuleResult:
    spans: dict[str, list[RowSpan[Hold]]] = defaultdict(list)
    for hold in history.holds:
        spans[hold.lock].append(RowSpan(hold.begun, _claimed_until(hold, history, rules), hold))
    found = [
        Anomaly(
            LockKind.TWO_HOLDERS,
            second.begun,
            f"{first.row.owner} and {second.row.owner} held {lock} at once"
            f" for {seconds(min(first.ended, second.ended) - second.begun)}",
            (first.row, second.row),
        )
        for lock, held in spans.items()
        for first, second in overlaps(held, rules.tolerance)
    ]
    return RuleResult(LockKind.TWO_HOLDERS, sum(len(held) - 1 for held in spans.values()), tuple(found))


def _claimed_until(hold: Hold, history: LockHistory, rules: LockRules) -> float:
    """A living owner claims the lock until it lets go; that of a dead one lasts as long as its time to live."""
    ended = history.until if hold.ended is None else hold.ended
    dead = _deaths(history, hold.owner, hold.begun - rules.tolerance, ended)
    return min(ended, hold.last_proof + rules.ttl) if dead else ended


def _deaths(history: LockHistory, owner: str, begun: float, ended: float) -> tuple[Death, ...]:
    return tuple(one for one in history.deaths if one.worker == owner and begun <= one.at <= ended)


@dataclass(frozen=True, slots=True)
class _ProofGap:
    """The time between two proofs of a hold (granted, renewed), or from the last one to its end."""

    hold: Hold
    begun: float
    ended: float
    last: bool
    deaths: tuple[Death, ...]

    @property
    def length(self) -> float:
        return self.ended - self.begun

    def past_ttl(self, rules: LockRules) -> bool:
        limit = self.begun + rules.ttl
        if self.last:
            # the dead know of no expiry; one that comes back has to find out by its next renewal
            excused = [math.inf if one.back is None else one.back + rules.renewal for one in self.deaths]
            limit = max([limit, *excused])
        return self.ended > limit + rules.tolerance

    def late(self, rules: LockRules) -> bool:
        return not self.past_ttl(rules) and self.length > rules.renewal + rules.tolerance


def _gaps(history: LockHistory, rules: LockRules) -> Iterator[_ProofGap]:
    for hold in history.holds:
        proofs = sorted((hold.begun, *hold.renewed))
        ends = [*proofs[1:], history.until if hold.ended is None else hold.ended]
        for begun, ended in zip(proofs, ends, strict=True):
            deaths = _deaths(history, hold.owner, begun - rules.tolerance, ended)
            yield _ProofGap(hold, begun, ended, begun == proofs[-1], deaths)


def _held_past_ttl(history: LockHistory, rules: LockRules) -> RuleResult:
    gaps = list(_gaps(history, rules))
    found = [
        Anomaly(
            LockKind.HELD_PAST_TTL,
            one.begun + rules.ttl,
            f"{one.hold.owner} held {one.hold.lock} for {seconds(one.length)} without renewal;"
            f" its time to live is {seconds(rules.ttl)}",
            (one.hold,),
        )
        for one in gaps
        if one.past_ttl(rules)
    ]
    return RuleResult(LockKind.HELD_PAST_TTL, len(gaps), tuple(found))


def _late_renewal(history: LockHistory, rules: LockRules) -> RuleResult:
    gaps = [one for one in _gaps(history, rules) if not one.deaths]
    found = [
        Anomaly(
            LockKind.LATE_RENEWAL,
            one.begun + rules.renewal,
            f"{one.hold.owner} did not renew {one.hold.lock} for {seconds(one.length)};"
            f" a third of its time to live is {seconds(rules.renewal)}",
            (one.hold,),
        )
        for one in gaps
        if one.late(rules)
    ]
    return RuleResult(LockKind.LATE_RENEWAL, len(gaps), tuple(found))


def _late_takeover(history: LockHistory, rules: LockRules) -> RuleResult:
    cases = 0
    found = []
    for hold, death in _died_holding(history, rules):
        due = death.at + rules.ttl + rules.takeover + rules.tolerance
        taken = _next_hold(hold, history)
        in_time = taken is not None and taken.begun <= due
        if not in_time and (death.is_over_by(due) or (taken is None and history.until <= due)):
            continue  # nobody had to take over, or not yet
        cases += 1
        if not in_time:
            taken_over = f"taken over {seconds(taken.begun - death.at)}" if taken else "not taken over"
            what = f"{hold.lock} was {taken_over} after the death of {hold.owner}"
            found.append(Anomaly(LockKind.LATE_TAKEOVER, due, what, (hold, death, *([taken] if taken else []))))
    return RuleResult(LockKind.LATE_TAKEOVER, cases, tuple(found))


def _next_hold(hold: Hold, history: LockHistory) -> Hold | None:
    later = [one for one in history.holds if one.lock == hold.lock and one.begun > hold.begun]
    return min(later, key=lambda one: (one.begun, repr(one)), default=None)


def _died_holding(history: LockHistory, rules: LockRules) -> Iterator[tuple[Hold, Death]]:
    for hold in history.holds:
        ended = hold.last_proof + rules.ttl if hold.ended is None else hold.ended
        for death in _deaths(history, hold.owner, hold.begun, ended):
            if death.at < ended:
                yield hold, death


def _no_expiry(history: LockHistory, _: LockRules) -> RuleResult:
    there = [one for one in history.seen if one.ttl != GONE]
    found = [
        Anomaly(LockKind.NO_EXPIRY, one.at, f"{one.lock} would never expire", (one,))
        for one in there
        if one.ttl is None or one.ttl < 0
    ]
    return RuleResult(LockKind.NO_EXPIRY, len(there), tuple(found))


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


def _token_order(history: LockHistory, rules: LockRules) -> RuleResult:
    """Tokens strictly increase in the order of acquisition. Equal ones of two owners are another rule's business."""
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
    return RuleResult(LockKind.TOKEN_ORDER, cases, tuple(found))


def _stale_writes(history: LockHistory, rules: LockRules) -> RuleResult:
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
    return RuleResult(LockKind.STALE_WRITE, cases, tuple(found))


def _token_shared(history: LockHistory, _: LockRules) -> RuleResult:
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
    return RuleResult(LockKind.TOKEN_SHARED, len(uses), tuple(found))


RULES = (
    _two_holders,
    _token_order,
    _token_shared,
    _stale_writes,
    _held_past_ttl,
    _late_renewal,
    _late_takeover,
    _no_expiry,
)
