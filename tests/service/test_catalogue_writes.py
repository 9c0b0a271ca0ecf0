"""Writes: who may, what is counted, what a lost race looks like, and what is kept of it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from tests.dealradar_process import OPERATOR, USER

DEAL = {
    "title": "Kettle",
    "description": "Quiet",
    "merchant": "merchant-1",
    "category": "audio",
    "price_cents": 8_000,
    "list_price_cents": 10_000,
}
COUNTERS = """
    SELECT d.id FROM deals d
     WHERE (review_count, rating_sum, comment_count) IS DISTINCT FROM (
           (SELECT count(*) FROM reviews WHERE deal_id = d.id),
           (SELECT coalesce(sum(rating), 0) FROM reviews WHERE deal_id = d.id),
           (SELECT count(*) FROM comments WHERE deal_id = d.id))
"""
HELPFUL = """
    SELECT id FROM reviews r
     WHERE helpful_count <> (SELECT count(*) FROM review_votes WHERE review_id = r.id AND is_helpful)
"""


def test_counters_are_what_they_count_after_concurrent_writes_on_two_instances(start, db):
    clients = [start().client(email) for email in (USER, OPERATOR)]
    review = clients[0].post("/api/deals/9/reviews", json={"rating": 1, "title": "a", "body": "b"}).json()["id"]
    other = clients[1].post("/api/deals/9/reviews", json={"rating": 5, "title": "a", "body": "b"}).json()["id"]
    chance = random.Random(7)  # noqa: S311
    votes = [("PUT", {"is_helpful": True}), ("PUT", {"is_helpful": False}), ("DELETE", None)]

    def write(number: int) -> int:
        client, foreign = random.Random(number).choice([(clients[0], other), (clients[1], review)])  # noqa: S311
        if number % 3 == 0:
            body = {"rating": number % 5 + 1, "title": "a", "body": "b"}
            return client.post("/api/deals/9/reviews", json=body).status_code
        if number % 3 == 1:
            return client.post("/api/deals/9/comments", json={"body": "b"}).status_code
        method, vote = votes[number // 3 % 3]
        return client.request(method, f"/api/reviews/{foreign}/vote", json=vote).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(write, chance.sample(range(150), 150)))
    assert set(statuses) == {201, 204}
    assert db.execute(COUNTERS).fetchall() == []
    assert db.execute(HELPFUL).fetchall() == []
    shown = clients[0].get("/api/deals/9").json()
    count, average = db.execute(
        "SELECT count(*), round(avg(rating), 2)::float8 FROM reviews WHERE deal_id = 9"
    ).fetchone()
    assert (shown["review_count"], shown["average_rating"]) == (count, average)


def test_a_vote_counts_once_whatever_a_voter_does_and_never_for_oneself(service, db):
    author, voter = service.client(USER), service.client(OPERATOR)
    review = author.post("/api/deals/3/reviews", json={"rating": 4, "title": "a", "body": "b"}).json()["id"]
    path = f"/api/reviews/{review}/vote"
    counts = []
    for method, body in (
        ("PUT", {"is_helpful": True}),
        ("PUT", {"is_helpful": True}),
        ("PUT", {"is_helpful": False}),
        ("DELETE", None),
        ("PUT", {"is_helpful": True}),
        ("DELETE", None),
        ("DELETE", None),
    ):
        assert voter.request(method, path, json=body).status_code == 204
        listed = {item["id"]: item for item in author.get("/api/deals/3/reviews").json()["items"]}
        counts.append(listed[review]["helpful_count"])
    assert counts == [1, 1, 0, 0, 1, 0, 0]
    assert author.put(path, json={"is_helpful": True}).status_code == 409
    assert author.put("/api/reviews/99999/vote", json={"is_helpful": True}).status_code == 404
    assert author.put(path, json={"is_helpful": 1}).status_code == 422
    assert service.client().put(path, json={"is_helpful": True}).status_code == 401
    assert db.execute(HELPFUL).fetchall() == []


def test_a_deal_is_changed_by_its_author_and_operators_only(service, db):
    author, operator = service.client(USER), service.client(OPERATOR)
    path = author.post("/api/deals", json=DEAL).headers["Location"]
    assert author.patch(path, json={"title": "Better kettle"}).json()["title"] == "Better kettle"
    assert operator.patch(path, json={"description": "Loud"}).json()["description"] == "Loud"
    foreign = operator.post("/api/deals", json=DEAL).headers["Location"]
    assert author.patch(foreign, json={"title": "Mine now"}).status_code == 403
    assert service.client().patch(foreign, json={"title": "Mine now"}).status_code == 401
    assert author.get(foreign).json()["title"] == "Kettle"
    assert author.delete(path).status_code == 403
    assert operator.delete(path).status_code == 204
    assert operator.delete(path).status_code == 404
    assert author.get(path).status_code == 404
    assert db.execute("SELECT count(*) FROM price_history WHERE deal_id = %s", [path.split("/")[-1]]).fetchone()[0] == 0


def test_prices_move_together_and_each_change_is_in_the_history(service):
    author = service.client(USER)
    path = author.post("/api/deals", json=DEAL).headers["Location"]
    for change in (
        {"price_cents": 300, "list_price_cents": 400},
        {"price_cents": 50_000, "list_price_cents": 60_000},
        {"title": "No other price"},
        {"price_cents": 50_000},
        {"list_price_cents": 50_000},
        {},
    ):
        changed = author.patch(path, json=change)
        assert changed.status_code == 200
        assert {key: changed.json()[key] for key in change} == change
    for change in ({"price_cents": 50_001}, {"list_price_cents": 49_999}):
        assert author.patch(path, json=change).status_code == 409
    for change in ({"price_cents": None}, {"price_cents": -1}, {"merchant": "merchant-2"}, {"title": " "}, [], None):
        assert author.patch(path, json=change).status_code == 422
    history = author.get(path + "/prices").json()
    assert [(one["old_cents"], one["price_cents"], one["source"]) for one in history["items"]] == [
        (300, 50_000, "edited"),
        (8_000, 300, "edited"),
        (None, 8_000, "created"),
    ]
    assert history["total"] == 3


def test_of_writers_that_saw_the_same_deal_one_wins(start):
    services = [start(), start()]
    author = services[0].client(USER)
    path = author.post("/api/deals", json=DEAL).headers["Location"]
    seen = author.get(path).headers["ETag"]
    clients = [service.client(OPERATOR) for service in services]

    def write(number: int) -> int:
        body = {"price_cents": 100 + number}
        return clients[number % 2].patch(path, json=body, headers={"If-Match": seen}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(write, range(8)))
    assert statuses == [200] + [412] * 7
    assert author.get(path + "/prices").json()["total"] == 2
    assert (
        author.patch(
            path, json={"title": "x"}, headers={"If-Match": f"W/{author.get(path).headers['ETag']}"}
        ).status_code
        == 412
    )
    assert author.patch(path, json={"title": "x"}, headers={"If-Match": '"nothing"'}).status_code == 412
    current = f'"other", {author.get(path).headers["ETag"]}'
    assert author.patch(path, json={"title": "y"}, headers={"If-Match": current}).status_code == 200
    assert author.patch(path, json={"title": "z"}, headers={"If-Match": "*"}).status_code == 200


def test_a_thread_nests_replies_and_stays_within_its_bounds(service, db):
    client = service.client(USER)
    first = client.post("/api/deals/2/comments", json={"body": "0"}).json()["id"]
    parent = first
    for number in range(1, 25):
        created = client.post("/api/deals/2/comments", json={"body": str(number), "parent_id": parent})
        parent = created.json()["id"]
    node, depth = client.get(f"/api/comments/{first}/thread").json(), 0
    while node["replies"]:
        assert (node["body"], node["reply_count"], len(node["replies"])) == (str(depth), 1, 1)
        node, depth = node["replies"][0], depth + 1
    assert (depth, node["reply_count"]) == (20, 1), "what is left out can be seen"

    db.execute(
        "INSERT INTO comments (deal_id, parent_id, author_id, body)"
        " SELECT 2, %s, 1, 'reply' FROM generate_series(1, 250)",
        [first],
    )
    wide = client.get(f"/api/comments/{first}/thread").json()
    assert wide["reply_count"] == 251
    assert len(wide["replies"]) == 199
    astray = client.post("/api/deals/3/comments", json={"body": "?", "parent_id": first})
    assert astray.status_code == 409
    assert client.post("/api/deals/99999/comments", json={"body": "?"}).status_code == 404


def test_a_write_is_seen_by_the_next_cached_read_of_another_instance(start):
    writer, reader = start().client(OPERATOR), start().client()
    path = writer.post("/api/deals", json=DEAL).headers["Location"]
    newest = reader.get("/api/reviews?limit=1").json()["items"][0]
    reviews = f"/api/deals/{newest['deal_id']}/reviews?limit=100"
    for method, target, body, read in (
        ("PUT", f"/api/reviews/{newest['id']}/vote", {"is_helpful": True}, [reviews, "/api/reviews?limit=1"]),
        ("DELETE", f"/api/reviews/{newest['id']}/vote", None, [reviews, "/api/reviews?limit=1"]),
        ("PATCH", path, {"price_cents": 1}, [path, path + "/prices", "/api/deals?limit=1", "/"]),
        ("DELETE", path, None, [path, path + "/reviews", path + "/comments", "/api/deals?limit=1", "/"]),
    ):
        before = {one: reader.get(one).text for one in read for _ in range(2)}
        assert writer.request(method, target, json=body).is_success
        assert [one for one in read if reader.get(one).text == before[one]] == [], f"{method} {target}"
