"""Notifications: literal histories in, the whole result out."""

from dataclasses import replace

import pytest

from harness.checkers import (
    Anomaly,
    Checked,
    Death,
    NoteKind,
    check_notifications,
)
from tests.notices import ANN, RULES, K, attempt, event, history, mail, notice

SENT = notice()
TRY = attempt(1, 0.5, 1.0)
MAIL = mail(0.75)
WELL = (SENT, TRY, MAIL)
SECOND = notice(2, created=3000.0)
SECOND_WELL = (SECOND, attempt(1, 3000.5, 3001.0, of=2), mail(3000.75, of=2))
DIED = Death(worker="a", at=1.0)

PENDING = notice(state="pending", attempts=0)
TEMPORARY = attempt(1, 0.5, 1.0, "temporary")
WAITING = notice(state="failed")
TWICE = notice(attempts=2, sent_at=9.0)
RETRIED = attempt(2, 8.0, 9.0)
SOON = attempt(2, 6.5, 9.0)
LATE = attempt(2, 13.5, 14.0)
PERMANENT = attempt(1, 0.5, 1.0, "permanent")
CUT = attempt(1, 0.5, None, "unknown")
RESENT = attempt(2, 12.0, 12.5, worker="b")
LONG = attempt(1, 0.5, 9.0, "temporary")
OTHER_WORKER = attempt(2, 8.0, 9.5, worker="b")
THREE = (TEMPORARY, attempt(2, 9.0, 10.0, "temporary"), attempt(3, 26.0, 27.0, "temporary"))
FOURTH = attempt(4, 60.0, 61.0, "temporary")
DEAD = notice(state="dead", attempts=2)
MISCOUNTED = notice(attempts=2)
EVENT = event(0.0)
LATER_EVENT = event(4000.0)
ONE_KEY = notice(2, "dead", created=5000.0, key="key-1")
EVE = mail(0.75, recipient="eve@dealradar.test")
STRAY = mail(5.0, of=9)
MAIL_AGAIN = mail(12.25)
CUT_LATER = attempt(2, 8.0, None, "unknown", worker="b")
DIED_LATER = Death(worker="b", at=8.5)
THIRD = attempt(3, 20.0, 21.0, worker="c")
MISREAD = attempt(1, 0.5, 1.0, "temporary", code=550)

VIOLATIONS = {
    "sent, and no mail": (
        [SENT, TRY],
        Anomaly(K.LOST, 1.0, f"notice 1 to {ANN} was sent, it is said, and no mail arrived", (SENT, TRY)),
    ),
    "never tried": ([PENDING], Anomaly(K.LOST, 2.25, f"notice 1 to {ANN} is overdue, and no mail arrived", (PENDING,))),
    "never tried again": (
        [WAITING, TEMPORARY],
        Anomaly(K.LOST, 13.25, f"notice 1 to {ANN} is overdue, and no mail arrived", (WAITING, TEMPORARY)),
    ),
    "never tried again after a death": (
        [WAITING, CUT, DIED],
        Anomaly(K.LOST, 23.25, f"notice 1 to {ANN} is overdue, and no mail arrived", (WAITING, CUT)),
    ),
    "an attempt that hangs": (
        [WAITING, CUT],
        Anomaly(K.LOST, 22.75, f"notice 1 to {ANN} is overdue, and no mail arrived", (WAITING, CUT)),
    ),
    "an attempt that hangs after its worker was restarted": (
        [WAITING, CUT, Death(worker="a", at=0.25)],
        Anomaly(K.LOST, 22.75, f"notice 1 to {ANN} is overdue, and no mail arrived", (WAITING, CUT)),
    ),
    "an event about another recipient": (
        [*WELL, event(0.0, "bob@dealradar.test")],
        Anomaly(
            K.LOST, 0.0, "bob@dealradar.test was never told of price_drop of 7", (event(0.0, "bob@dealradar.test"),)
        ),
    ),
    "an event without a notice": ([EVENT], Anomaly(K.LOST, 0.0, f"{ANN} was never told of price_drop of 7", (EVENT,))),
    "a mail twice by one attempt": (
        [*WELL, mail(0.875)],
        Anomaly(K.DUPLICATE_MAIL, 0.875, "<key-1@dealradar.test> arrived again", (MAIL, mail(0.875))),
    ),
    "a mail twice after an attempt that was answered": (
        [TWICE, TEMPORARY, MAIL, RETRIED, mail(8.5)],
        Anomaly(K.DUPLICATE_MAIL, 8.5, "<key-1@dealradar.test> arrived again", (MAIL, mail(8.5))),
    ),
    "a mail twice, and an attempt cut off after the first": (
        [notice(attempts=3, sent_at=21.0), TEMPORARY, MAIL, CUT_LATER, DIED_LATER, THIRD, mail(20.5)],
        Anomaly(K.DUPLICATE_MAIL, 20.5, "<key-1@dealradar.test> arrived again", (MAIL, mail(20.5))),
    ),
    "a mail of no notice": (
        [*WELL, STRAY],
        Anomaly(K.STRAY_MAIL, 5.0, f"<key-9@dealradar.test> to {ANN} is of no notice", (STRAY,)),
    ),
    "a mail to somebody else": (
        [SENT, TRY, EVE],
        Anomaly(K.WRONG_RECIPIENT, 0.75, f"notice 1 to {ANN} arrived at eve@dealradar.test", (SENT, EVE)),
    ),
    "told again within the window": (
        [*WELL, *SECOND_WELL],
        Anomaly(K.DUPLICATE_NOTICE, 3000.0, f"{ANN} was told of price_drop of 7 again after 3000 s", (SENT, SECOND)),
    ),
    "two notices with one key": (
        [*WELL, ONE_KEY, attempt(1, 5000.5, 5001.0, "permanent", of=2)],
        Anomaly(K.DUPLICATE_NOTICE, 5000.0, "notices 1 and 2 have one idempotency key", (SENT, ONE_KEY)),
    ),
    "not told again after the window": (
        [*WELL, EVENT, LATER_EVENT],
        Anomaly(
            K.EAGER_DEDUP,
            4000.0,
            f"{ANN} was not told of price_drop of 7 4000 s after the last time",
            (SENT, LATER_EVENT),
        ),
    ),
    "a fourth attempt": (
        [notice(state="dead", attempts=4), *THREE, FOURTH],
        Anomaly(
            K.TOO_MANY_ATTEMPTS,
            60.0,
            "notice 1 had 4 attempts; 3 are allowed",
            (notice(state="dead", attempts=4), *THREE, FOURTH),
        ),
    ),
    "tried again after a permanent failure": (
        [DEAD, PERMANENT, attempt(2, 8.0, 9.0, "temporary")],
        Anomaly(
            K.ATTEMPT_AFTER_PERMANENT,
            8.0,
            "a tried notice 1 again after attempt 1 was permanent",
            (PERMANENT, attempt(2, 8.0, 9.0, "temporary")),
        ),
    ),
    "tried again after it was sent": (
        [replace(TWICE, sent_at=1.0), TRY, MAIL, attempt(2, 8.0, 9.0, "temporary")],
        Anomaly(
            K.ATTEMPT_AFTER_SENT,
            8.0,
            "a tried notice 1 again after attempt 1 was sent",
            (TRY, attempt(2, 8.0, 9.0, "temporary")),
        ),
    ),
    "two workers at one notice": (
        [TWICE, LONG, OTHER_WORKER, mail(9.25)],
        Anomaly(K.OVERLAPPING_ATTEMPTS, 8.0, "a and b were at notice 1 at once for 1 s", (LONG, OTHER_WORKER)),
    ),
    "attempts that are not counted": (
        [TWICE, TEMPORARY, replace(RETRIED, number=1), mail(8.5)],
        Anomaly(
            K.ATTEMPT_NUMBERS,
            0.5,
            "attempts of notice 1 are numbered [1, 1]",
            (TEMPORARY, replace(RETRIED, number=1)),
        ),
    ),
    "a permanent failure taken for temporary": (
        [TWICE, MISREAD, RETRIED, mail(8.5)],
        Anomaly(
            K.MISREAD_REPLY,
            1.0,
            "attempt 1 of notice 1 took the reply 550 for temporary, not permanent",
            (MISREAD,),
        ),
    ),
    "a retry too early": (
        [TWICE, TEMPORARY, SOON, mail(8.5)],
        Anomaly(
            K.EARLY_RETRY,
            6.5,
            "the pause after attempt 1 of notice 1 was 5.5 s; at least 5.75 s are due",
            (TEMPORARY, SOON),
        ),
    ),
    "a retry too late": (
        [replace(TWICE, sent_at=14.0), TEMPORARY, LATE, mail(13.75)],
        Anomaly(
            K.LATE_RETRY,
            13.5,
            "the pause after attempt 1 of notice 1 was 12.5 s; at most 12.25 s are allowed",
            (TEMPORARY, LATE),
        ),
    ),
    "given up too early": (
        [notice(state="dead"), TEMPORARY],
        Anomaly(
            K.EARLY_DEATH,
            0.0,
            "notice 1 was given up after 1 of 3 attempts",
            (notice(state="dead"), TEMPORARY),
        ),
    ),
    "attempts miscounted": (
        [MISCOUNTED, TRY, MAIL],
        Anomaly(K.CONTRADICTION, 0.0, "notice 1 is sent: it counts 2 attempts of 1", (MISCOUNTED, TRY)),
    ),
}

NEAR_MISSES = {
    "sent, and arrived": (K.LOST, history(*WELL)),
    "an event with its notice": (K.LOST, history(*WELL, event(-5.0))),
    "two mails of two notices": (
        K.DUPLICATE_MAIL,
        history(*WELL, replace(SECOND, subject_id=8), *SECOND_WELL[1:]),
    ),
    "a mail of a notice": (K.STRAY_MAIL, history(SENT, TRY, replace(MAIL, message_id="key-1@other.test"))),
    "a bare key as message id": (K.STRAY_MAIL, history(SENT, TRY, replace(MAIL, message_id="<key-1>"))),
    "a domain in capitals": (K.WRONG_RECIPIENT, history(SENT, TRY, mail(0.75, recipient="ann@DealRadar.TEST"))),
    "told again after the window": (
        K.DUPLICATE_NOTICE,
        history(*WELL, notice(2, "dead", created=3599.75), attempt(1, 3600.0, 3601.0, "permanent", of=2)),
    ),
    "told of something else": (
        K.DUPLICATE_NOTICE,
        history(*WELL, notice(2, "dead", subject_id=8), attempt(1, 3600.0, 3601.0, "permanent", of=2)),
    ),
    "an event as the window ends": (K.EAGER_DEDUP, history(*WELL, event(3600.25))),
    "an event whose notice comes in time": (
        K.EAGER_DEDUP,
        history(
            *WELL,
            event(4000.0),
            notice(2, "dead", created=4005.25),
            attempt(1, 4006.0, 4007.0, "permanent", of=2),
        ),
    ),
    "three attempts": (K.TOO_MANY_ATTEMPTS, history(notice(state="dead", attempts=3), *THREE)),
    "a permanent failure at last": (
        K.ATTEMPT_AFTER_PERMANENT,
        history(DEAD, TEMPORARY, attempt(2, 8.0, 9.0, "permanent")),
    ),
    "sent at the second attempt": (K.ATTEMPT_AFTER_SENT, history(TWICE, TEMPORARY, RETRIED, mail(8.5))),
    "one worker after the other": (
        K.OVERLAPPING_ATTEMPTS,
        history(TWICE, TEMPORARY, replace(RETRIED, worker="b"), mail(8.5)),
    ),
    "after the death of the other": (
        K.OVERLAPPING_ATTEMPTS,
        history(replace(TWICE, sent_at=12.5), CUT, DIED, RESENT, mail(12.25)),
    ),
    "numbers in order": (K.ATTEMPT_NUMBERS, history(TWICE, RETRIED, TEMPORARY, mail(8.5))),
    "replies read well": (K.MISREAD_REPLY, history(TWICE, TEMPORARY, RETRIED, mail(8.5))),
    "a retry as early as allowed": (
        K.EARLY_RETRY,
        history(TWICE, TEMPORARY, attempt(2, 6.75, 9.0), mail(8.5)),
    ),
    "a retry as late as allowed": (
        K.LATE_RETRY,
        history(replace(TWICE, sent_at=14.0), TEMPORARY, attempt(2, 13.25, 14.0), mail(13.75)),
    ),
    "given up after the last attempt": (K.EARLY_DEATH, history(notice(state="dead", attempts=3), *THREE)),
    "given up after a permanent failure": (K.EARLY_DEATH, history(notice(state="dead"), PERMANENT)),
    "attempts counted": (K.CONTRADICTION, history(TWICE, TEMPORARY, RETRIED, mail(8.5))),
    "sent by an attempt that got no answer": (K.CONTRADICTION, history(SENT, CUT, DIED, MAIL)),
}

NO_CASES = {
    "not overdue yet": (K.LOST, history(PENDING, until=2.0)),
    "a retry that is not due yet": (K.LOST, history(WAITING, TEMPORARY, until=13.0)),
    "given up": (K.LOST, history(notice(state="dead"), PERMANENT)),
    "an event whose notice is not due yet": (K.LOST, history(EVENT, until=5.0)),
    "an event without a notice before": (K.EAGER_DEDUP, history(EVENT)),
    "no mail": (K.DUPLICATE_MAIL, history(notice(state="dead"), PERMANENT)),
    "no second attempt": (K.EARLY_RETRY, history(*WELL)),
    "a retry after a death keeps no pause": (
        K.EARLY_RETRY,
        history(replace(TWICE, sent_at=3.0), CUT, DIED, attempt(2, 2.0, 3.0, worker="b"), mail(2.5)),
    ),
    "a retry after an outcome that nobody knows": (
        K.EARLY_RETRY,
        history(replace(TWICE, sent_at=3.0), attempt(1, 0.5, 1.0, "unknown"), attempt(2, 2.0, 3.0), mail(2.5)),
    ),
    "nothing given up": (K.EARLY_DEATH, history(*WELL)),
    "no answer": (K.MISREAD_REPLY, history(SENT, CUT, DIED, MAIL)),
}

CONTRADICTIONS = {
    "it counts 0 attempts of 1": history(notice(attempts=0), TRY, MAIL),
    "it says sent at None": history(replace(SENT, sent_at=None), TRY, MAIL),
    "it says sent at 1.0": history(notice(state="dead", sent_at=1.0), PERMANENT),
    "no attempt sent it": history(SENT, PERMANENT, MAIL),
    "an attempt sent it": history(WAITING, TRY, MAIL),
    "an attempt failed for good": history(WAITING, PERMANENT),
    "all its attempts failed": history(notice(state="failed", attempts=3), *THREE),
    "a mail arrived that no attempt sent": history(notice(state="dead"), PERMANENT, MAIL),
}


@pytest.mark.parametrize(("rows", "anomaly"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_found_and_nothing_else(rows, anomaly):
    found = check_notifications(history(*rows), RULES)
    assert (found.anomalies, found.notes) == ((anomaly,), ())
    assert found.validity_of(anomaly.kind) == "false"


@pytest.mark.parametrize(("kind", "seen"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_near_miss_is_considered_and_valid(kind, seen):
    found = check_notifications(seen, RULES)
    assert (found.anomalies, found.notes) == ((), ())
    assert found.validity_of(kind) == "true"


@pytest.mark.parametrize(("kind", "seen"), NO_CASES.values(), ids=NO_CASES)
def test_what_could_not_go_wrong_proves_nothing(kind, seen):
    found = check_notifications(seen, RULES)
    assert kind not in {anomaly.kind for anomaly in found.anomalies}
    assert found.validity_of(kind) == "unknown"


@pytest.mark.parametrize(("words", "seen"), CONTRADICTIONS.items(), ids=CONTRADICTIONS)
def test_each_contradiction_is_named(words, seen):
    (found,) = check_notifications(seen, RULES).anomalies
    assert found.kind is K.CONTRADICTION
    assert words in found.what


def test_every_kind_has_a_violation_and_a_near_miss():
    assert {anomaly.kind for _, anomaly in VIOLATIONS.values()} == set(K)
    assert {kind for kind, _ in NEAR_MISSES.values()} == set(K)


RESEND = (replace(TWICE, sent_at=12.5), CUT, DIED, RESENT, MAIL, MAIL_AGAIN)


def test_a_resend_after_a_crash_is_recognised():
    what = "<key-1@dealradar.test> arrived again: its sender got no answer to attempt 1 by a"
    cases = dict.fromkeys(K, 0) | dict.fromkeys(
        [
            K.LOST,
            K.DUPLICATE_MAIL,
            K.DUPLICATE_NOTICE,
            K.TOO_MANY_ATTEMPTS,
            K.ATTEMPT_AFTER_SENT,
            K.OVERLAPPING_ATTEMPTS,
            K.ATTEMPT_NUMBERS,
            K.MISREAD_REPLY,
            K.CONTRADICTION,
        ],
        1,
    )
    assert check_notifications(history(*RESEND), RULES) == Checked(
        anomalies=(),
        notes=(Anomaly(NoteKind.RECOGNISED_RESEND, 12.25, what, (CUT, MAIL, MAIL_AGAIN)),),
        cases=cases | {K.STRAY_MAIL: 2, K.WRONG_RECIPIENT: 2},
    )


def test_a_connection_that_was_lost_explains_a_resend_too():
    lost = attempt(1, 0.5, 1.0, "temporary", code=None)
    found = check_notifications(history(TWICE, lost, RETRIED, MAIL, mail(8.5)), RULES)
    assert (found.anomalies, [note.rows[0] for note in found.notes]) == ((), [lost])


def test_a_crash_explains_one_resend_only():
    found = check_notifications(history(*RESEND, mail(12.375)), RULES)
    assert [anomaly.kind for anomaly in found.anomalies] == [K.DUPLICATE_MAIL]
    assert len(found.notes) == 1


def test_two_mails_before_the_next_attempt_are_no_resend():
    found = check_notifications(history(*RESEND[:4], MAIL, mail(0.875)), RULES)
    assert ([anomaly.kind for anomaly in found.anomalies], found.notes) == ([K.DUPLICATE_MAIL], ())


def test_what_an_attempt_sent_and_nobody_got_is_lost_whatever_the_state():
    found = check_notifications(history(WAITING, TRY), RULES)
    assert [anomaly.kind for anomaly in found.anomalies] == [K.CONTRADICTION, K.LOST]


def test_a_history_of_nothing_is_unknown():
    found = check_notifications(history(), RULES)
    assert (found.considered, found.validity, set(found.cases)) == (0, "unknown", set(K))
