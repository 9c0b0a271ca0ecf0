"""All that is known of one notice, put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checkers.history import Death, Span
from harness.checkers.notification_history import Attempt, Mail, Notice, NotificationHistory, Sending


@dataclass(frozen=True, slots=True)
class Story:
    """A notice with its attempts and mails, each in order of time."""

    notice: Notice
    attempts: tuple[Attempt, ...]
    mails: tuple[Mail, ...]

    def sent_by(self) -> tuple[Attempt, ...]:
        """The attempts that can have delivered a mail."""
        return tuple(one for one in self.attempts if one.outcome is Sending.SENT or one.unanswered)


def stories(history: NotificationHistory) -> tuple[Story, ...]:
    """One for each notice. Of two notices with one key the first gets the mails."""
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in sorted(history.attempts, key=lambda one: (one.begun, one.number, repr(one))):
        attempts[attempt.notice].append(attempt)
    mails: dict[str, list[Mail]] = defaultdict(list)
    for mail in sorted(history.mails, key=lambda one: (one.at, repr(one))):
        mails[mail.key].append(mail)
    return tuple(
        Story(notice, tuple(attempts[notice.id]), tuple(mails.pop(notice.key, ())))
        for notice in sorted(history.notices, key=lambda one: (one.created, one.id))
    )


Stories = Sequence[Story]


def death_of(attempt: Attempt, deaths: Sequence[Death]) -> float | None:
    """When the worker died that was at this attempt."""
    return min((one.at for one in deaths if one.worker == attempt.worker and one.at >= attempt.begun), default=None)


def span_of(attempt: Attempt, history: NotificationHistory) -> Span[Attempt]:
    """Without an end it lasts until its worker dies; a living worker is still at it."""
    ended = attempt.ended
    if ended is None:
        death = death_of(attempt, history.deaths)
        ended = max(history.until, attempt.begun) if death is None else death
    return Span(attempt.begun, ended, attempt)
