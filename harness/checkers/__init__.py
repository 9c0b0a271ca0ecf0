"""Checkers: each is a pure function of a history. Rows and the contract in, anomalies out; no files, no clock.

Nothing considered is unknown, never valid. `docs/checkers.md` says what each anomaly means.
"""

from __future__ import annotations

import warnings

from harness.checkers.history import Death
from harness.checkers.kinds import LockKind, NoteKind, NotificationKind, ScheduleKind
from harness.checkers.locks import Hold, LockHistory, LockReading, LockRules, Write, check_locks
from harness.checkers.notification_history import (
    DeliveredMail,
    Event,
    Notice,
    NotificationHistory,
    NotificationRules,
    SendAttempt,
    Sending,
    State,
)
from harness.checkers.notifications import check_notifications
from harness.checkers.result import Anomaly, Checked, Validity, merged
from harness.checkers.schedules import (
    Job,
    Life,
    ScheduledRun,
    ScheduleHistory,
    ScheduleRules,
    check_schedules,
)

__all__ = [
    "Anomaly",
    "Checked",
    "Death",
    "DeliveredMail",
    "Event",
    "Hold",
    "Job",
    "Life",
    "LockHistory",
    "LockKind",
    "LockReading",
    "LockRules",
    "NoteKind",
    "Notice",
    "NotificationHistory",
    "NotificationKind",
    "NotificationRules",
    "ScheduleHistory",
    "ScheduleKind",
    "ScheduleRules",
    "ScheduledRun",
    "SendAttempt",
    "Sending",
    "State",
    "Validity",
    "Write",
    "check_locks",
    "check_notifications",
    "check_schedules",
    "merged",
]

_RENAMED: dict[str, type] = {"Attempt": SendAttempt, "Mail": DeliveredMail, "Run": ScheduledRun, "Seen": LockReading}


def __getattr__(name: str) -> type:
    """The old names, for one release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    fresh = _RENAMED[name]
    warnings.warn(f"harness.checkers.{name} is now {fresh.__name__}", DeprecationWarning, stacklevel=2)
    return fresh
