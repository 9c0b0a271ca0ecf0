"""Watchlists, alerts, preferences and what one was told: whose they are, and what asking twice does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.dealradar_process import OPERATOR, USER

LISTS = ("/api/me/watchlist", "/api/me/alerts", "/api/me/notifications")
PREFERENCES = {
    "notify_price_drop": False,
    "notify_price_alert": True,
    "notify_new_review": False,
    "notify_new_reply": True,
}


@pytest.fixture
def mine(service) -> httpx.Client:
    return service.client(USER)


@pytest.fixture
def theirs(service) -> httpx.Client:
    return service.client(OPERATOR)


@pytest.fixture(autouse=True)
def nothing_yet(db) -> None:
    """Of the two who can log in; the seed gives them entries of their own."""
    for table in ("watchlist_items", "price_alerts"):
        db.execute(f"DELETE FROM {table} WHERE user_id <= 2".encode())  # noqa: S608  names of our own
    db.execute("DELETE FROM notifications WHERE user_id <= 2")


def _all(client: httpx.Client, path: str, limit: int = 100) -> list[dict]:
    """The whole list, a part at a time."""
    items, cursor, parts = [], "", 0
    while cursor is not None:
        params = {"limit": limit, "cursor": cursor} if cursor else {"limit": limit}
        part = client.get(path, params=params).raise_for_status().json()
        items, cursor, parts = items + part["items"], part["next"], parts + 1
        assert len(part["items"]) <= limit
    assert part["total"] == len(items)
    assert parts <= max(1, -(-len(items) // limit))
    return items


def test_a_deal_is_watched_once_however_often_one_asks(mine, db):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: mine.put("/api/me/watchlist/7").status_code, range(12)))
    assert answers == [204] * 12
    (item,) = _all(mine, "/api/me/watchlist")
    title, price = db.execute("SELECT title, price_cents FROM deals WHERE id = 7").fetchone()
    assert (item["deal_id"], item["title"], item["price_cents"]) == (7, title, price)
    assert [mine.delete("/api/me/watchlist/7").status_code for _ in range(2)] == [204, 204]
    assert _all(mine, "/api/me/watchlist") == []


def test_a_deal_that_is_not_there_cannot_be_followed(mine):
    for number in (999_999, 2**53 - 1):
        assert mine.put(f"/api/me/watchlist/{number}").status_code == 404
        assert mine.put(f"/api/me/alerts/{number}", json={"target_cents": 1}).status_code == 404
        assert mine.delete(f"/api/me/alerts/{number}").status_code == 204


def test_what_is_wrong_in_a_request_is_422(mine):
    for number in ("0", "-1", "x", str(2**53), "9" * 400):
        assert mine.put(f"/api/me/watchlist/{number}").status_code == 422
    for body in ({}, {"target_cents": -1}, {"target_cents": "1"}, {"target_cents": 1.5}, {"target_cents": 10**9}, 7):
        assert mine.put("/api/me/alerts/1", json=body).status_code == 422
    for wrong in ({**PREFERENCES, "role": True}, {**PREFERENCES, "notify_new_reply": "no"}, {"notify_new_reply": True}):
        assert mine.put("/api/me/preferences", json=wrong).status_code == 422
    for path in LISTS:
        for query in ("limit=0", "limit=101", "cursor=x", "cursor=watched.1", "cursor=%00", "cursor=watched.-1.1"):
            assert mine.get(f"{path}?{query}").status_code == 422


def test_a_new_target_arms_an_alert_again_and_the_same_one_does_not(mine, db):
    def fired() -> object:
        return db.execute("SELECT fired_at FROM price_alerts WHERE user_id = 1 AND deal_id = 3").fetchone()[0]

    mine.put("/api/me/alerts/3", json={"target_cents": 500})
    db.execute("UPDATE price_alerts SET fired_at = now() WHERE user_id = 1")
    mine.put("/api/me/alerts/3", json={"target_cents": 500})
    assert fired() is not None
    mine.put("/api/me/alerts/3", json={"target_cents": 400})
    assert fired() is None
    (alert,) = _all(mine, "/api/me/alerts")
    assert (alert["deal_id"], alert["target_cents"], alert["fired_at"]) == (3, 400, None)


def test_preferences_are_kept_whole(mine, theirs):
    before = theirs.get("/api/me/preferences").json()
    assert mine.put("/api/me/preferences", json=PREFERENCES).json() == PREFERENCES
    assert mine.get("/api/me/preferences").json() == PREFERENCES
    assert theirs.get("/api/me/preferences").json() == before


def test_lists_in_parts_are_whole_and_end(mine, db):
    db.execute("INSERT INTO watchlist_items (user_id, deal_id) SELECT 1, generate_series(1, 30)")
    db.execute("INSERT INTO price_alerts (user_id, deal_id, target_cents) SELECT 1, generate_series(1, 30), 5")
    # in one moment, so that only the id tells them apart
    db.execute(
        "INSERT INTO notifications (user_id, deal_id, kind, idempotency_key)"
        " SELECT 1, n, 'price_drop', 'test.' || n FROM generate_series(1, 30) n"
    )
    for path in LISTS:
        for limit in (7, 30):
            numbers = [item["deal_id"] for item in _all(mine, path, limit)]
            assert numbers == list(range(30, 0, -1)), path


def test_a_cursor_leads_on_in_its_own_list_alone(mine, db):
    db.execute("INSERT INTO watchlist_items (user_id, deal_id) SELECT 1, generate_series(1, 3)")
    cursor = mine.get("/api/me/watchlist?limit=1").json()["next"]
    assert mine.get("/api/me/alerts", params={"cursor": cursor}).status_code == 409


def test_nobody_sees_or_changes_what_is_anothers(mine, theirs, service, db):
    for client, deal in ((mine, 10), (theirs, 20)):
        client.put(f"/api/me/watchlist/{deal}")
        client.put(f"/api/me/alerts/{deal}", json={"target_cents": deal})
    for user, deal in ((1, 10), (2, 20)):
        db.execute(
            "INSERT INTO notifications (user_id, deal_id, kind, idempotency_key) VALUES (%s, %s, 'price_drop', %s)",
            [user, deal, f"test.{user}"],
        )
    # a cursor is only a place: with another's, one goes on in one's own list
    db.execute("INSERT INTO watchlist_items (user_id, deal_id) VALUES (1, 11), (2, 19)")
    cursor = mine.get("/api/me/watchlist?limit=1").json()["next"]
    assert [
        item["deal_id"] for item in theirs.get("/api/me/watchlist", params={"cursor": cursor}).json()["items"]
    ] == []
    db.execute("DELETE FROM watchlist_items WHERE deal_id IN (11, 19) AND user_id <= 2")
    assert mine.delete("/api/me/watchlist/20").status_code == 204
    assert mine.delete("/api/me/alerts/20").status_code == 204
    for path in LISTS:
        assert [item["deal_id"] for item in _all(mine, path)] == [10], path
        assert [item["deal_id"] for item in _all(theirs, path)] == [20], path
        assert service.client().get(path).status_code == 401


def test_what_follows_an_account_is_kept_by_nobody(mine):
    for path in (*LISTS, "/api/me/preferences", "/api/auth/me"):
        answer = mine.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers.get("x-cache", "BYPASS") == "BYPASS"
