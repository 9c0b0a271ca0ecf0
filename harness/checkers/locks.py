"""Locks: one holder at a time, tokens that fence, renewal in time, takeover from the dead in time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.checkers.history import Death, Span, overlaps, seconds
from harness.checkers.kinds import LockKind
from harness.checkers.lock_history import GONE, Hold, LockHistory, LockRules
from harness.checkers.result import Anomaly, Checked, Finding, checked
from harness.checkers.tokens import stale_writes, token_order, token_shared


def check_locks(history: LockHistory, rules: LockRules) -> Checked:
    """Hold a history of locks against their contract."""
    return checked(rule(history, rules) for rule in RULES)


def _two_holders(history: LockHistory, rules: LockRules) -> Finding:
    spans: dict[str, list[Span[Hold]]] = defaultdict(list)
    for hold in history.holds:
        spans[hold.lock].append(Span(hold.begun, _claimed_until(hold, history, rules), hold))
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
    return Finding(LockKind.TWO_HOLDERS, sum(len(held) - 1 for held in spans.values()), tuple(found))


def _claimed_until(hold: Hold, history: LockHistory, rules: LockRules) -> float:
    """A living owner claims the lock until it lets go; that of a dead one lasts as long as its time to live."""
    ended = history.until if hold.ended is None else hold.ended
    dead = _deaths(history, hold.owner, hold.begun - rules.tolerance, ended)
    return min(ended, hold.last_proof + rules.ttl) if dead else ended


def _deaths(history: LockHistory, owner: str, begun: float, ended: float) -> tuple[Death, ...]:
    return tuple(one for one in history.deaths if one.worker == owner and begun <= one.at <= ended)


@dataclass(frozen=True, slots=True)
class _Pause:
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


def _pauses(history: LockHistory, rules: LockRules) -> Iterator[_Pause]:
    for hold in history.holds:
        proofs = sorted((hold.begun, *hold.renewed))
        ends = [*proofs[1:], history.until if hold.ended is None else hold.ended]
        for begun, ended in zip(proofs, ends, strict=True):
            deaths = _deaths(history, hold.owner, begun - rules.tolerance, ended)
            yield _Pause(hold, begun, ended, begun == proofs[-1], deaths)


def _held_past_ttl(history: LockHistory, rules: LockRules) -> Finding:
    pauses = list(_pauses(history, rules))
    found = [
        Anomaly(
            LockKind.HELD_PAST_TTL,
            one.begun + rules.ttl,
            f"{one.hold.owner} held {one.hold.lock} for {seconds(one.length)} without renewal;"
            f" its time to live is {seconds(rules.ttl)}",
            (one.hold,),
        )
        for one in pauses
        if one.past_ttl(rules)
    ]
    return Finding(LockKind.HELD_PAST_TTL, len(pauses), tuple(found))


def _late_renewal(history: LockHistory, rules: LockRules) -> Finding:
    pauses = [one for one in _pauses(history, rules) if not one.deaths]
    found = [
        Anomaly(
            LockKind.LATE_RENEWAL,
            one.begun + rules.renewal,
            f"{one.hold.owner} did not renew {one.hold.lock} for {seconds(one.length)};"
            f" a third of its time to live is {seconds(rules.renewal)}",
            (one.hold,),
        )
        for one in pauses
        if one.late(rules)
    ]
    return Finding(LockKind.LATE_RENEWAL, len(pauses), tuple(found))


def _late_takeover(history: LockHistory, rules: LockRules) -> Finding:
    cases = 0
    found = []
    for hold, death in _died_holding(history, rules):
        due = death.at + rules.ttl + rules.takeover + rules.tolerance
        later = [one for one in history.holds if one.lock == hold.lock and one.begun > hold.begun]
        taken = min(later, key=lambda one: (one.begun, repr(one)), default=None)
        in_time = taken is not None and taken.begun <= due
        went_on = death.back is not None and death.back <= due
        if not in_time and (went_on or (taken is None and history.until <= due)):
            continue  # nobody had to take over, or not yet
        cases += 1
        if not in_time:
            taken_over = f"taken over {seconds(taken.begun - death.at)}" if taken else "not taken over"
            what = f"{hold.lock} was {taken_over} after the death of {hold.owner}"
            found.append(Anomaly(LockKind.LATE_TAKEOVER, due, what, (hold, death, *([taken] if taken else []))))
    return Finding(LockKind.LATE_TAKEOVER, cases, tuple(found))


def _died_holding(history: LockHistory, rules: LockRules) -> Iterator[tuple[Hold, Death]]:
    for hold in history.holds:
        ended = hold.last_proof + rules.ttl if hold.ended is None else hold.ended
        for death in _deaths(history, hold.owner, hold.begun, ended):
            if death.at < ended:
                yield hold, death


def _no_expiry(history: LockHistory, _: LockRules) -> Finding:
    there = [one for one in history.seen if one.ttl != GONE]
    found = [
        Anomaly(LockKind.NO_EXPIRY, one.at, f"{one.lock} would never expire", (one,))
        for one in there
        if one.ttl is None or one.ttl < 0
    ]
    return Finding(LockKind.NO_EXPIRY, len(there), tuple(found))


RULES = (
    _two_holders,
    token_order,
    token_shared,
    stale_writes,
    _held_past_ttl,
    _late_renewal,
    _late_takeover,
    _no_expiry,
)
