"""A write is seen by the next read, from the cache or not."""

import pytest

pytestmark = [pytest.mark.writes]
ROUNDS = 5
"""Other tests write meanwhile, and a write empties the same kinds of content: one write that is seen proves little."""


@pytest.mark.check("cache.invalidation", severity="critical", subject="reviews")
def test_a_review_is_seen_at_once(client, new_client, deal):
    path = f"/api/deals/{deal}/reviews"
    user = new_client(role="user")
    for written in range(ROUNDS):
        assert [client.exchange("GET", path).json()["total"] for _ in range(2)] == [written] * 2
        assert user.exchange("POST", path, json={"rating": 5, "title": "Bright", "body": "Very"}).status == 201
        assert client.exchange("GET", path).json()["total"] == written + 1
        assert client.exchange("GET", f"/api/deals/{deal}").json()["review_count"] == written + 1


@pytest.mark.check("cache.invalidation", severity="critical", subject="comments")
def test_a_comment_is_seen_at_once(client, new_client, deal):
    path = f"/api/deals/{deal}/comments"
    user = new_client(role="user")
    for written in range(ROUNDS):
        assert [client.exchange("GET", path).json()["total"] for _ in range(2)] == [written] * 2
        assert user.exchange("POST", path, json={"body": "Warm light?"}).status == 201
        assert client.exchange("GET", path).json()["total"] == written + 1
    newest = client.exchange("GET", "/api/comments", params={"limit": 100}).json()["items"]
    assert "Warm light?" in {item["body"] for item in newest if item["deal_id"] == deal}


@pytest.mark.check("cache.invalidation", severity="critical", subject="votes")
def test_a_vote_is_seen_at_once(client, new_client, author, deal):
    path = f"/api/deals/{deal}/reviews"
    review = author.exchange("POST", path, json={"rating": 5, "title": "Bright", "body": "Very"}).json()["id"]
    operator = new_client(role="operator")
    for number in range(ROUNDS):
        before, after = number % 2, 1 - number % 2
        assert [client.exchange("GET", path).json()["items"][0]["helpful_count"] for _ in range(2)] == [before] * 2
        vote = operator.exchange("PUT", f"/api/reviews/{review}/vote", json={"is_helpful": bool(after)})
        assert vote.status == 204
        assert client.exchange("GET", path).json()["items"][0]["helpful_count"] == after


@pytest.mark.check("cache.invalidation", severity="critical", subject="prices")
def test_a_price_is_seen_at_once(client, author, deal):
    path = f"/api/deals/{deal}"
    before = [client.exchange("GET", path) for _ in range(2)]
    assert [answer.json()["price_cents"] for answer in before] == [7_999, 7_999]
    assert author.exchange("PATCH", path, json={"price_cents": 4_999}).status == 200
    after = client.exchange("GET", path)
    assert after.json()["price_cents"] == 4_999
    assert after.header("ETag") != before[0].header("ETag"), "who asks whether it changed would hear no"


@pytest.mark.check("cache.invalidation", severity="critical", subject="a deleted deal")
def test_a_deleted_deal_is_gone_at_once(client, new_client, deal):
    paths = [f"/api/deals/{deal}{part}" for part in ("", "/reviews", "/comments", "/prices")]
    assert {client.exchange("GET", path).status for path in paths for _ in range(2)} == {200}
    assert new_client(role="operator").exchange("DELETE", paths[0]).status == 204
    assert {client.exchange("GET", path).status for path in paths} == {404}


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
    assert first.header("ETag"), "who has it already cannot say so"
    assert second.header("ETag") == first.header("ETag")


@pytest.mark.check("cache.age", severity="normal", source="RFC 9111, 5.1", subject="reviews")
def test_an_answer_from_the_cache_says_how_old_it_is(client, deal):
    answers = [client.exchange("GET", f"/api/deals/{deal}/reviews") for _ in range(4)]
    hits = [answer for answer in answers if answer.header("X-Cache") == "HIT"]
    # other tests write meanwhile, and a write empties what it touched
    assert hits
    assert all((answer.header("Age") or "").isdigit() for answer in hits)
    assert {answer.header("Age") for answer in answers if answer.header("X-Cache") == "MISS"} <= {None}


@pytest.mark.check("cache.ttl", severity="high", subject="entries of the cache server")
def test_what_is_cached_goes_away_by_itself(client, cache, deal):
    assert client.exchange("GET", f"/api/deals/{deal}").status == 200
    left = {key: cache.pttl(key) for key in cache.scan_iter(match="dr:cache:*", count=1_000)}
    assert left
    # -1: it stays for ever; -2: it has gone meanwhile
    assert [key for key, milliseconds in left.items() if milliseconds == -1] == []
