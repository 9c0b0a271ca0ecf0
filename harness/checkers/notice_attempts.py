"""Attempts: as many as allowed, one at a time, none after a final one, and the outbox says what they came to."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checkers.history import overlaps, seconds
from harness.checkers.kinds import NotificationKind
from harness.checkers.notice_timeline import Stories, Story, span_of
from harness.checkers.notification_history import (
    NotificationHistory,
    NotificationRules,
    Sending,
    State,
)
from harness.checkers.result import Anomaly, Finding

_MEANT = {2: Sending.SENT, 4: Sending.TEMPORARY, 5: Sending.PERMANENT}
"""The first digit of a reply (RFC 5321 4.2.1)."""


def _too_many_attempts(stories: Stories, _: NotificationHistory, rules: NotificationRules) -> Finding:
    found = [
        Anomaly(
            NotificationKind.TOO_MANY_ATTEMPTS,
            story.attempts[rules.attempts].begun,
            f"notice {story.notice.id} had {len(story.attempts)} attempts; {rules.attempts} are allowed",
            (story.notice, *story.attempts),
        )
        for story in stories
        if len(story.attempts) > rules.attempts
    ]
    return Finding(NotificationKind.TOO_MANY_ATTEMPTS, sum(bool(story.attempts) for story in stories), tuple(found))


def _after_permanent(stories: Stories, _: NotificationHistory, __: NotificationRules) -> Finding:
    return _after(stories, NotificationKind.ATTEMPT_AFTER_PERMANENT, Sending.PERMANENT)


def _after_sent(stories: Stories, _: NotificationHistory, __: NotificationRules) -> Finding:
    return _after(stories, NotificationKind.ATTEMPT_AFTER_SENT, Sending.SENT)


def _after(stories: Stories, kind: NotificationKind, final: Sending) -> Finding:
    """Attempts after the first one that was final, if it ended in this way."""
    cases = 0
    found = []
    for story in stories:
        ended = [one for one in story.attempts if one.outcome in (Sending.SENT, Sending.PERMANENT)]
        if not ended or ended[0].outcome is not final:
            continue
        cases += 1
        for later in story.attempts[story.attempts.index(ended[0]) + 1 :]:
            what = f"{later.worker} tried notice {story.notice.id} again after attempt {ended[0].number} was {final}"
            found.append(Anomaly(kind, later.begun, what, (ended[0], later)))
    return Finding(kind, cases, tuple(found))


def _overlapping(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Finding:
    found = [
        Anomaly(
            NotificationKind.OVERLAPPING_ATTEMPTS,
            second.begun,
            f"{first.row.worker} and {second.row.worker} were at notice {story.notice.id} at once"
            f" for {seconds(min(first.ended, second.ended) - second.begun)}",
            (first.row, second.row),
        )
        for story in stories
        for first, second in overlaps([span_of(one, history) for one in story.attempts], rules.tolerance)
    ]
    pairs = sum(max(0, len(story.attempts) - 1) for story in stories)
    return Finding(NotificationKind.OVERLAPPING_ATTEMPTS, pairs, tuple(found))


def _numbers(stories: Stories, _: NotificationHistory, __: NotificationRules) -> Finding:
    tried = [story for story in stories if story.attempts]
    found = [
        Anomaly(
            NotificationKind.ATTEMPT_NUMBERS,
            story.attempts[0].begun,
            f"attempts of notice {story.notice.id} are numbered {[one.number for one in story.attempts]}",
            story.attempts,
        )
        for story in tried
        if [one.number for one in story.attempts] != list(range(1, len(story.attempts) + 1))
    ]
    return Finding(NotificationKind.ATTEMPT_NUMBERS, len(tried), tuple(found))


def _misread_reply(stories: Stories, _: NotificationHistory, __: NotificationRules) -> Finding:
    answered = [
        (one, _MEANT[one.code // 100])
        for story in stories
        for one in story.attempts
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
    return Finding(NotificationKind.MISREAD_REPLY, len(answered), tuple(found))


def _contradiction(stories: Stories, _: NotificationHistory, rules: NotificationRules) -> Finding:
    found = []
    for story in stories:
        wrong = "; ".join(_contradictions(story, rules))
        if wrong:
            what = f"notice {story.notice.id} is {story.notice.state}: {wrong}"
            rows = (story.notice, *story.attempts)
            found.append(Anomaly(NotificationKind.CONTRADICTION, story.notice.created, what, rows))
    return Finding(NotificationKind.CONTRADICTION, len(stories), tuple(found))


def _contradictions(story: Story, rules: NotificationRules) -> Iterator[str]:
    notice, attempts = story.notice, story.attempts
    outcomes = {one.outcome for one in attempts}
    if notice.attempts != len(attempts):
        yield f"it counts {notice.attempts} attempts of {len(attempts)}"
    if (notice.state is State.SENT) != (notice.sent_at is not None):
        yield f"it says sent at {notice.sent_at}"
    if notice.state is State.SENT and not story.sent_by():
        yield "no attempt sent it"
    if notice.state is not State.SENT and Sending.SENT in outcomes:
        yield "an attempt sent it"
    if notice.state in (State.PENDING, State.FAILED) and Sending.SENT not in outcomes:
        if Sending.PERMANENT in outcomes:
            yield "an attempt failed for good"
        elif len(attempts) >= rules.attempts and all(one.outcome is Sending.TEMPORARY for one in attempts):
            yield "all its attempts failed"
    if story.mails and not story.sent_by():
        yield "a mail arrived that no attempt sent"


RULES = (
    _too_many_attempts,
    _after_permanent,
    _after_sent,
    _overlapping,
    _numbers,
    _misread_reply,
    _contradiction,
)
