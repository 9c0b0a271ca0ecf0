"""Mails: each notice arrives, once, at its recipient, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checkers.kinds import NoteKind, NotificationKind
from harness.checkers.notice_dedup import is_due, noticed, told_before
from harness.checkers.notice_timeline import Stories, Story, death_of
from harness.checkers.notification_history import (
    Attempt,
    Mail,
    NotificationHistory,
    NotificationRules,
    Sending,
    State,
)
from harness.checkers.result import Anomaly, Finding


def _lost(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Finding:
    notices = [story.notice for story in stories]
    cases = 0
    found = []
    for story in stories:
        sent = _said_sent(story)
        due = _overdue(story, history, rules) if sent is None else sent
        if due is None or due > history.until:
            continue
        cases += 1
        if not story.mails:
            said = "is overdue" if sent is None else "was sent, it is said"
            what = f"notice {story.notice.id} to {story.notice.recipient} {said}, and no mail arrived"
            found.append(Anomaly(NotificationKind.LOST, due, what, (story.notice, *story.attempts)))
    for event in history.expected:
        if told_before(event, notices) is None and is_due(event, history, rules):
            cases += 1
            if not noticed(event, notices, rules):
                what = f"{event.recipient} was never told of {event.kind} of {event.subject_id}"
                found.append(Anomaly(NotificationKind.LOST, event.at, what, (event,)))
    return Finding(NotificationKind.LOST, cases, tuple(found))


def _said_sent(story: Story) -> float | None:
    """When the notice was sent, as an attempt or the outbox says."""
    notice = story.notice
    ended = [one.ended for one in story.attempts if one.outcome is Sending.SENT and one.ended is not None]
    if ended or notice.state is not State.SENT:
        return min(ended, default=None)
    return notice.created if notice.sent_at is None else notice.sent_at


def _overdue(story: Story, history: NotificationHistory, rules: NotificationRules) -> float | None:
    """From when on the next attempt is overdue; None if none is to come."""
    notice = story.notice
    if notice.state is State.DEAD:
        return None
    if not story.attempts:
        return notice.created + rules.allowance + rules.tolerance
    last = story.attempts[-1]
    _, longest = rules.pause(len(story.attempts))
    if last.outcome is Sending.UNKNOWN:
        stopped = death_of(last, history.deaths) if last.ended is None else last.ended
        return (last.begun if stopped is None else stopped) + longest + rules.takeover + rules.tolerance
    if last.outcome is not Sending.TEMPORARY or last.ended is None or len(story.attempts) >= rules.attempts:
        return None  # that the state is not final then is a contradiction
    return last.ended + longest + rules.tolerance


def _duplicate_mail(stories: Stories, _: NotificationHistory, rules: NotificationRules) -> Finding:
    found, notes = [], []
    for story in stories:
        for first, second, explained in _again(story, rules.tolerance):
            what = f"{second.message_id} arrived again"
            if explained:
                what += f": its sender got no answer to attempt {explained.number} by {explained.worker}"
                notes.append(Anomaly(NoteKind.RECOGNISED_RESEND, second.at, what, (explained, first, second)))
            else:
                found.append(Anomaly(NotificationKind.DUPLICATE_MAIL, second.at, what, (first, second)))
    arrived = sum(bool(story.mails) for story in stories)
    return Finding(NotificationKind.DUPLICATE_MAIL, arrived, tuple(found), tuple(notes))


def _again(story: Story, tolerance: float) -> Iterator[tuple[Mail, Mail, Attempt | None]]:
    """Each further mail, after the one before it, with the unanswered attempt between them that explains it.

    An attempt explains one further mail, and only if another attempt had begun by then to send it.
    """
    free = [
        (attempt, following)
        for attempt, following in zip(story.attempts, story.attempts[1:], strict=False)
        if attempt.unanswered
    ]
    for first, second in zip(story.mails, story.mails[1:], strict=False):
        fits = [
            pair for pair in free if pair[0].begun <= first.at + tolerance and pair[1].begun <= second.at + tolerance
        ]
        if fits:
            free.remove(fits[0])
        yield first, second, fits[0][0] if fits else None


def _stray_mail(stories: Stories, history: NotificationHistory, _: NotificationRules) -> Finding:
    keys = {story.notice.key for story in stories}
    found = [
        Anomaly(NotificationKind.STRAY_MAIL, mail.at, f"{mail.message_id} to {mail.recipient} is of no notice", (mail,))
        for mail in history.mails
        if mail.key not in keys
    ]
    return Finding(NotificationKind.STRAY_MAIL, len(history.mails), tuple(found))


def _wrong_recipient(stories: Stories, _: NotificationHistory, __: NotificationRules) -> Finding:
    found = [
        Anomaly(
            NotificationKind.WRONG_RECIPIENT,
            mail.at,
            f"notice {story.notice.id} to {story.notice.recipient} arrived at {mail.recipient}",
            (story.notice, mail),
        )
        for story in stories
        for mail in story.mails
        if _address(mail.recipient) != _address(story.notice.recipient)
    ]
    return Finding(NotificationKind.WRONG_RECIPIENT, sum(len(story.mails) for story in stories), tuple(found))


def _address(recipient: str) -> tuple[str, str]:
    """Case matters before the @ and not after it (RFC 5321 2.4)."""
    local, _, domain = recipient.rpartition("@")
    return local, domain.casefold()


RULES = (_lost, _duplicate_mail, _stray_mail, _wrong_recipient)
