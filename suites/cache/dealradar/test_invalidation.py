"""A write is seen by the next read, from the cache or not."""

import uuid

import pytest

pytestmark = [pytest.mark.writes]


@pytest.fixture
def deal(new_client, db):
    """A deal of this test's own."""
    merchant = db.execute("SELECT slug FROM merchants ORDER BY id LIMIT 1").fetchone()[0]
    category = db.execute("SELECT slug FROM categories ORDER BY id LIMIT 1").fetchone()[0]
    body = {"title": f"Lamp {uuid.uuid4().hex}", "description": "x", "merchant": merchant, "category": category}
    created = new_client(role="user").exchange(
        "POST", "/api/deals", json={**body, "price_cents": 1, "list_price_cents": 2}
    )
    assert created.status == 201
    return created.json()["id"]


@pytest.mark.check("cache.invalidation", severity="critical", subject="reviews")
def test_a_review_is_seen_at_once(client, new_client, deal):
    path = f"/api/deals/{deal}/reviews"
    assert [client.exchange("GET", path).json()["total"] for _ in range(2)] == [0, 0]
    written = new_client(role="user").exchange("POST", path, json={"rating": 5, "title": "Bright", "body": "Very"})
    assert written.status == 201
    assert client.exchange("GET", path).json()["total"] == 1
    assert client.exchange("GET", f"/api/deals/{deal}").json()["review_count"] == 1


@pytest.mark.check("cache.invalidation", severity="critical", subject="comments")
def test_a_comment_is_seen_at_once(client, new_client, deal):
    path = f"/api/deals/{deal}/comments"
    assert [client.exchange("GET", path).json()["total"] for _ in range(2)] == [0, 0]
    assert new_client(role="user").exchange("POST", path, json={"body": "Warm light?"}).status == 201
    assert client.exchange("GET", path).json()["total"] == 1
    newest = client.exchange("GET", "/api/comments", params={"limit": 100}).json()["items"]
    assert "Warm light?" in {item["body"] for item in newest if item["deal_id"] == deal}


@pytest.mark.check("cache.invalidation", severity="critical", subject="the page")
def test_a_deal_is_seen_on_the_page_at_once(client, deal):
    assert f'data-deal="{deal}"' in client.exchange("GET", "/").text


@pytest.mark.check("cache.invalidation", severity="critical", subject="metrics")
def test_a_write_is_seen_in_the_overview(new_client, deal):
    operator = new_client(role="operator")
    before = operator.exchange("GET", "/api/metrics/overview").json()["totals"]["comments"]
    assert new_client(role="user").exchange("POST", f"/api/deals/{deal}/comments", json={"body": "One"}).status == 201
    assert operator.exchange("GET", "/api/metrics/overview").json()["totals"]["comments"] > before


@pytest.mark.check("cache.same_answer", severity="high", subject="reviews")
def test_a_cached_answer_is_the_answer(client, deal):
    path = f"/api/deals/{deal}/reviews?limit=5"
    first, second = (client.exchange("GET", path) for _ in range(2))
    assert second.body == first.body
    assert second.header("Content-Type") == first.header("Content-Type")
