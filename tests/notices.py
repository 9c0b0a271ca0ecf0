"""Rows of the history of notifications with one word each for what a test is about."""

from __future__ import annotations

from harness.checkers import (
    Death,
    DeliveredMail,
    Event,
    Notice,
    NotificationHistory,
    NotificationKind,
    NotificationRules,
    SendAttempt,
    Sending,
    State,
)

RULES = NotificationRules(
    dedup_window=3600.0,
    attempts=3,
    backoff=8.0,
    jitter=0.25,
    allowance=2.0,
    takeover=10.0,
    creation=5.0,
    tolerance=0.25,
)
"""After the first attempt a pause of 6 to 12 s, after the second one 12 to 22 s."""
ANN = "ann@dealradar.test"
K = NotificationKind


def notice(number=1, state="sent", attempts=1, *, created=0.0, recipient=ANN, **facts):
    sent_at = facts.pop("sent_at", created + 1.0 if state == "sent" else None)
    given = {"key": f"key-{number}", "subject_id": 7, "kind": "price_drop"} | facts
    return Notice(
        id=number, recipient=recipient, created=created, state=State(state), attempts=attempts, sent_at=sent_at, **given
    )


CODES = {"sent": 250, "temporary": 451, "permanent": 550, "unknown": None}


def attempt(number, begun, ended, outcome="sent", *, of=1, worker="a", **facts):
    code = facts.get("code", CODES[outcome])
    return SendAttempt(
        notice=of, number=number, worker=worker, begun=begun, ended=ended, outcome=Sending(outcome), code=code
    )


def mail(at, *, of=1, recipient=ANN):
    return DeliveredMail(message_id=f"<key-{of}@dealradar.test>", recipient=recipient, at=at)


def event(at, recipient=ANN):
    return Event(recipient=recipient, subject_id=7, kind="price_drop", at=at)


def history(*rows, until=10_000.0):
    kinds = {"notices": Notice, "attempts": SendAttempt, "mails": DeliveredMail, "deaths": Death, "expected": Event}
    parts = {name: tuple(row for row in rows if isinstance(row, kind)) for name, kind in kinds.items()}
    return NotificationHistory(until=until, **parts)
