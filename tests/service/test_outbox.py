"""Who is told what: notifications as rows, whoever writes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest
from dealradar import outbox
from dealradar.pricing import change_price
from psycopg.rows import dict_row

MARA, NOOR, PAU, LIA = 11, 12, 13, 14


@dataclass(frozen=True)
class Desk:
    """A deal of this test's own, by Mara at 100 euros, and what becomes of it."""

    url: str
    db: psycopg.Connection
    deal: int

    def at_once(self, *works: Callable[[Any], Awaitable[object]]) -> list[object]:
        """What each returns, all in transactions of their own that are open at the same time."""

        async def run() -> list[object]:
            async def one(work: Callable[[Any], Awaitable[object]]) -> object:
                connection = await psycopg.AsyncConnection.connect(self.url, row_factory=dict_row)
                async with connection:
                    await connection.execute("SELECT 1")
                    await all_are_open.wait()
                    return await work(connection)

            all_are_open = asyncio.Barrier(len(works))
            return await asyncio.gather(*(one(work) for work in works))

        return asyncio.run(run())

    def change(self, cents: int, minutes: int = 60) -> None:
        """Change the price in one transaction."""
        self.at_once(partial(change_price, deal_id=self.deal, cents=cents, source="edited", dedup_minutes=minutes))

    def reached(self, minutes: int = 60, limit: int | None = None) -> int:
        """Fire what the price reached, as the job does."""
        (fired,) = self.at_once(partial(outbox.alerts_reached, dedup_minutes=minutes, deal_id=self.deal, limit=limit))
        return int(str(fired))

    def watch(self, *people: int) -> None:
        """Put the deal on watchlists."""
        for person in people:
            self.db.execute("INSERT INTO watchlist_items (user_id, deal_id) VALUES (%s, %s)", [person, self.deal])

    def alert(self, person: int, cents: int) -> None:
        """Set, or set anew, an alert."""
        self.db.execute(
            "INSERT INTO price_alerts (user_id, deal_id, target_cents) VALUES (%s, %s, %s)"
            " ON CONFLICT (user_id, deal_id) DO UPDATE SET target_cents = excluded.target_cents, fired_at = NULL",
            [person, self.deal, cents],
        )

    def review(self, author: int) -> int:
        """A review, without telling anybody."""
        return self._new(
            "INSERT INTO reviews (deal_id, author_id, rating, title, body) VALUES (%s, %s, 2, 'Loud', 'x')"
            " RETURNING id",
            [self.deal, author],
        )

    def comment(self, author: int, parent: int | None = None) -> int:
        """A comment, without telling anybody."""
        return self._new(
            "INSERT INTO comments (deal_id, author_id, parent_id, body) VALUES (%s, %s, %s, 'Is it?') RETURNING id",
            [self.deal, author, parent],
        )

    def told(self, kind: str) -> list[int]:
        """Who was told of that kind of thing about the deal."""
        rows = self.db.execute(
            "SELECT user_id FROM notifications WHERE deal_id = %s AND kind = %s ORDER BY user_id", [self.deal, kind]
        )
        return [row[0] for row in rows]

    def fired(self) -> list[int]:
        """Whose alerts have fired."""
        rows = self.db.execute(
            "SELECT user_id FROM price_alerts WHERE deal_id = %s AND fired_at IS NOT NULL ORDER BY user_id", [self.deal]
        )
        return [row[0] for row in rows]

    def later(self, minutes: int) -> None:
        """As if that much time had passed since all that was told."""
        self.db.execute(
            "UPDATE notifications SET created_at = created_at - make_interval(mins => %s) WHERE deal_id = %s",
            [minutes, self.deal],
        )

    def decline(self, person: int, kind: str) -> None:
        """Turn a kind of notification off."""
        self.db.execute(f"UPDATE users SET notify_{kind} = false WHERE id = %s".encode(), [person])  # noqa: S608

    def _new(self, sql: str, values: list[object]) -> int:
        row = self.db.execute(sql.encode(), values).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def desk(database_url: str, db: psycopg.Connection) -> Desk:
    """The deal and who writes about it."""
    row = db.execute(
        "INSERT INTO deals (title, description, merchant_id, category_id, author_id, price_cents, list_price_cents)"
        " VALUES ('Kettle', 'Boils', 1, 1, %s, 10000, 20000) RETURNING id",
        [MARA],
    ).fetchone()
    assert row is not None
    return Desk(database_url, db, row[0])


def test_a_fall_is_told_to_each_watcher_who_wants_to_know(desk):
    desk.watch(MARA, NOOR, PAU)
    desk.decline(PAU, "price_drop")
    desk.change(9_000)
    assert desk.told("price_drop") == [MARA, NOOR]
    facts = desk.db.execute("SELECT facts FROM notifications WHERE deal_id = %s LIMIT 1", [desk.deal]).fetchone()
    assert facts == ({"title": "Kettle", "old_cents": 10_000, "new_cents": 9_000},)


def test_a_rise_is_told_to_nobody(desk):
    desk.watch(NOOR)
    desk.change(12_000)
    assert desk.told("price_drop") == []


@pytest.mark.parametrize(("passed", "times"), [(59, 1), (61, 2)])
def test_the_window_is_sixty_minutes(desk, passed, times):
    desk.watch(NOOR)
    desk.change(9_000)
    desk.later(passed)
    desk.change(8_000)
    assert desk.told("price_drop") == [NOOR] * times


def test_without_a_window_each_fall_is_told(desk):
    desk.watch(NOOR)
    for cents in (9_000, 8_000, 7_000):
        desk.change(cents, minutes=0)
    assert desk.told("price_drop") == [NOOR] * 3


def test_the_window_is_about_one_deal_and_one_kind(desk):
    desk.watch(NOOR)
    desk.alert(NOOR, 9_500)
    desk.change(9_000)
    assert (desk.told("price_drop"), desk.told("price_alert")) == ([NOOR], [NOOR])


def test_what_was_rolled_back_is_told_to_nobody(desk):
    desk.watch(NOOR)
    desk.alert(NOOR, 9_500)

    async def change_and_fail(connection):
        await change_price(connection, desk.deal, 9_000, "edited", dedup_minutes=60)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        desk.at_once(change_and_fail)
    assert (desk.told("price_drop"), desk.told("price_alert"), desk.fired()) == ([], [], [])


def test_falls_at_once_are_told_once(desk):
    desk.watch(NOOR)
    falls = [
        partial(change_price, deal_id=desk.deal, cents=cents, source="edited", dedup_minutes=60)
        for cents in range(9_000, 8_000, -125)
    ]
    desk.at_once(*falls)
    assert desk.told("price_drop") == [NOOR]


def test_an_alert_fires_at_its_target_and_only_once(desk):
    desk.alert(NOOR, 9_000)
    desk.alert(PAU, 8_999)
    desk.change(9_001)
    assert desk.fired() == []
    desk.change(9_000)
    assert (desk.fired(), desk.told("price_alert")) == ([NOOR], [NOOR])
    desk.later(61)
    desk.change(8_999)
    assert (desk.fired(), desk.told("price_alert")) == ([NOOR, PAU], [NOOR, PAU])


def test_an_alert_below_which_the_price_already_was_is_left_to_the_job(desk):
    desk.alert(NOOR, 15_000)
    assert (desk.reached(), desk.reached()) == (1, 0)
    assert desk.told("price_alert") == [NOOR]


def test_an_alert_that_is_declined_or_comes_too_soon_fires_later(desk):
    desk.alert(NOOR, 15_000)
    desk.alert(PAU, 15_000)
    desk.decline(PAU, "price_alert")
    assert desk.reached() == 1
    desk.alert(NOOR, 14_000)
    desk.db.execute("UPDATE users SET notify_price_alert = true WHERE id = %s", [PAU])
    assert (desk.reached(), desk.fired()) == (1, [PAU])
    desk.later(61)
    assert (desk.reached(), desk.fired()) == (1, [NOOR, PAU])
    assert desk.told("price_alert") == [NOOR, NOOR, PAU]


def test_jobs_and_changes_at_once_fire_each_alert_once_in_batches(desk):
    people = list(range(20, 60))
    for person in people:
        desk.alert(person, 9_500)
    desk.db.execute("UPDATE deals SET price_cents = 9400 WHERE id = %s", [desk.deal])
    job = partial(outbox.alerts_reached, dedup_minutes=60, limit=15)
    change = partial(change_price, deal_id=desk.deal, cents=9_300, source="edited", dedup_minutes=60)
    desk.at_once(job, job, change, job)
    while desk.reached(limit=15):
        pass
    assert desk.told("price_alert") == desk.fired() == people


def test_a_review_is_told_to_the_author_of_the_deal_and_not_to_oneself(desk):
    for author in (MARA, NOOR):
        review = desk.review(author)
        desk.at_once(partial(outbox.reviewed, review_id=review, dedup_minutes=60))
    assert desk.told("new_review") == [MARA]


def test_reviews_at_once_are_told_once(desk):
    reviews = [desk.review(author) for author in (NOOR, PAU, LIA) * 3]
    desk.at_once(*(partial(outbox.reviewed, review_id=review, dedup_minutes=60) for review in reviews))
    assert desk.told("new_review") == [MARA]


def test_one_review_is_told_once_even_without_a_window(desk):
    review = desk.review(NOOR)
    tell = partial(outbox.reviewed, review_id=review, dedup_minutes=0)
    desk.at_once(tell)
    desk.at_once(tell)
    assert desk.told("new_review") == [MARA]


def test_an_answer_is_told_to_whom_it_answers_and_not_to_oneself(desk):
    question = desk.comment(NOOR)
    for comment in (question, desk.comment(NOOR, question)):
        desk.at_once(partial(outbox.replied, comment_id=comment, dedup_minutes=60))
    assert desk.told("new_reply") == []
    answers = [desk.comment(author, question) for author in (PAU, LIA, PAU)]
    desk.at_once(*(partial(outbox.replied, comment_id=answer, dedup_minutes=60) for answer in answers))
    assert desk.told("new_reply") == [NOOR]
