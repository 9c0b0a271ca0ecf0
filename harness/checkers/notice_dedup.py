"""The dedup window: nobody is told the same twice within it, and everybody is told again after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from harness.checkers.history import seconds
from harness.checkers.kinds import NotificationKind
from harness.checkers.notice_timeline import Stories
from harness.checkers.notification_history import Event, Notice, NotificationHistory, NotificationRules
from harness.checkers.result import Anomaly, Finding

About = tuple[str, int, str]


def noticed(event: Event, notices: Sequence[Notice], rules: NotificationRules) -> bool:
    """Is there a notice of the event, or one of the window before it that stands for it?"""
    first, last = event.at - rules.dedup_window - rules.tolerance, event.at + rules.creation + rules.tolerance
    return any(first <= notice.created <= last for notice in notices if notice.about == event.about)


def told_before(event: Event, notices: Sequence[Notice]) -> Notice | None:
    """The last notice of the same before the event."""
    before = [notice for notice in notices if notice.about == event.about and notice.created < event.at]
    return max(before, key=lambda notice: (notice.created, notice.id), default=None)


def is_due(event: Event, history: NotificationHistory, rules: NotificationRules) -> bool:
    """Should the event's notice have been created while it was watched?"""
    return event.at + rules.creation + rules.tolerance <= history.until


def _duplicate_notice(stories: Stories, _: NotificationHistory, rules: NotificationRules) -> Finding:
    groups: dict[About | str, list[Notice]] = defaultdict(list)
    for story in stories:
        groups[story.notice.about].append(story.notice)
        groups[story.notice.key].append(story.notice)
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
    return Finding(NotificationKind.DUPLICATE_NOTICE, len(stories), tuple(found.values()))


def _eager_dedup(stories: Stories, history: NotificationHistory, rules: NotificationRules) -> Finding:
    notices = [story.notice for story in stories]
    cases = 0
    found = []
    for event in history.expected:
        before = told_before(event, notices)
        if before is None or not is_due(event, history, rules):
            continue
        cases += 1
        if not noticed(event, notices, rules):
            what = (
                f"{event.recipient} was not told of {event.kind} of {event.subject_id}"
                f" {seconds(event.at - before.created)} after the last time"
            )
            found.append(Anomaly(NotificationKind.EAGER_DEDUP, event.at, what, (before, event)))
    return Finding(NotificationKind.EAGER_DEDUP, cases, tuple(found))


RULES = (_duplicate_notice, _eager_dedup)
