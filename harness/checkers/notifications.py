"""Notifications: each arrives once, nobody is told twice, and attempts keep to their number, order and pauses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.checkers import notification_mails
from harness.checkers.history import overlap, overlaps, seconds
from harness.checkers.kinds import NotificationKind
from harness.checkers.notification_history import (
    NoticeTimeline,
    NoticeTimelines,
    NotificationHistory,
    NotificationRules,
    SendAttempt,
    Sending,
    State,
    span_of,
    timelines_of,
)
from harness.checkers.result import Anomaly, Checked, RuleResult, checked

_MEANT = {2: Sending.SENT, 4: Sending.TEMPORARY, 5: Sending.PERMANENT}
"""The first digit of a reply (RFC 5321 4.2.1)."""


def check_notifications(history: NotificationHistory, rules: NotificationRules) -> Checked:
    """Hold a history of notifications against their contract."""
    timelines = timelines_of(history)
    return checked(rule(timelines, history, rules) for rule in RULES)


def _too_many_attempts(timelines: NoticeTimelines, _: NotificationHistory, rules: NotificationRules) -> RuleResult:
    found = [
        Anomaly(
            NotificationKind.TOO_MANY_ATTEMPTS,
            timeline.attempts[rules.attempts].begun,
            f"notice {timeline.notice.id} had {len(timeline.attempts)} attempts; {rules.attempts} are allowed",
            (timeline.notice, *timeline.attempts),
        )
        for timeline in timelines
        if len(timeline.attempts) > rules.attempts
    ]
    return RuleResult(
        NotificationKind.TOO_MANY_ATTEMPTS, sum(bool(timeline.attempts) for timeline in timelines), tuple(found)
    )


def _after_permanent(timelines: NoticeTimelines, _: NotificationHistory, __: NotificationRules) -> RuleResult:
    return _after(timelines, NotificationKind.ATTEMPT_AFTER_PERMANENT, Sending.PERMANENT)


def _after_sent(timelines: NoticeTimelines, _: NotificationHistory, __: NotificationRules) -> RuleResult:
    return _after(timelines, NotificationKind.ATTEMPT_AFTER_SENT, Sending.SENT)


def _after(timelines: NoticeTimelines, kind: NotificationKind, final: Sending) -> RuleResult:
    """Attempts after the first one that was final, if it ended in this way."""
    cases = 0
    found = []
    for timeline in timelines:
        ended = [one for one in timeline.attempts if one.outcome in (Sending.SENT, Sending.PERMANENT)]
        if not ended or ended[0].outcome is not final:
            continue
        cases += 1
        for later in timeline.attempts[timeline.attempts.index(ended[0]) + 1 :]:
            what = f"{later.worker} tried notice {timeline.notice.id} again after attempt {ended[0].number} was {final}"
            found.append(Anomaly(kind, later.begun, what, (ended[0], later)))
    return RuleResult(kind, cases, tuple(found))


def _overlapping(timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules) -> RuleResult:
    found = [
        Anomaly(
            NotificationKind.OVERLAPPING_ATTEMPTS,
            second.begun,
            f"{first.row.worker} and {second.row.worker} were at notice {timeline.notice.id} at once"
            f" for {seconds(min(first.ended, second.ended) - second.begun)}",
            (first.row, second.row),
        )
        for timeline in timelines
        for first, second in overlaps([span_of(one, history) for one in timeline.attempts], rules.tolerance)
    ]
    pairs = sum(max(0, len(timeline.attempts) - 1) for timeline in timelines)
    return RuleResult(NotificationKind.OVERLAPPING_ATTEMPTS, pairs, tuple(found))


def _numbers(timelines: NoticeTimelines, _: NotificationHistory, __: NotificationRules) -> RuleResult:
    tried = [timeline for timeline in timelines if timeline.attempts]
    found = [
        Anomaly(
            NotificationKind.ATTEMPT_NUMBERS,
            timeline.attempts[0].begun,
            f"attempts of notice {timeline.notice.id} are numbered {[one.number for one in timeline.attempts]}",
            timeline.attempts,
        )
        for timeline in tried
        if [one.number for one in timeline.attempts] != list(range(1, len(timeline.attempts) + 1))
    ]
    return RuleResult(NotificationKind.ATTEMPT_NUMBERS, len(tried), tuple(found))


def _misread_reply(timelines: NoticeTimelines, _: NotificationHistory, __: NotificationRules) -> RuleResult:
    answered = [
        (one, _MEANT[one.code // 100])
        for timeline in timelines
        for one in timeline.attempts
        if one.code is not None and one.code // 100 in _MEANT
    ]
    found = [
        Anomaly(
            NotificationKind.MISREAD_REPLY,
            one.begun if one.ended is None else one.ended,
            f"attempt {one.number} of notice {one.notice} took the reply {one.code} for {one.outcome}, not {meant}",
            (one,),
        )
        for one, meant in answered
        if one.outcome is not meant
    ]
    return RuleResult(NotificationKind.MISREAD_REPLY, len(answered), tuple(found))


def _contradiction(timelines: NoticeTimelines, _: NotificationHistory, rules: NotificationRules) -> RuleResult:
    found = []
    for timeline in timelines:
        wrong = "; ".join(_contradictions(timeline, rules))
        if wrong:
            what = f"notice {timeline.notice.id} is {timeline.notice.state}: {wrong}"
            rows = (timeline.notice, *timeline.attempts)
            found.append(Anomaly(NotificationKind.CONTRADICTION, timeline.notice.created, what, rows))
    return RuleResult(NotificationKind.CONTRADICTION, len(timelines), tuple(found))


def _contradictions(timeline: NoticeTimeline, rules: NotificationRules) -> Iterator[str]:
    notice, attempts = timeline.notice, timeline.attempts
    outcomes = {one.outcome for one in attempts}
    if notice.attempts != len(attempts):
        yield f"it counts {notice.attempts} attempts of {len(attempts)}"
    if (notice.state is State.SENT) != (notice.sent_at is not None):
        yield f"it says sent at {notice.sent_at}"
    if notice.state is State.SENT:
        if not timeline.sent_by():
            yield "no attempt sent it"
    elif Sending.SENT in outcomes:
        yield "an attempt sent it"
    elif notice.state is not State.DEAD:
        yield from _over_though_open(timeline, rules)
    if timeline.mails and not timeline.sent_by():
        yield "a mail arrived that no attempt sent"


@dataclass(frozen=True, slots=True)
class _RetryPause:
    """What lies between two attempts, with its limits, tolerance included."""

    before: SendAttempt
    after: SendAttempt
    length: float
    shortest: float
    longest: float

    def anomaly(self, kind: NotificationKind, limit: str) -> Anomaly:
        what = (
            f"the pause after attempt {self.before.number} of notice {self.before.notice}"
            f" was {seconds(self.length)}; {limit}"
        )
        return Anomaly(kind, self.after.begun, what, (self.before, self.after))


def _pauses(
    timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules
) -> Iterator[_RetryPause]:
    """The pauses that backoff rules: after a temporary failure, between attempts that do not overlap."""
    for timeline in timelines:
        for number, (before, after) in enumerate(pairwise(timeline.attempts), start=1):
            if before.outcome is not Sending.TEMPORARY or before.ended is None:
                continue
            if overlap(span_of(before, history), span_of(after, history), rules.tolerance):
                continue
            shortest, longest = rules.pause(number)
            length = after.begun - before.ended
            yield _RetryPause(before, after, length, shortest - rules.tolerance, longest + rules.tolerance)


def _early_retry(timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules) -> RuleResult:
    pauses = list(_pauses(timelines, history, rules))
    found = [
        one.anomaly(NotificationKind.EARLY_RETRY, f"at least {seconds(one.shortest)} are due")
        for one in pauses
        if one.length < one.shortest
    ]
    return RuleResult(NotificationKind.EARLY_RETRY, len(pauses), tuple(found))


def _late_retry(timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules) -> RuleResult:
    pauses = list(_pauses(timelines, history, rules))
    found = [
        one.anomaly(NotificationKind.LATE_RETRY, f"at most {seconds(one.longest)} are allowed")
        for one in pauses
        if one.length > one.longest
    ]
    return RuleResult(NotificationKind.LATE_RETRY, len(pauses), tuple(found))


def _early_death(timelines: NoticeTimelines, _: NotificationHistory, rules: NotificationRules) -> RuleResult:
    dead = [timeline for timeline in timelines if timeline.notice.state is State.DEAD]
    found = [
        Anomaly(
            NotificationKind.EARLY_DEATH,
            timeline.notice.created,
            f"notice {timeline.notice.id} was given up after {len(timeline.attempts)} of {rules.attempts} attempts",
            (timeline.notice, *timeline.attempts),
        )
        for timeline in dead
        if len(timeline.attempts) < rules.attempts
        and all(one.outcome is not Sending.PERMANENT for one in timeline.attempts)
    ]
    return RuleResult(NotificationKind.EARLY_DEATH, len(dead), tuple(found))


def _over_though_open(timeline: NoticeTimeline, rules: NotificationRules) -> Iterator[str]:
    """Why no further attempt can come, of a notice for which another one is due."""
    outcomes = {one.outcome for one in timeline.attempts}
    if Sending.PERMANENT in outcomes:
        yield "an attempt failed for good"
    elif len(timeline.attempts) >= rules.attempts and outcomes == {Sending.TEMPORARY}:
        yield "all its attempts failed"


RULES = (
    *notification_mails.RULES,
    _too_many_attempts,
    _after_permanent,
    _after_sent,
    _overlapping,
    _numbers,
    _misread_reply,
    _contradiction,
    _early_retry,
    _late_retry,
    _early_death,
)
