"""What the catalogue promises beyond plain reading and writing: places, filters, histories, votes, threads, keys."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

REVIEW = {"rating": 4, "title": "Good", "body": "Boils fast"}


@pytest.fixture
def operator(new_client):
    """Somebody else than the author of this test's deals."""
    return new_client(role="operator")


@pytest.mark.check("api.lists", severity="high", subject="GET {path}")
@pytest.mark.parametrize("path", ["/api/merchants", "/api/categories"])
def test_what_deals_are_sorted_into_is_listed_and_filters_them(client, path):
    kind = {"/api/merchants": "merchant", "/api/categories": "category"}[path]
    page = client.exchange("GET", path, params={"limit": 100}).json()
    assert len(page["items"]) == page["total"] > 5
    slug = page["items"][-1]["slug"]
    found = client.exchange("GET", "/api/deals", params={kind: slug, "limit": 100}).json()
    assert {deal["merchant_slug" if kind == "merchant" else "category"] for deal in found["items"]} <= {slug}
    assert len(found["items"]) == min(found["total"], 100)


@pytest.mark.check("api.lists.stable", severity="high")
@pytest.mark.writes
def test_a_place_in_a_list_stays_while_others_write(client, new_deal):
    mark = uuid.uuid4().hex
    ids = [new_deal(description=mark)[1].json()["id"] for _ in range(4)]
    first = client.exchange("GET", "/api/deals", params={"q": mark, "limit": 2}).json()
    new_deal(description=mark)
    second = client.exchange("GET", "/api/deals", params={"q": mark, "limit": 2, "cursor": first["next"]}).json()
    assert [deal["id"] for deal in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None


@pytest.mark.check("api.lists.cursor", source="RFC 9110, 15.5")
def test_a_cursor_goes_on_with_its_own_sort_only(client):
    cursor = client.exchange("GET", "/api/deals", params={"sort": "price", "limit": 1}).json()["next"]
    assert client.exchange("GET", "/api/deals", params={"sort": "price", "cursor": cursor}).status == 200
    for path in ("/api/deals?sort=rating", "/api/deals", "/api/reviews"):
        joint = "&" if "?" in path else "?"
        assert client.exchange("GET", f"{path}{joint}cursor={cursor}").status == 409
    assert client.exchange("GET", "/api/deals?cursor=nonsense").status == 422


@pytest.mark.check("api.deals.sort", subject="{sort}")
@pytest.mark.parametrize("sort", ["newest", "price", "-price", "rating", "discount"])
def test_a_sort_holds(client, sort):
    items = client.exchange("GET", "/api/deals", params={"sort": sort, "limit": 50}).json()["items"]
    keys = {
        "newest": [datetime.fromisoformat(deal["created_at"]) for deal in items],
        "price": [-deal["price_cents"] for deal in items],
        "-price": [deal["price_cents"] for deal in items],
        "rating": [deal["average_rating"] or 0 for deal in items],
        "discount": [
            10_000 * (deal["list_price_cents"] - deal["price_cents"]) // max(deal["list_price_cents"], 1)
            for deal in items
        ],
    }[sort]
    assert len(keys) == 50
    assert keys == sorted(keys, reverse=True)


@pytest.mark.check("api.deals.prices")
def test_prices_are_within_the_bounds_that_were_asked_for(client):
    query = {"min_price": 2_000, "max_price": 30_000, "limit": 100}
    page = client.exchange("GET", "/api/deals", params=query).json()
    assert page["items"]
    assert all(2_000 <= deal["price_cents"] <= 30_000 for deal in page["items"])


@pytest.mark.check("api.deals.history", severity="high")
@pytest.mark.writes
def test_each_price_of_a_deal_is_in_its_history(client, author, deal):
    for cents in (6_999, 6_999, 5_999):
        assert author.exchange("PATCH", f"/api/deals/{deal}", json={"price_cents": cents}).status == 200
    history = client.exchange("GET", f"/api/deals/{deal}/prices").json()
    assert [(one["old_cents"], one["price_cents"]) for one in history["items"]] == [
        (6_999, 5_999),
        (7_999, 6_999),
        (None, 7_999),
    ]


@pytest.mark.check("api.deals.change", severity="critical", source="RFC 9110, 15.5.4")
@pytest.mark.writes
def test_only_author_and_operators_change_a_deal_and_only_operators_delete_it(client, author, operator, deal):
    path = f"/api/deals/{deal}"
    foreign = client.exchange("GET", "/api/deals/1")
    assert client.exchange("PATCH", path, json={"title": "x"}).status == 401
    assert author.exchange("PATCH", "/api/deals/1", json={"title": "x"}).status == 403
    assert client.exchange("GET", "/api/deals/1").json()["title"] == foreign.json()["title"]
    assert author.exchange("PATCH", path, json={"title": "By its author"}).status == 200
    assert operator.exchange("PATCH", path, json={"description": "By an operator"}).status == 200
    assert author.exchange("PATCH", path, json={"price_cents": 99_999}).status == 409
    read = client.exchange("GET", path).json()
    assert (read["title"], read["description"], read["price_cents"]) == ("By its author", "By an operator", 7_999)
    assert [author.exchange("DELETE", path).status, operator.exchange("DELETE", path).status] == [403, 204]
    assert client.exchange("GET", path).status == 404


@pytest.mark.check("api.deals.if_match", severity="high", source="RFC 9110, 13.1.1")
@pytest.mark.writes
def test_a_change_of_what_is_no_longer_so_is_refused(client, author, deal):
    path = f"/api/deals/{deal}"
    seen = client.exchange("GET", path).header("ETag")
    assert seen
    assert author.exchange("PATCH", path, json={"title": "First"}, headers={"If-Match": seen}).status == 200
    lost = author.exchange("PATCH", path, json={"title": "Second"}, headers={"If-Match": seen})
    assert lost.status == 412
    assert lost.header("Content-Type") == "application/problem+json"
    assert client.exchange("GET", path).json()["title"] == "First"


@pytest.mark.check("api.reviews.votes", severity="high")
@pytest.mark.writes
def test_a_vote_counts_once_and_never_for_oneself(client, author, operator, deal):
    ids = [author.exchange("POST", f"/api/deals/{deal}/reviews", json=REVIEW).json()["id"] for _ in range(2)]
    vote = f"/api/reviews/{ids[0]}/vote"
    assert author.exchange("PUT", vote, json={"is_helpful": True}).status == 409
    assert client.exchange("PUT", vote, json={"is_helpful": True}).status == 401
    assert [operator.exchange("PUT", vote, json={"is_helpful": True}).status for _ in range(2)] == [204, 204]
    listed = client.exchange("GET", f"/api/deals/{deal}/reviews", params={"sort": "helpful"}).json()["items"]
    assert [(review["id"], review["helpful_count"]) for review in listed] == [(ids[0], 1), (ids[1], 0)]
    assert operator.exchange("DELETE", vote).status == 204
    listed = client.exchange("GET", f"/api/deals/{deal}/reviews").json()["items"]
    assert [(review["id"], review["helpful_count"]) for review in listed] == [(ids[1], 0), (ids[0], 0)]


@pytest.mark.check("api.comments.thread", severity="high")
@pytest.mark.writes
def test_a_thread_holds_the_replies_where_they_belong(client, author, operator, deal):
    path = f"/api/deals/{deal}/comments"
    first = author.exchange("POST", path, json={"body": "Is it loud?"}).json()["id"]
    author.exchange("POST", path, json={"body": "Something else"})
    reply = operator.exchange("POST", path, json={"body": "No.", "parent_id": first}).json()["id"]
    author.exchange("POST", path, json={"body": "Thanks", "parent_id": reply})
    thread = client.exchange("GET", f"/api/comments/{first}/thread").json()
    assert (thread["body"], thread["reply_count"]) == ("Is it loud?", 1)
    (answer,) = thread["replies"]
    assert (answer["body"], [one["body"] for one in answer["replies"]]) == ("No.", ["Thanks"])


@pytest.mark.check("api.idempotency", severity="critical", source="draft-ietf-httpapi-idempotency-key-header-07")
@pytest.mark.writes
def test_a_request_that_is_repeated_with_its_key_is_done_once(client, author, deal):
    path, key = f"/api/deals/{deal}/comments", {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: author.exchange("POST", path, json={"body": "Once"}, headers=key), range(6)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.header("Idempotent-Replayed") or "" for answer in answers) == ["", *["true"] * 5]
    assert client.exchange("GET", path).json()["total"] == 1
    other = author.exchange("POST", path, json={"body": "Another"}, headers=key)
    assert other.status == 422
    assert client.exchange("GET", path).json()["total"] == 1
