"""The history of notifications: what the outbox says, each attempt to send, which mails arrived; all by notice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.checkers.history import Death, RowSpan, check_rules, check_span, check_times


class State(StrEnum):
    """What the outbox says of a notice; the last two are final."""

    PENDING = "pending"
    FAILED = "failed"
    """An attempt failed; another one is due."""
    SENT = "sent"
    DEAD = "dead"


class Sending(StrEnum):
    """How an attempt ended."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"
    """No outcome was recorded: the worker died, or is at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A row of the outbox. Recipient, subject (as the id of a deal) and kind say what it is about."""

    id: int
    key: str
    """Its idempotency key, unique."""
    recipient: str
    subject_id: int
    kind: str
    created: float
    state: State
    attempts: int
    sent_at: float | None = None

    def __post_init__(self) -> None:
        check_times(self, self.created, self.sent_at)

    @property
    def about(self) -> tuple[str, int, str]:
        """What the dedup window is about."""
        return self.recipient, self.subject_id, self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAttempt:
    """An attempt to send a notice, from its beginning to the server's answer."""

    notice: int
    number: int
    worker: str
    begun: float
    ended: float | None
    outcome: Sending
    code: int | None = None
    """The SMTP reply code; None without an answer."""

    def __post_init__(self) -> None:
        check_span(self, self.begun, self.ended)
        if self.ended is None and self.outcome is not Sending.UNKNOWN:
            raise ValueError(f"an attempt with an outcome has ended: {self}")

    @property
    def unanswered(self) -> bool:
        """The mail may have been delivered, and the worker could not know (RFC 1047)."""
        return self.outcome is Sending.UNKNOWN or (self.outcome is Sending.TEMPORARY and self.code is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredMail:
    """A mail that a mailbox received."""

    message_id: str
    """`<KEY@domain>` as received: what stands before the @ is the idempotency key of its notice."""
    recipient: str
    at: float

    def __post_init__(self) -> None:
        check_times(self, self.at)

    @property
    def key(self) -> str:
        """The idempotency key in the message id."""
        bare = self.message_id.strip().removeprefix("<").removesuffix(">")
        return bare.rpartition("@")[0] or bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that calls for a notice, unless one of the same recipient, subject and kind is within the window."""

    recipient: str
    subject_id: int
    kind: str
    at: float

    def __post_init__(self) -> None:
        check_times(self, self.at)

    @property
    def about(self) -> tuple[str, int, str]:
        """What the dedup window is about."""
        return self.recipient, self.subject_id, self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationHistory:
    """All that was seen until `until`. Mails are read last, so that each that was said to be sent is among them."""

    notices: tuple[Notice, ...]
    attempts: tuple[SendAttempt, ...]
    mails: tuple[DeliveredMail, ...]
    until: float
    deaths: tuple[Death, ...] = ()
    expected: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        check_times(self, self.until)
        ids = Counter(notice.id for notice in self.notices)
        unknown = sorted({attempt.notice for attempt in self.attempts} - set(ids))
        if unknown or len(ids) < len(self.notices):
            twice = sorted(number for number, count in ids.items() if count > 1)
            raise ValueError(f"attempts of unknown notices: {unknown}; notices that are there twice: {twice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRules:
    """The contract of the notifications; times in seconds."""

    dedup_window: float
    attempts: int
    """The most attempts of a notice."""
    backoff: float
    """The pause after the first attempt; it doubles with each one."""
    jitter: float
    """The share of a pause by which it may be shorter or longer."""
    allowance: float
    """How long an attempt that is due may wait for a worker."""
    takeover: float = 0.0
    """How much longer after a death."""
    creation: float = 0.0
    """How long after an event its notice may be created."""
    tolerance: float = 0.0
    """How far two clocks of the history may be apart."""

    def __post_init__(self) -> None:
        other = [self.dedup_window, self.jitter, self.allowance, self.takeover, self.creation, self.tolerance]
        check_rules(self, positive=[self.attempts, self.backoff], other=other)
        if self.jitter > 1:
            raise ValueError(f"jitter is a share of at most 1: {self}")

    def pause(self, number: int) -> tuple[float, float]:
        """The shortest and the longest pause after this attempt (from 1), without tolerance."""
        pause = self.backoff * 2.0 ** (number - 1)
        return pause * (1 - self.jitter), pause * (1 + self.jitter) + self.allowance


@dataclass(frozen=True, slots=True)
class NoticeTimeline:
    """A notice with its attempts and mails, each in order of time."""

    notice: Notice
    attempts: tuple[SendAttempt, ...]
    mails: tuple[DeliveredMail, ...]

    def sent_by(self) -> tuple[SendAttempt, ...]:
        """The attempts that can have delivered a mail."""
        return tuple(one for one in self.attempts if one.outcome is Sending.SENT or one.unanswered)


def timelines_of(history: NotificationHistory) -> tuple[NoticeTimeline, ...]:
    """One for each notice. Of two notices with one key the first gets the mails."""
    attempts: dict[int, list[SendAttempt]] = defaultdict(list)
    for attempt in sorted(history.attempts, key=lambda one: (one.begun, one.number, repr(one))):
        attempts[attempt.notice].append(attempt)
    mails: dict[str, list[DeliveredMail]] = defaultdict(list)
    for mail in sorted(history.mails, key=lambda one: (one.at, repr(one))):
        mails[mail.key].append(mail)
    return tuple(
        NoticeTimeline(notice, tuple(attempts[notice.id]), tuple(mails.pop(notice.key, ())))
        for notice in sorted(history.notices, key=lambda one: (one.created, one.id))
    )


NoticeTimelines = Sequence[NoticeTimeline]


def death_of(attempt: SendAttempt, deaths: Sequence[Death]) -> float | None:
    """When the worker died that was at this attempt."""
    return min((one.at for one in deaths if one.worker == attempt.worker and one.at >= attempt.begun), default=None)


def span_of(attempt: SendAttempt, history: NotificationHistory) -> RowSpan[SendAttempt]:
    """Without an end it lasts until its worker dies; a living worker is still at it."""
    ended = attempt.ended
    if ended is None:
        death = death_of(attempt, history.deaths)
        ended = max(history.until, attempt.begun) if death is None else death
    return RowSpan(attempt.begun, ended, attempt)
