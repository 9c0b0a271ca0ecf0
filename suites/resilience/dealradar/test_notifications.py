"""What users are told reaches them by mail, once, whatever the mail server and the workers do."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.dealradar.notices import BACKOFF_S, PRICE, Case, until
from harness.testing.checkers import Death, NoteKind, Sending
from harness.testing.checkers import NotificationKind as K

TIMEOUT_S = 1.5
pytestmark = [
    pytest.mark.breaks,
    pytest.mark.writes,
    pytest.mark.rig(workers=2, env={"NOTIFY_BACKOFF_SECONDS": str(BACKOFF_S), "SMTP_TIMEOUT_SECONDS": str(TIMEOUT_S)}),
]
SOURCE = "service/README.md"


@pytest.fixture
def new_case(rig):
    made = []

    def make(watchers=1):
        made.append(Case(rig, watchers))
        return made[-1]

    yield make
    for case in made:
        case.db.close()


@pytest.mark.check("notifications.delivered", severity="critical", source=SOURCE, subject="a price that fell")
def test_a_fall_of_the_price_reaches_each_watcher_by_mail_once(new_case, rig):
    case = new_case(watchers=5)
    user = rig.client(role="operator")
    assert user.exchange("PUT", f"/api/me/alerts/{case.deal}", json={"target_cents": PRICE - 500}).status in {200, 204}
    expected = case.fall()
    until(lambda: case.ended(6), case.states)
    assert sorted(mail.recipient for mail in case.mails()) == sorted([*case.watchers, "operator@dealradar.test"])
    case.check(K.LOST, K.DUPLICATE_MAIL, K.STRAY_MAIL, K.WRONG_RECIPIENT, K.CONTRADICTION, expected=expected)
    mail = next(
        mail for mail in rig.mailbox.messages() if mail.recipients == (case.watchers[0],) and case.title in mail.subject
    )
    assert "€90.00" in mail.text
    assert "€90.00" in mail.html
    assert f"/deals/{case.deal}" in mail.text


@pytest.mark.check("notifications.delivered", severity="high", source=SOURCE, subject="reviews and answers")
def test_reviews_and_answers_reach_whom_they_concern(new_case, rig):
    case, other = new_case(watchers=0), rig.client(role="operator")
    question = case.author.exchange("POST", f"/api/deals/{case.deal}/comments", json={"body": "Is it loud?"}).json()
    answer = {"body": "No.", "parent_id": question["id"]}
    assert other.exchange("POST", f"/api/deals/{case.deal}/comments", json=answer).status == 201
    review = {"rating": 4, "title": "Good", "body": "Boils"}
    assert other.exchange("POST", f"/api/deals/{case.deal}/reviews", json=review).status == 201
    until(lambda: case.ended(2), case.states)
    assert [mail.recipient for mail in case.mails()] == ["user@dealradar.test"] * 2
    case.check(K.LOST, K.DUPLICATE_MAIL, K.WRONG_RECIPIENT)


@pytest.mark.check("notifications.dedup", severity="high", source=SOURCE, subject="60 minutes")
def test_nobody_is_told_twice_within_an_hour_and_everybody_after_it(new_case):
    case = new_case(watchers=3)
    with ThreadPoolExecutor(4) as pool:
        falls = list(pool.map(case.fall, (PRICE - 1_000, PRICE - 2_000, PRICE - 3_000, PRICE - 4_000)))
    until(lambda: case.ended(3), case.states)
    case.check(K.DUPLICATE_NOTICE)
    for minutes, told, cents in ((59, 3, 5_000), (2, 6, 4_000)):
        case.db.execute(
            "UPDATE notifications SET created_at = created_at - make_interval(mins => %s) WHERE deal_id = %s",
            [minutes, case.deal],
        )
        expected = case.fall(cents)
        until(lambda: case.ended(told), case.states)  # noqa: B023
    assert len(falls) == 4
    case.check(K.DUPLICATE_NOTICE, K.EAGER_DEDUP, K.DUPLICATE_MAIL, expected=expected)


@pytest.mark.check("notifications.retry", severity="critical", source="RFC 5321, 4.2.1", subject="451 twice")
def test_a_temporary_refusal_is_tried_again_after_growing_pauses(new_case, rig):
    case = new_case()
    rig.mailbox.refuse(451, to=case.watchers[0], times=2)
    expected = case.fall()
    until(lambda: case.ended(1), case.states)
    assert [one.code for one in case.attempts()] == [451, 451, 250]
    case.check(K.LOST, K.EARLY_RETRY, K.LATE_RETRY, K.MISREAD_REPLY, K.ATTEMPT_NUMBERS, expected=expected)


@pytest.mark.check("notifications.permanent", severity="high", source="RFC 5321, 4.2.1", subject="550 at {at}")
@pytest.mark.parametrize("at", ["rcpt", "data"])
def test_a_refusal_for_good_is_not_tried_again(new_case, rig, at):
    case = new_case()
    rig.mailbox.refuse(550, at=at, to=case.watchers[0])
    case.fall()
    until(lambda: case.ended(1), case.states)
    assert case.states() == ["dead"]
    assert [one.code for one in case.attempts()] == [550]
    case.check(K.EARLY_DEATH, K.CONTRADICTION, K.MISREAD_REPLY)


@pytest.mark.check("notifications.dead", severity="high", source=SOURCE, subject="451 three times")
def test_after_three_attempts_it_is_given_up(new_case, rig):
    case = new_case()
    rig.mailbox.refuse(451, to=case.watchers[0])
    case.fall()
    until(lambda: case.ended(1), case.states)
    assert (case.states(), case.mails()) == (["dead"], ())
    case.check(K.TOO_MANY_ATTEMPTS, K.EARLY_DEATH, K.EARLY_RETRY, K.CONTRADICTION)


@pytest.mark.check("notifications.once", severity="critical", source=SOURCE, subject="two workers, 50 rows")
def test_two_workers_send_each_mail_once(new_case, rig):
    case = new_case(watchers=50)
    rig.mailbox.hang()
    expected = case.fall()
    until(lambda: len({one.worker for one in case.attempts()}) == 2)  # both are at it, and none has sent anything
    rig.mailbox.normal()
    until(lambda: case.ended(50), case.states)
    assert sorted(mail.recipient for mail in case.mails()) == sorted(case.watchers)
    case.check(K.LOST, K.DUPLICATE_MAIL, K.ATTEMPT_AFTER_SENT, expected=expected)


@pytest.mark.check("notifications.resend", severity="high", source="RFC 1047", subject="the answer was lost")
def test_a_mail_whose_answer_was_lost_is_sent_again_under_the_same_id(new_case, rig):
    case = new_case()
    rig.mailbox.drop_after_data()
    expected = case.fall()
    until(case.mails)
    rig.mailbox.normal()
    until(lambda: case.ended(1), case.states)
    assert case.states() == ["sent"]
    notes = case.check(K.DUPLICATE_MAIL, K.LOST, expected=expected).notes
    assert {note.kind for note in notes} == {NoteKind.RECOGNISED_RESEND}


@pytest.mark.check("notifications.resend", severity="high", source="RFC 1047", subject="the worker was killed")
def test_what_a_killed_worker_had_sent_is_sent_again_under_the_same_id(new_case, rig):
    case = new_case()
    rig.mailbox.hang()
    expected = case.fall()
    until(case.attempts)
    with rig.database() as keeping, keeping.transaction():
        # the worker cannot say that the mail was taken: it dies between the server's 250 and its own commit
        keeping.execute("SELECT FROM notifications WHERE deal_id = %s FOR UPDATE", [case.deal])
        rig.mailbox.normal()
        until(case.mails)
        (attempt,) = case.attempts()
        rig.kill(next(one for one in rig.workers if attempt.worker.startswith("{}-{}-".format(*rig.identity(one)))))
        death = Death(worker=attempt.worker, at=time.time())
    until(lambda: case.ended(1), case.states)
    first, second = case.attempts()
    assert (first.outcome, second.outcome) == (Sending.UNKNOWN, Sending.SENT)
    assert first.worker != second.worker
    (note,) = case.check(K.DUPLICATE_MAIL, K.LOST, K.OVERLAPPING_ATTEMPTS, expected=expected, deaths=(death,)).notes
    assert note.kind is NoteKind.RECOGNISED_RESEND


@pytest.mark.check("notifications.fail_open", severity="critical", source=SOURCE, subject="mail server: {trouble}")
@pytest.mark.parametrize("trouble", ["hangs", "frozen", "stopped"])
def test_users_do_not_notice_what_the_mail_server_does(new_case, rig, trouble):
    well, ill = [new_case() for _ in range(12)], [new_case() for _ in range(12)]
    before = _seconds(well)
    {"hangs": rig.mailbox.hang, "frozen": lambda: rig.freeze("smtp"), "stopped": lambda: rig.stop("smtp")}[trouble]()
    during = _seconds(ill)
    assert {state for case in ill for state in case.states()} <= {"pending", "sending", "failed"}
    {"hangs": rig.mailbox.normal, "frozen": lambda: rig.thaw("smtp"), "stopped": lambda: rig.start("smtp")}[trouble]()
    # a request that waited for the mail server would take its time-out
    assert during < 3 * before + TIMEOUT_S / 5
    until(lambda: all(case.ended(1) for case in ill), lambda: str([case.states() for case in ill]))
    for case in ill:
        assert case.states() == ["sent"]
        case.check(K.LOST, K.DUPLICATE_MAIL)


def _seconds(cases):
    """The median time of a change that somebody has to be told of."""
    taken = []
    for case in cases:
        begun = time.perf_counter()
        case.fall()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
