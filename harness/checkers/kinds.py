"""The names of all anomalies and notes; `docs/checkers.md` says what each means."""

from enum import StrEnum


class LockKind(StrEnum):
    """What `check_locks` looks for."""

    TWO_HOLDERS = "two_holders"
    TOKEN_ORDER = "token_order"  # noqa: S105 - an anomaly's name
    TOKEN_SHARED = "token_shared"  # noqa: S105 - an anomaly's name
    STALE_WRITE = "stale_write"
    HELD_PAST_TTL = "held_past_ttl"
    LATE_RENEWAL = "late_renewal"
    LATE_TAKEOVER = "late_takeover"
    NO_EXPIRY = "no_expiry"


class ScheduleKind(StrEnum):
    """What `check_schedules` looks for."""

    DOUBLE_RUN = "double_run"
    MISSED_TICK = "missed_tick"
    OFF_SCHEDULE = "off_schedule"
    OVERLAPPING_RUNS = "overlapping_runs"
    EARLY_RUN = "early_run"
    LATE_RUN = "late_run"
    NEVER_ENDED = "never_ended"


class NotificationKind(StrEnum):
    """What `check_notifications` looks for."""

    LOST = "lost"
    DUPLICATE_MAIL = "duplicate_mail"
    STRAY_MAIL = "stray_mail"
    WRONG_RECIPIENT = "wrong_recipient"
    DUPLICATE_NOTICE = "duplicate_notice"
    EAGER_DEDUP = "eager_dedup"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    ATTEMPT_AFTER_PERMANENT = "attempt_after_permanent"
    ATTEMPT_AFTER_SENT = "attempt_after_sent"
    OVERLAPPING_ATTEMPTS = "overlapping_attempts"
    ATTEMPT_NUMBERS = "attempt_numbers"
    MISREAD_REPLY = "misread_reply"
    EARLY_RETRY = "early_retry"
    LATE_RETRY = "late_retry"
    EARLY_DEATH = "early_death"
    CONTRADICTION = "contradiction"


class NoteKind(StrEnum):
    """What looks like an anomaly and is explained by a crash."""

    RESUMED_RUN = "resumed_run"
    RECOGNISED_RESEND = "recognised_resend"
