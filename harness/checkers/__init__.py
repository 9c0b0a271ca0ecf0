"""Checkers: each is a pure function of a history. Rows and the contract in, anomalies out; no files, no clock.

Nothing considered is unknown, never valid. `docs/checkers.md` says what each anomaly means.
"""

from __future__ import annotations

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
