"""Mails and notices: each notice arrives, once, at its recipient; nobody is told twice within the dedup window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.checkers.history import seconds
from harness.checkers.kinds import NoteKind, NotificationKind
from harness.checkers.notification_history import (
    DeliveredMail,
    Event,
    Notice,
    NoticeTimeline,
    NoticeTimelines,
    NotificationHistory,
    NotificationRules,
    SendAttempt,
    Sending,
    State,
    death_of,
)
from harness.checkers.result import Anomaly, RuleResult

About = tuple[str, int, str]


def _noticed(event: Event, notices: Sequence[Notice], rules: NotificationRules) -> bool:
    """Is there a notice of the event, or one of the window before it that stands for it?"""
    first, last = event.at - rules.dedup_window - rules.tolerance, event.at + rules.creation + rules.tolerance
    return any(first <= notice.created <= last for notice in notices if notice.about == event.about)


def _told_before(event: Event, notices: Sequence[Notice]) -> Notice | None:
    """The last notice of the same before the event."""
    before = [notice for notice in notices if notice.about == event.about and notice.created < event.at]
    return max(before, key=lambda notice: (notice.created, notice.id), default=None)


def _is_due(event: Event, history: NotificationHistory, rules: NotificationRules) -> bool:
    """Should the event's notice have been created while it was watched?"""
    return event.at + rules.creation + rules.tolerance <= history.until


def _duplicate_notice(timelines: NoticeTimelines, _: NotificationHistory, rules: NotificationRules) -> RuleResult:
    groups: dict[About | str, list[Notice]] = defaultdict(list)
    for timeline in timelines:
        groups[timeline.notice.about].append(timeline.notice)
        groups[timeline.notice.key].append(timeline.notice)
    found: dict[tuple[Notice, Notice], Anomaly] = {}
    for about, notices in groups.items():
        for first, second in pairwise(notices):
            gap = second.created - first.created
            if about == second.key:
                what = f"notices {first.id} and {second.id} have one idempotency key"
            elif gap + rules.tolerance < rules.dedup_window:
                what = f"{second.recipient} was told of {second.kind} of {second.subject_id} again after {seconds(gap)}"
            else:
                continue
            rows = (first, second)
            found.setdefault(rows, Anomaly(NotificationKind.DUPLICATE_NOTICE, second.created, what, rows))
    return RuleResult(NotificationKind.DUPLICATE_NOTICE, len(timelines), tuple(found.values()))


def _eager_dedup(timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules) -> RuleResult:
    notices = [timeline.notice for timeline in timelines]
    cases = 0
    found = []
    for event in history.expected:
        before = _told_before(event, notices)
        if before is None or not _is_due(event, history, rules):
            continue
        cases += 1
        if not _noticed(event, notices, rules):
            what = (
                f"{event.recipient} was not told of {event.kind} of {event.subject_id}"
                f" {seconds(event.at - before.created)} after the last time"
            )
            found.append(Anomaly(NotificationKind.EAGER_DEDUP, event.at, what, (before, event)))
    return RuleResult(NotificationKind.EAGER_DEDUP, cases, tuple(found))


def _lost(timelines: NoticeTimelines, history: NotificationHistory, rules: NotificationRules) -> RuleResult:
    notices = [timeline.notice for timeline in timelines]
    unheard = [
        event for event in history.expected if _is_due(event, history, rules) and _told_before(event, notices) is None
    ]
    cases = len(unheard)
    found = []
    for event in unheard:
        if not _noticed(event, notices, rules):
            what = f"{event.recipient} was never told of {event.kind} of {event.subject_id}"
            found.append(Anomaly(NotificationKind.LOST, event.at, what, (event,)))
    for timeline in timelines:
        due, why = _due(timeline, history, rules)
        if due is None or due > history.until:
            continue
        cases += 1
        if not timeline.mails:
            what = f"notice {timeline.notice.id} to {timeline.notice.recipient} {why}, and no mail arrived"
            found.append(Anomaly(NotificationKind.LOST, due, what, (timeline.notice, *timeline.attempts)))
    return RuleResult(NotificationKind.LOST, cases, tuple(found))


def _due(timeline: NoticeTimeline, history: NotificationHistory, rules: NotificationRules) -> tuple[float | None, str]:
    """From when on the notice's mail must be there, and why; None if it need not be."""
    sent = _said_sent(timeline)
    return (_overdue(timeline, history, rules), "is overdue") if sent is None else (sent, "was sent, it is said")


def _said_sent(timeline: NoticeTimeline) -> float | None:
    """When the notice was sent, as an attempt or the outbox says."""
    notice = timeline.notice
    ended = [one.ended for one in timeline.attempts if one.outcome is Sending.SENT and one.ended is not None]
    if ended or notice.state is not State.SENT:
        return min(ended, default=None)
    return notice.created if notice.sent_at is None else notice.sent_at


def _overdue(timeline: NoticeTimeline, history: NotificationHistory, rules: NotificationRules) -> float | None:
    """From when on the next attempt is overdue; None if none is to come."""
    notice = timeline.notice
    if notice.state is State.DEAD:
        return None
    if not timeline.attempts:
        return notice.created + rules.allowance + rules.tolerance
    last = timeline.attempts[-1]
    _, longest = rules.pause(len(timeline.attempts))
    if last.outcome is Sending.UNKNOWN:
        stopped = death_of(last, history.deaths) if last.ended is None else last.ended
        return (last.begun if stopped is None else stopped) + longest + rules.takeover + rules.tolerance
    if last.outcome is not Sending.TEMPORARY or last.ended is None or len(timeline.attempts) >= rules.attempts:
        return None  # that the state is not final then is a contradiction
    return last.ended + longest + rules.tolerance


def _duplicate_mail(timelines: NoticeTimelines, _: NotificationHistory, rules: NotificationRules) -> RuleResult:
    found, notes = [], []
    for timeline in timelines:
        for first, second, explained in _again(timeline, rules.tolerance):
            what = f"{second.message_id} arrived again"
            if explained:
                what += f": its sender got no answer to attempt {explained.number} by {explained.worker}"
                notes.append(Anomaly(NoteKind.RECOGNISED_RESEND, second.at, what, (explained, first, second)))
            else:
                found.append(Anomaly(NotificationKind.DUPLICATE_MAIL, second.at, what, (first, second)))
    arrived = sum(bool(timeline.mails) for timeline in timelines)
    return RuleResult(NotificationKind.DUPLICATE_MAIL, arrived, tuple(found), tuple(notes))


def _again(
    timeline: NoticeTimeline, tolerance: float
) -> Iterator[tuple[DeliveredMail, DeliveredMail, SendAttempt | None]]:
    """Each further mail, after the one before it, with the unanswered attempt between them that explains it.

    An attempt explains one further mail, and only if another attempt had begun by then to send it.
    """
    free = [
        (attempt, following)
        for attempt, following in zip(timeline.attempts, timeline.attempts[1:], strict=False)
        if attempt.unanswered
    ]
    for first, second in zip(timeline.mails, timeline.mails[1:], strict=False):
        fits = [
            pair for pair in free if pair[0].begun <= first.at + tolerance and pair[1].begun <= second.at + tolerance
        ]
        if fits:
            free.remove(fits[0])
        yield first, second, fits[0][0] if fits else None


def _stray_mail(timelines: NoticeTimelines, history: NotificationHistory, _: NotificationRules) -> RuleResult:
    keys = {timeline.notice.key for timeline in timelines}
    found = [
        Anomaly(NotificationKind.STRAY_MAIL, mail.at, f"{mail.message_id} to {mail.recipient} is of no notice", (mail,))
        for mail in history.mails
        if mail.key not in keys
    ]
    return RuleResult(NotificationKind.STRAY_MAIL, len(history.mails), tuple(found))


def _wrong_recipient(timelines: NoticeTimelines, _: NotificationHistory, __: NotificationRules) -> RuleResult:
    found = [
        Anomaly(
            NotificationKind.WRONG_RECIPIENT,
            mail.at,
            f"notice {timeline.notice.id} to {timeline.notice.recipient} arrived at {mail.recipient}",
            (timeline.notice, mail),
        )
        for timeline in timelines
        for mail in timeline.mails
        if _address(mail.recipient) != _address(timeline.notice.recipient)
    ]
    return RuleResult(
        NotificationKind.WRONG_RECIPIENT, sum(len(timeline.mails) for timeline in timelines), tuple(found)
    )


def _address(recipient: str) -> tuple[str, str]:
    """Case matters before the @ and not after it (RFC 5321 2.4)."""
    local, _, domain = recipient.rpartition("@")
    return local, domain.casefold()


RULES = (_lost, _duplicate_mail, _stray_mail, _wrong_recipient, _duplicate_notice, _eager_dedup)
