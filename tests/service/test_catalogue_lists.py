"""Lists: complete, in order, without doubles while others write, and only what was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import httpx
import pytest

from tests.dealradar_process import USER

DEALS = {
    "newest": "created_at DESC, id DESC",
    "price": "price_cents, id",
    "-price": "price_cents DESC, id DESC",
    "rating": "rating DESC, id DESC",
    "discount": "discount_bp DESC, id DESC",
}
_TOO_LONG = "deals." + "1" * 17 + ".1"
NEW_DEAL = """
    INSERT INTO deals (title, description, merchant_id, category_id, author_id, price_cents, list_price_cents,
                       review_count, rating_sum, created_at)
    SELECT 'Between', 'two parts', 1, 1, 1, price_cents, list_price_cents, review_count, rating_sum, created_at
      FROM deals ORDER BY random() LIMIT 3
"""
NEW_REVIEW = """
    INSERT INTO reviews (deal_id, author_id, rating, title, body, helpful_count, created_at)
    SELECT deal_id, 1, 3, 'Between', 'two parts', helpful_count, created_at FROM reviews ORDER BY random() LIMIT 30
"""
NEW_COMMENT = """
    INSERT INTO comments (deal_id, author_id, body, created_at)
    SELECT deal_id, 1, 'Between', created_at FROM comments ORDER BY random() LIMIT 30
"""
NEW_PRICE = """
    INSERT INTO price_history (deal_id, old_cents, price_cents, source, changed_at)
    SELECT deal_id, 1, 2, 'imported', changed_at FROM price_history ORDER BY random() LIMIT 30
"""
LISTS = [
    *(
        (f"/api/deals?sort={sort}&limit=40", f"SELECT id FROM deals ORDER BY {by}", NEW_DEAL)  # noqa: S608  of this module
        for sort, by in DEALS.items()
    ),
    (
        "/api/deals?sort=price&category=audio&min_price=1000&limit=3",
        """SELECT d.id FROM deals d JOIN categories c ON c.id = category_id
            WHERE slug = 'audio' AND price_cents >= 1000 ORDER BY price_cents, d.id""",
        NEW_DEAL,
    ),
    ("/api/reviews?limit=100", "SELECT id FROM reviews ORDER BY created_at DESC, id DESC", NEW_REVIEW),
    (
        "/api/deals/1/reviews?limit=20",
        "SELECT id FROM reviews WHERE deal_id = 1 ORDER BY created_at DESC, id DESC",
        NEW_REVIEW,
    ),
    (
        "/api/deals/1/reviews?sort=helpful&limit=20",
        "SELECT id FROM reviews WHERE deal_id = 1 ORDER BY helpful_count DESC, id DESC",
        NEW_REVIEW,
    ),
    ("/api/comments?limit=100", "SELECT id FROM comments ORDER BY created_at DESC, id DESC", NEW_COMMENT),
    (
        "/api/deals/1/comments?limit=20",
        "SELECT id FROM comments WHERE deal_id = 1 ORDER BY created_at DESC, id DESC",
        NEW_COMMENT,
    ),
    (
        "/api/deals/1/prices?limit=20",
        "SELECT id FROM price_history WHERE deal_id = 1 ORDER BY changed_at DESC, id DESC",
        NEW_PRICE,
    ),
    ("/api/merchants?limit=10", "SELECT slug FROM merchants ORDER BY id", "SELECT"),
    ("/api/categories?limit=2", "SELECT slug FROM categories ORDER BY id", "SELECT"),
]


@pytest.fixture
def crowded(db):
    """Data with many equal sort keys, so that only the id tells rows apart."""
    db.execute("UPDATE deals SET price_cents = price_cents / 5000 * 5000, created_at = date_trunc('month', created_at)")
    db.execute("UPDATE reviews SET created_at = date_trunc('month', created_at), helpful_count = id % 4")
    db.execute("UPDATE comments SET created_at = date_trunc('month', created_at)")
    db.execute(
        "INSERT INTO price_history (deal_id, old_cents, price_cents, source, changed_at)"
        " SELECT 1, n, n + 1, 'imported', '2025-12-01'::timestamptz + n / 7 * interval '1 second'"
        " FROM generate_series(1, 90) n"
    )


@pytest.mark.usefixtures("crowded")
def test_a_list_is_complete_in_order_and_without_doubles_while_rows_come_in_between(start, db):
    service = start(CACHE_ENABLED="false")
    for path, query, write in LISTS:
        expected = [row[0] for row in db.execute(query).fetchall()]
        assert len(expected) > 5
        seen = _read_to_the_end(service.client(), path, lambda write=write: db.execute(write))
        assert len(seen) == len(set(seen)), path
        known = set(expected)
        assert [one for one in seen if one in known] == expected, path


def test_a_total_is_the_length_of_the_list(service, db):
    client = service.client()
    for path, query, _ in LISTS:
        assert client.get(path).json()["total"] == len(db.execute(query).fetchall()), path


def test_a_malformed_cursor_is_422(service):
    client = service.client()
    for cursor in (
        "x",
        "deals",
        "deals.1",
        "deals.1.x",
        "deals.-1.1",
        "deals.1.1.1",
        "deals.1.1\n",
        "",
        "🦊",
        _TOO_LONG,
    ):
        for path in ("/api/deals", "/api/reviews", "/api/deals/1/comments", "/api/deals/1/prices", "/api/merchants"):
            refused = client.get(path, params={"cursor": cursor})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor"), cursor


def test_a_cursor_of_another_list_or_sort_is_409(service):
    client = service.client()
    sources = [*(f"/api/deals?sort={sort}" for sort in DEALS), "/api/reviews", "/api/deals/1/reviews?sort=helpful"]
    sources += ["/api/comments", "/api/merchants", "/api/categories"]
    cursors = {path: client.get(path, params=_limited(path)).json()["next"] for path in sources}
    for path, other in itertools.permutations(sources, 2):
        refused = client.get(path, params={**_limited(path), "cursor": cursors[other]})
        assert refused.status_code == 409, (path, other)
        assert refused.headers["Content-Type"] == "application/problem+json"
    largest = client.get("/api/deals", params={"cursor": "deals." + "9" * 16 + "." + "9" * 16})
    assert largest.status_code == 200


FILTERS = [
    ("category=audio", "c.slug = 'audio'"),
    ("merchant=merchant-3", "m.slug = 'merchant-3'"),
    ("min_price=5000&max_price=9000", "price_cents BETWEEN 5000 AND 9000"),
    ("category=books&max_price=30000&sort=discount", "c.slug = 'books' AND price_cents <= 30000"),
    ("q=espresso", "title ~* '\\mespresso\\M' OR description ~* '\\mespresso\\M'"),
    ("q=ESPRESSO or kettle", "title || description ~* '(espresso|kettle)'"),
    ('q="espresso machine" -vintage', "title ~* 'espresso machine' AND title || description !~* 'vintage'"),
    ("category=nowhere", "false"),
    ("merchant=nobody", "false"),
    ("min_price=2&max_price=1", "false"),
    ("q=%23%26%27%7C%21%28%3A%2A", "false"),
]


def test_a_filter_lets_through_what_the_database_says_and_no_more(service, db):
    client = service.client()
    for query, condition in FILTERS:
        expected = db.execute(
            "SELECT d.id FROM deals d JOIN merchants m ON m.id = merchant_id"  # noqa: S608  of this module
            f" JOIN categories c ON c.id = category_id WHERE {condition}".encode()
        ).fetchall()
        page = client.get(f"/api/deals?limit=100&{query}").raise_for_status().json()
        assert page["total"] == len(expected), query
        assert {deal["id"] for deal in page["items"]} == {row[0] for row in expected}, query


def test_a_search_knows_all_of_unicode(service, db):
    db.execute("UPDATE deals SET title = 'ÉLÉGANTE Brötchen-Röster Ωmega' WHERE id = 7")
    client = service.client()
    for words in ("élégante", "BRÖTCHEN-RÖSTER", "ωmega"):
        assert [deal["id"] for deal in client.get("/api/deals", params={"q": words}).json()["items"]] == [7]


def test_a_query_outside_its_limits_is_422(service):
    client = service.client()
    for query in ("limit=0", "limit=101", "min_price=-1", "max_price=1.5", "sort=sideways", "q=", "q=%00"):
        assert client.get(f"/api/deals?{query}").status_code == 422, query


def test_a_reply_is_counted_under_its_comment_in_lists(service):
    client = service.client(USER)
    parent = client.post("/api/deals/5/comments", json={"body": "Loud?"}).json()["id"]
    client.post("/api/deals/5/comments", json={"body": "No.", "parent_id": parent})
    listed = {item["id"]: item for item in client.get("/api/comments?limit=5").json()["items"]}
    assert listed[parent]["reply_count"] == 1


def _read_to_the_end(client: httpx.Client, path: str, between: Callable[[], object]) -> list[object]:
    """What tells the items apart, from all parts of a list."""
    seen: list[object] = []
    query = httpx.QueryParams(path.partition("?")[2])
    while True:
        page = client.get(path, params=query).raise_for_status().json()
        seen += [item.get("id", item.get("slug")) for item in page["items"]]
        if page["next"] is None:
            return seen
        assert len(page["items"]) == page["limit"]
        query = query.set("cursor", page["next"])
        between()


def _limited(path: str) -> dict[str, str]:
    return {**httpx.QueryParams(path.partition("?")[2]), "limit": "2"}
