"""`Idempotency-Key`: a request that is sent again is not done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.dealradar_process import OPERATOR, USER

DEAL = {
    "title": "Only one kettle",
    "description": "Quiet",
    "merchant": "merchant-1",
    "category": "audio",
    "price_cents": 8_000,
    "list_price_cents": 10_000,
}
KEY = {"Idempotency-Key": "9b1f2c7e"}
COUNT = "SELECT count(*) FROM deals WHERE title = 'Only one kettle'"


def test_concurrent_twins_on_two_instances_make_one_row_and_get_one_answer(start, db):
    clients = [start().client(USER) for _ in range(2)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda n: clients[n % 2].post("/api/deals", json=DEAL, headers=KEY), range(24)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == len({answer.headers["Location"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert db.execute(COUNT).fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM price_history WHERE source = 'created' AND deal_id > 240").fetchone() == (
        1,
    )


def test_an_answer_survives_a_restart(start, db):
    service = start()
    first = service.client(USER).post("/api/deals", json=DEAL, headers=KEY)
    service.process.kill()
    again = start().client(USER).post("/api/deals", json=DEAL, headers=KEY)
    assert (again.status_code, again.text) == (201, first.text)
    assert (again.headers["Idempotent-Replayed"], again.headers["Location"]) == ("true", first.headers["Location"])
    assert db.execute(COUNT).fetchone() == (1,)


def test_a_key_belongs_to_one_user_one_path_and_one_body(service, db):
    user = service.client(USER)
    assert user.post("/api/deals", json=DEAL, headers=KEY).status_code == 201
    for path, body in (
        ("/api/deals", {**DEAL, "price_cents": 1}),
        ("/api/deals/1/comments", {"body": "Another request"}),
        ("/api/deals/1/reviews", {"rating": 1, "title": "Another", "body": "request"}),
    ):
        refused = user.post(path, json=body, headers=KEY)
        assert (refused.status_code, refused.headers["Content-Type"]) == (422, "application/problem+json")
    theirs = service.client(OPERATOR).post("/api/deals", json=DEAL, headers=KEY)
    assert (theirs.status_code, "Idempotent-Replayed" in theirs.headers) == (201, False)
    assert db.execute(COUNT).fetchone() == (2,)
    for path, body in (
        ("/api/deals/1/comments", {"body": "Twice"}),
        ("/api/deals/1/reviews", {"rating": 1, "title": "Twice", "body": "b"}),
    ):
        answers = [user.post(path, json=body, headers={"Idempotency-Key": path}) for _ in range(2)]
        assert answers[0].json()["id"] == answers[1].json()["id"]
        assert "Idempotent-Replayed" in answers[1].headers


def test_what_was_refused_may_be_tried_again_with_its_key(service, db):
    user = service.client(USER)
    assert user.post("/api/deals", json={**DEAL, "merchant": "nobody-yet"}, headers=KEY).status_code == 409
    db.execute("INSERT INTO merchants (slug, name) VALUES ('nobody-yet', 'Somebody now')")
    tried = user.post("/api/deals", json={**DEAL, "merchant": "nobody-yet"}, headers=KEY)
    assert (tried.status_code, "Idempotent-Replayed" in tried.headers) == (201, False)


def test_a_key_is_forgotten_when_its_time_is_over(service, db):
    user = service.client(USER)
    user.post("/api/deals", json=DEAL, headers=KEY)
    left = db.execute("SELECT extract(epoch FROM expires_at - now())::int FROM idempotency_keys").fetchone()[0]
    assert 23 * 3_600 < left <= 24 * 3_600
    db.execute("UPDATE idempotency_keys SET expires_at = now()")
    again = user.post("/api/deals", json={**DEAL, "price_cents": 1}, headers=KEY)
    assert (again.status_code, "Idempotent-Replayed" in again.headers) == (201, False)
    assert db.execute(COUNT).fetchone() == (2,)


def test_a_malformed_key_is_422_and_nothing_is_done(service, db):
    user = service.client(USER)
    for key in (b"", b"two words", b"x" * 256, "ключ".encode(), b"\xff"):
        refused = user.post("/api/deals", json=DEAL, headers={b"Idempotency-Key": key})
        assert refused.status_code == 422, key
    assert db.execute(COUNT).fetchone() == (0,)
