"""The sender: each notification arrives, once unless a worker dies, and no outage uses anything up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import psycopg
import pytest
from dealradar.database import opened
from dealradar.deliveries import Deliveries
from dealradar.mailserver import Delivery
from dealradar.settings import load_settings

from harness.faults import Mailbox
from tests.dealradar_process import environment, eventually
from tests.service.smtp_script import scripted

QUICK = {"JOBS": "", "NOTIFY_BACKOFF_SECONDS": "0.2", "LOG_LEVEL": "info"}


@dataclass(frozen=True)
class Outbox:
    """The queue of this test, and what became of it."""

    db: psycopg.Connection

    def put(self, count: int = 1, first: int = 1, **facts: object) -> None:
        """Notifications of as many people."""
        facts = {"title": "Kettle", "old_cents": 2, "new_cents": 1} | facts
        self.db.execute(
            "INSERT INTO notifications (user_id, deal_id, kind, idempotency_key, facts)"
            " SELECT 10 + n, 1, 'price_drop', 'test.' || n, %s FROM generate_series(%s::int, %s::int) n",
            [psycopg.types.json.Jsonb(facts), first, first + count - 1],
        )

    def states(self) -> dict[str, int]:
        """How many are in which state."""
        return dict(
            self.db.execute(
                "SELECT state, count(*) FROM notifications WHERE idempotency_key LIKE 'test.%' GROUP BY state"
            ).fetchall()
        )

    def attempts(self) -> list[tuple[object, ...]]:
        """Number, worker's name, outcome, reply, begin and end of each attempt."""
        return self.db.execute(
            "SELECT number, worker, outcome, reply, began_at, ended_at FROM delivery_attempts"
            " JOIN notifications ON id = notification_id WHERE idempotency_key LIKE 'test.%' ORDER BY began_at"
        ).fetchall()

    def outcomes(self) -> list[object]:
        """What came of each attempt."""
        return [attempt[2] for attempt in self.attempts()]

    def end_leases(self) -> None:
        """As if they had run out."""
        self.db.execute("UPDATE notifications SET next_attempt_at = now() WHERE state = 'sending'")


@pytest.fixture
def outbox(db: psycopg.Connection) -> Outbox:
    """An empty queue."""
    return Outbox(db)


@pytest.fixture
def sink(mailbox: str) -> Iterator[Mailbox]:
    """The mail server of this test."""
    box = Mailbox(mailbox)
    box.empty()
    yield box
    box.normal()
    box.close()


def test_a_notification_becomes_one_mail_and_the_row_says_so(start, outbox, sink):
    outbox.put()
    start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"sent": 1})
    (mail,) = sink.messages()
    assert mail.message_id == "<test.1@dealradar.test>"
    assert "Kettle now costs €0.01" in mail.subject
    assert mail.text.count("Kettle") == mail.html.count("Kettle") == 1
    ((number, _, outcome, reply, began, ended),) = outbox.attempts()
    assert (number, outcome, reply) == (1, "sent", "250")
    assert began <= ended


def test_a_temporary_refusal_is_tried_again_after_growing_pauses(start, outbox, sink):
    sink.refuse(451, times=2)
    outbox.put()
    start("worker", **QUICK | {"NOTIFY_BACKOFF_SECONDS": "1"})
    eventually(lambda: outbox.states() == {"sent": 1})
    assert outbox.outcomes() == ["temporary", "temporary", "sent"]
    pauses = [(later[4] - earlier[5]).total_seconds() for earlier, later in pairwise(outbox.attempts())]
    assert pauses[0] >= 0.8
    assert pauses[1] >= 1.6
    assert len(sink.messages()) == 1


@pytest.mark.parametrize(
    ("at", "code", "outcomes"),
    [
        ("rcpt", 550, ["permanent"]),
        ("data", 554, ["permanent"]),
        ("rcpt", 451, ["temporary"] * 3),
    ],
)
def test_a_row_is_dead_after_a_refusal_for_good_or_all_its_attempts(start, outbox, sink, at, code, outcomes):
    sink.refuse(code, "no <mara@example.org>", at=at)
    outbox.put()
    worker = start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"dead": 1})
    assert outbox.outcomes() == outcomes
    assert outbox.attempts()[0][3] == f"{code} no <mara@example.org>"
    assert "@example.org" not in worker.log()
    assert sink.messages() == ()


def test_a_refusal_is_about_one_mail_and_the_others_go_on(start, outbox, sink, db):
    ((address,),) = db.execute("SELECT email FROM users WHERE id = 14").fetchall()
    sink.refuse(550, to=address)
    outbox.put(30)
    start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"sent": 29, "dead": 1})
    assert len(sink.messages()) == 29


def test_a_notification_from_which_no_mail_can_be_made_holds_nothing_up(start, outbox, sink):
    outbox.put(1, new_cents="much")
    outbox.put(3, first=2)
    worker = start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"sent": 3, "dead": 1})
    assert len(sink.messages()) == 3
    assert worker.process.poll() is None


def test_a_mail_whose_answer_was_lost_is_sent_again_and_can_be_recognised(start, outbox, sink):
    sink.drop_after_data()
    outbox.put()
    start("worker", **QUICK)
    eventually(lambda: len(outbox.attempts()) >= 1 and outbox.attempts()[0][5] is not None)
    sink.normal()
    eventually(lambda: outbox.states() == {"sent": 1})
    mails = sink.messages()
    assert len(mails) == 2
    assert {mail.message_id for mail in mails} == {"<test.1@dealradar.test>"}


def test_an_outage_uses_up_no_attempts_and_is_told_once(start, outbox):
    outbox.put(40)
    with scripted(CONNECT="421 busy") as script:
        worker = start("worker", **QUICK, SMTP_URL=script.url)
        # more often than a row may be tried
        eventually(lambda: script.conversations > 3)
        assert outbox.states() == {"pending": 40}
        assert outbox.attempts() == []
        script.answers = {}
        eventually(lambda: outbox.states() == {"sent": 40})
        assert script.heard.count("EHLO") == 1, "one session for all"
    assert worker.log().count("the mail server is away") == 1
    assert "the mail server is back" in worker.log()


def test_a_server_that_hangs_costs_one_attempt_at_a_time(start, outbox, sink):
    sink.hang()
    outbox.put(10)
    start("worker", **QUICK, SMTP_TIMEOUT_SECONDS="0.3")
    eventually(lambda: len(outbox.attempts()) == 3)
    assert outbox.states().get("dead", 0) == 0, "no row had all three"
    sink.normal()
    eventually(lambda: outbox.states() == {"sent": 10})
    assert len({mail.message_id for mail in sink.messages()}) == len(sink.messages()) == 10


def test_what_a_killed_worker_left_is_taken_over_after_its_lease(start, outbox, sink):
    sink.hang()
    outbox.put(3)
    first = start("worker", **QUICK, SMTP_TIMEOUT_SECONDS="10")
    eventually(lambda: len(outbox.attempts()) == 1)
    first.process.kill()
    first.process.wait()
    sink.normal()
    second = start("worker", **QUICK)
    outbox.put(1, first=4)
    eventually(lambda: outbox.states().get("sent") == 1)
    assert outbox.states() == {"sent": 1, "sending": 3}, "a lease is a lease"
    outbox.end_leases()
    eventually(lambda: outbox.states() == {"sent": 4})
    assert sorted(map(str, outbox.outcomes())) == ["None", *["sent"] * 4]
    taken = [attempt for attempt in outbox.attempts() if attempt[0] == 2]
    assert len(taken) == 1
    assert second.process.poll() is None


def test_a_worker_that_dies_over_a_notification_each_time_is_not_fed_a_fourth(start, outbox, sink):
    outbox.put()
    outbox.db.execute(
        "UPDATE notifications SET state = 'sending', lease_owner = 'gone', attempts = 3"
        " WHERE idempotency_key = 'test.1'"
    )
    start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"dead": 1})
    assert sink.messages() == ()


def test_two_workers_share_the_work_and_send_each_mail_once(start, outbox, sink):
    first, second = start("worker", **QUICK), start("worker", **QUICK)
    outbox.put(60)
    eventually(lambda: outbox.states() == {"sent": 60})
    assert outbox.outcomes() == ["sent"] * 60
    assert len({mail.message_id for mail in sink.messages()}) == len(sink.messages()) == 60
    assert first.process.poll() is second.process.poll() is None


def test_a_worker_that_is_told_to_end_gives_back_what_it_did_not_try(start, outbox, sink):
    sink.hang()
    outbox.put(5)
    worker = start("worker", **QUICK, SMTP_TIMEOUT_SECONDS="1")
    eventually(lambda: len(outbox.attempts()) == 1)
    assert worker.terminate() == 0
    assert outbox.states() == {"pending": 4, "failed": 1}
    sink.normal()
    start("worker", **QUICK)
    eventually(lambda: outbox.states() == {"sent": 5})


def test_a_database_that_was_away_is_found_again(start, outbox, sink):
    worker = start("worker", **QUICK)
    outbox.put()
    eventually(lambda: outbox.states() == {"sent": 1})
    outbox.db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    outbox.put(1, first=2)
    eventually(lambda: outbox.states() == {"sent": 2}, worker.log)
    assert len(sink.messages()) == 2


def test_only_the_holder_of_the_lease_says_what_became_of_a_row(servers, database_url, outbox):
    settings = load_settings(environment(servers, database_url, QUICK))
    outbox.put()

    async def race() -> None:
        async with opened(database_url) as database:
            slow = Deliveries(database, settings, "slow", lease_seconds=30)
            quick = Deliveries(database, settings, "quick", lease_seconds=30)
            ((row,), nothing) = await slow.claim(), await quick.claim()
            assert nothing == []
            assert await slow.begin(row["id"]) == 1
            outbox.end_leases()
            (again,) = await quick.claim()
            assert again["id"] == row["id"]
            assert await slow.begin(row["id"]) is None
            assert await slow.finish(row["id"], 1, Delivery("sent", "250")) is None
            assert await quick.begin(row["id"]) == 2
            assert await slow.finish(row["id"], 2, Delivery("permanent", "550")) is None
            await slow.release([row["id"]])
            assert await quick.finish(row["id"], 1, Delivery("sent", "250")) is None
            finished = await quick.finish(row["id"], 2, Delivery("sent", "250"))
            assert finished is not None
            assert finished["state"] == "sent"

    asyncio.run(race())
    assert outbox.outcomes() == [None, "sent"]


def test_what_is_due_is_found_by_its_index(db, outbox):
    from dealradar import deliveries

    outbox.put(20)
    db.execute("ANALYZE notifications")
    values = {"batch": 20, "most": 3, "worker": "w", "lease": 30}
    for sql in (deliveries._CLAIM, deliveries._QUEUE):
        plan = "\n".join(row[0] for row in db.execute(f"EXPLAIN {sql}".encode(), values))
        assert "notifications_due" in plan, plan
        assert "Seq Scan on notifications" not in plan, plan
