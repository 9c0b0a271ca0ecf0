"""Retries: each pause doubles, within its jitter, and nobody gives up early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.checkers.history import overlap, seconds
from harness.checkers.kinds import NotificationKind
from harness.checkers.notice_timeline import Stories, span_of
from harness.checkers.notification_history import (
    Attempt,
    NotificationHistory,
    NotificationRules,
    Sending,
    State,
)
from harness.checkers.result import Anomaly, Finding


@dataclass(frozen=True, slots=True)
class _Pause:
    """What lies between two attempts, with its limits, tolerance included."""

    before: Attempt
    after: Attempt
    length: float
    shortest: float
    longest: float

    def anomaly(self, kind: NotificationKind, limit: str) -> Anomaly:
        what = (
            f"the pause after attempt {self.before.number} of notice {self.before.notice}"
            f" was {seconds(self.length)}; {limit}"
        )
        return Anomaly(kind, self.after.begun, what, (self.before, self.after))


def _pauses(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Iterator[_Pause]:
    """The pauses that backoff rules: after a temporary failure, between attempts that do not overlap."""
    for story in stories:
        for number, (before, after) in enumerate(pairwise(story.attempts), start=1):
            if before.outcome is not Sending.TEMPORARY or before.ended is None:
                continue
            if overlap(span_of(before, history), span_of(after, history), rules.tolerance):
                continue
            shortest, longest = rules.pause(number)
            length = after.begun - before.ended
            yield _Pause(before, after, length, shortest - rules.tolerance, longest + rules.tolerance)


def _early_retry(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Finding:
    pauses = list(_pauses(stories, history, rules))
    found = [
        one.anomaly(NotificationKind.EARLY_RETRY, f"at least {seconds(one.shortest)} are due")
        for one in pauses
        if one.length < one.shortest
    ]
    return Finding(NotificationKind.EARLY_RETRY, len(pauses), tuple(found))


def _late_retry(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Finding:
    pauses = list(_pauses(stories, history, rules))
    found = [
        one.anomaly(NotificationKind.LATE_RETRY, f"at most {seconds(one.longest)} are allowed")
        for one in pauses
        if one.length > one.longest
    ]
    return Finding(NotificationKind.LATE_RETRY, len(pauses), tuple(found))


def _early_death(stories: Stories, _: NotificationHistory, rules: NotificationRules) -> Finding:
    dead = [story for story in stories if story.notice.state is State.DEAD]
    found = [
        Anomaly(
            NotificationKind.EARLY_DEATH,
            story.notice.created,
            f"notice {story.notice.id} was given up after {len(story.attempts)} of {rules.attempts} attempts",
            (story.notice, *story.attempts),
        )
        for story in dead
        if len(story.attempts) < rules.attempts and all(one.outcome is not Sending.PERMANENT for one in story.attempts)
    ]
    return Finding(NotificationKind.EARLY_DEATH, len(dead), tuple(found))


RULES = (_early_retry, _late_retry, _early_death)
