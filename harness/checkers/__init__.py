"""Checkers: each is a pure function of a history. Rows and the contract in, anomalies out; no files, no clock.

Nothing considered is unknown, never valid. `docs/checkers.md` says what each anomaly means.
"""

from harness.checkers.history import Death
from harness.checkers.kinds import LockKind, NoteKind, NotificationKind, ScheduleKind
from harness.checkers.lock_history import Hold, LockHistory, LockRules, Seen, Write
from harness.checkers.locks import check_locks
from harness.checkers.notification_history import (
    Attempt,
    Event,
    Mail,
    Notice,
    NotificationHistory,
    NotificationRules,
    Sending,
    State,
)
from harness.checkers.notifications import check_notifications
from harness.checkers.result import Anomaly, Checked, Validity, merged
from harness.checkers.schedule_history import Job, Life, Run, ScheduleHistory, ScheduleRules
from harness.checkers.schedules import check_schedules

__all__ = [
    "Anomaly",
    "Attempt",
    "Checked",
    "Death",
    "Event",
    "Hold",
    "Job",
    "Life",
    "LockHistory",
    "LockKind",
    "LockRules",
    "Mail",
    "NoteKind",
    "Notice",
    "NotificationHistory",
    "NotificationKind",
    "NotificationRules",
    "Run",
    "ScheduleHistory",
    "ScheduleKind",
    "ScheduleRules",
    "Seen",
    "Sending",
    "State",
    "Validity",
    "Write",
    "check_locks",
    "check_notifications",
    "check_schedules",
    "merged",
]
