"""Deals, reviews and comments through the API."""

import uuid

import pytest


@pytest.fixture
def some_deal(client):
    """A deal that is there."""
    return client.exchange("GET", "/api/deals", params={"limit": 1}).json()["items"][0]


@pytest.fixture
def quiet_category(db):
    """A category that no test writes to, so that its pages hold still."""
    return db.execute(
        "SELECT c.slug FROM categories c JOIN deals d ON d.category_id = c.id GROUP BY c.id ORDER BY c.id DESC LIMIT 1"
    ).fetchone()[0]


@pytest.mark.check("api.deals.list", severity="high")
def test_deals_are_listed_in_parts_of_the_size_that_was_asked_for(client):
    page = client.exchange("GET", "/api/deals", params={"limit": 7}).json()
    assert page["total"] >= 200
    assert (len(page["items"]), page["limit"]) == (7, 7)
    assert page["next"]


@pytest.mark.check("api.deals.complete", severity="high")
def test_every_deal_of_a_category_is_on_exactly_one_part_in_order(client, db, quiet_category):
    wanted = db.execute(
        "SELECT d.id FROM deals d JOIN categories c ON c.id = d.category_id WHERE c.slug = %s"
        " ORDER BY d.price_cents, d.id",
        [quiet_category],
    ).fetchall()
    assert len(wanted) >= 4
    seen = []
    query = {"category": quiet_category, "sort": "price", "limit": 3}
    while query.get("cursor", "first"):
        page = client.exchange("GET", "/api/deals", params=query).json()
        assert page["total"] == len(wanted)
        seen += [deal["id"] for deal in page["items"]]
        query["cursor"] = page["next"]
    assert seen == [row[0] for row in wanted]


@pytest.mark.check("api.deals.filter")
def test_a_category_holds_only_its_own(client, some_deal):
    page = client.exchange("GET", "/api/deals", params={"category": some_deal["category"], "limit": 100}).json()
    assert some_deal["id"] in {deal["id"] for deal in page["items"]} or page["total"] > 100
    assert {deal["category"] for deal in page["items"]} == {some_deal["category"]}


@pytest.mark.check("api.deals.search")
@pytest.mark.writes
def test_a_search_finds_what_was_just_written(client, new_deal):
    body, created = new_deal(title=f"Brötchen-Röster {uuid.uuid4().hex[:12]}")
    assert created.status == 201
    found = client.exchange("GET", "/api/deals", params={"q": body["title"].upper()}).json()
    assert [deal["id"] for deal in found["items"]] == [created.json()["id"]]


@pytest.mark.check("api.deals.read", severity="high")
def test_a_deal_reads_as_it_is_listed(client, some_deal):
    read = client.exchange("GET", f"/api/deals/{some_deal['id']}")
    assert read.status == 200
    assert read.json() == some_deal or read.json()["id"] == some_deal["id"]
    assert read.json()["title"] == some_deal["title"]


@pytest.mark.check("api.deals.figures", severity="high")
def test_the_figures_of_a_deal_are_those_of_the_database(client, db):
    row = db.execute(
        "SELECT deal_id, count(*), round(avg(rating), 2)::float8 FROM reviews GROUP BY deal_id ORDER BY deal_id LIMIT 1"
    ).fetchone()
    deal = client.exchange("GET", f"/api/deals/{row[0]}").json()
    assert (deal["review_count"], deal["average_rating"]) == (row[1], row[2])


@pytest.mark.check("api.deals.create", severity="critical")
@pytest.mark.writes
def test_a_new_deal_is_there_for_everybody(client, new_deal):
    body, created = new_deal()
    assert created.status == 201
    place = created.header("Location")
    assert place, "it is not said where the deal is"
    read = client.exchange("GET", place)
    assert read.status == 200
    assert {key: read.json()[key] for key in ("title", "price_cents", "list_price_cents")} == {
        key: body[key] for key in ("title", "price_cents", "list_price_cents")
    }


@pytest.mark.check("api.deals.invalid", severity="high", source="RFC 9110, 15.5.21", subject="{change}")
@pytest.mark.writes
@pytest.mark.parametrize(
    "change",
    [{"price_cents": -1}, {"price_cents": "7999"}, {"title": " "}, {"merchant": "No Slug"}, {"x": 1}],
    ids=["negative", "text", "blank title", "malformed merchant", "unknown field"],
)
def test_an_invalid_deal_is_refused_and_not_kept(new_deal, db, change):
    body, refused = new_deal(**change)
    assert refused.status == 422
    assert refused.header("Content-Type") == "application/problem+json"
    assert refused.json()["errors"]
    assert db.execute("SELECT count(*) FROM deals WHERE title = %s", [body["title"]]).fetchone()[0] == 0


@pytest.mark.check("api.deals.contradiction", severity="high", source="RFC 9110, 15.5.10", subject="{change}")
@pytest.mark.writes
@pytest.mark.parametrize(
    "change", [{"price_cents": 99999}, {"merchant": "nobody"}], ids=["above list price", "unknown merchant"]
)
def test_a_deal_that_contradicts_what_is_known_is_refused_and_not_kept(new_deal, db, change):
    body, refused = new_deal(**change)
    assert refused.status == 409
    assert refused.header("Content-Type") == "application/problem+json"
    assert db.execute("SELECT count(*) FROM deals WHERE title = %s", [body["title"]]).fetchone()[0] == 0


@pytest.mark.check("api.reviews.create", severity="critical")
@pytest.mark.writes
def test_a_review_is_kept_and_counted(client, new_client, new_deal):
    deal = new_deal()[1].json()["id"]
    review = {"rating": 4, "title": "Good", "body": "Boils <b>fast</b>, ça marche"}
    written = new_client(role="user").exchange("POST", f"/api/deals/{deal}/reviews", json=review)
    assert (written.status, written.header("Location")) == (201, f"/api/deals/{deal}/reviews")
    listed = client.exchange("GET", f"/api/deals/{deal}/reviews").json()
    assert [item["body"] for item in listed["items"]] == [review["body"]]
    read = client.exchange("GET", f"/api/deals/{deal}").json()
    assert (read["review_count"], read["average_rating"]) == (1, 4.0)


@pytest.mark.check("api.comments.create", severity="critical")
@pytest.mark.writes
def test_a_comment_and_its_answer_stand_under_their_own_deal(client, new_client, new_deal):
    deal, other = new_deal()[1].json()["id"], new_deal()[1].json()["id"]
    author = new_client(role="user")
    first = author.exchange("POST", f"/api/deals/{deal}/comments", json={"body": "Is it loud?"})
    answer = author.exchange(
        "POST", f"/api/deals/{deal}/comments", json={"body": "No.", "parent_id": first.json()["id"]}
    )
    assert (first.status, answer.status) == (201, 201)
    assert {first.header("Location"), answer.header("Location")} == {f"/api/deals/{deal}/comments"}
    listed = client.exchange("GET", f"/api/deals/{deal}/comments").json()["items"]
    assert {item["id"]: item["parent_id"] for item in listed} == {
        first.json()["id"]: None,
        answer.json()["id"]: first.json()["id"],
    }
    assert client.exchange("GET", f"/api/deals/{other}/comments").json()["items"] == []
    astray = author.exchange(
        "POST", f"/api/deals/{other}/comments", json={"body": "?", "parent_id": first.json()["id"]}
    )
    assert astray.status == 409


@pytest.mark.check("api.missing", severity="high")
@pytest.mark.parametrize(
    "path", ["/api/deals/999999999", "/api/deals/999999999/reviews", "/api/deals/999999999/comments"]
)
def test_what_is_not_there_is_404(client, path):
    answer = client.exchange("GET", path)
    assert answer.status == 404
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.check("api.invalid_query")
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=1", "min_price=-1", "sort=sideways", "q=", "limit=ten"]
)
def test_a_query_outside_its_limits_is_422(client, query):
    answer = client.exchange("GET", f"/api/deals?{query}")
    assert answer.status == 422
    assert answer.header("Content-Type") == "application/problem+json"
