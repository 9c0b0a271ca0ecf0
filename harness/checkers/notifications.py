"""Notifications: each arrives once, nobody is told twice, and attempts keep to their number and pauses."""

from __future__ import annotations

from harness.checkers import notice_attempts, notice_dedup, notice_mails, notice_retries
from harness.checkers.notice_timeline import stories
from harness.checkers.notification_history import NotificationHistory, NotificationRules
from harness.checkers.result import Checked, checked


def check_notifications(history: NotificationHistory, rules: NotificationRules) -> Checked:
    """Hold a history of notifications against their contract."""
    told = stories(history)
    return checked(rule(told, history, rules) for rule in RULES)


RULES = (*notice_mails.RULES, *notice_dedup.RULES, *notice_attempts.RULES, *notice_retries.RULES)
