"""Random sequences of writes by several accounts: after each, every view of what they wrote agrees with a model."""

import secrets
import shlex

import pytest
from hypothesis import strategies as st

from fixtures.dealradar.model import Alert, Comment, Deal, Person, Review
from fixtures.dealradar.views import Service, Views
from harness.testing.models import ModelWalk, WalkPlan, step, walk_model

pytestmark = pytest.mark.writes
SECONDS, SHRINK_S = 8.0, 25.0
TEXTS = (
    "Kettle",
    "<b>Ünï</b> & \"co\" 'x' {{ 7 * 7 }} %s",
    "ß İ \u0131 \U0001d518\U0001d52b \U0001fad6 漢字",
    "two\nlines\tand a tab  ",
    "12.50",
    "x" * 200,
)
CENTS = (0, 1, 999, 1_000, 1_205, 1_250, 7_999, 123_456, 100_000_000)
WHO = st.sampled_from([0, 1])
WHICH = st.sampled_from([0, 0, 0, 1, 2, 3])
"""Mostly the newest: much is to happen to one thing."""
TEXT = st.sampled_from(TEXTS)
PRICE = st.sampled_from(CENTS)
OTHER = st.sampled_from(["other", "other", "other", "author"])


class DealsWalk(ModelWalk):
    """Deals with prices, reviews, votes, comments, watchlists, alerts, notices, preferences and repeated requests."""

    def __init__(self, service, names, merchants, categories):
        self.service, self.merchants, self.categories = service, merchants, categories
        self.mark = "".join(secrets.choice("abcdefghikmnop") for _ in range(16))
        self.people = [Person(name) for name in names]
        self.deals = {}
        self.views = Views(service, self.mark, self.deals, self.people)
        self.keyed = None
        self.touched = self.seen = 0
        self.create(0, "Kettle", 7_999, 12_999, 0)

    # --- steps

    @step(who=WHO, title=TEXT, price=PRICE, full=PRICE, place=WHICH)
    def a_deal(self, who, title, price, full, place):
        self.create(who, title, price, full, place)

    def create(self, who, title, price, full, place):
        person, merchant = self.people[who], self.merchants[place % len(self.merchants)]
        category = self.categories[place % 2]["slug"]
        body = {
            "title": title,
            "description": f"{self.mark} {title}",
            "merchant": merchant["slug"],
            "category": category,
            "price_cents": price,
            "list_price_cents": full,
        }
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answer = self.service.ask(person.name, "POST", "/api/deals", json=body, headers=key)
        if price > full:
            assert answer.status == 409
            return
        made = self.created(answer)
        row = body | {"merchant": merchant["name"], "merchant_slug": merchant["slug"]}
        row |= {"id": made["id"], "created_at": made["created_at"]}
        deal = self.deals[made["id"]] = Deal(row, person, [(None, price, "created")])
        assert made == deal.view
        assert answer.header("Location") == f"/api/deals/{made['id']}"
        self.keyed = person, "/api/deals", body, key, answer
        self.touched = made["id"]

    @step(
        by=st.sampled_from(["author", "author", "operator", "other"]),
        which=WHICH,
        given=st.fixed_dictionaries(
            {}, optional={"title": TEXT, "price_cents": PRICE, "list_price_cents": PRICE, "description": TEXT}
        ),
        tag=st.sampled_from(["", "", "current", "weak", "older", "any"]),
    )
    def a_change(self, by, which, given, tag):
        deal = self.deal(which)
        if deal is None:
            return
        if "description" in given:
            given = given | {"description": f"{given['description']} {self.mark}"}
        number = deal.row["id"]
        current = self.service.ask(None, "GET", f"/api/deals/{number}").header("ETag")
        older = next((one for one, view in self.views.tags.items() if view["id"] == number and view != deal.view), None)
        named = {"current": current, "weak": f"W/{current}", "older": older, "any": "*"}.get(tag)
        headers = {"If-Match": named} if named else {}
        asker = "operator" if by == "operator" else self.somebody(deal.author, by).name
        answer = self.service.ask(asker, "PATCH", f"/api/deals/{number}", json=given, headers=headers)
        if by == "other":
            assert answer.status == 403
        elif named and tag in ("weak", "older"):
            assert answer.status == 412
        elif not deal.change(given, self.people):
            assert answer.status == 409
        else:
            assert (answer.status, answer.json()) == (200, deal.view)

    @step(which=WHICH, by=st.sampled_from(["operator", "operator", "author", "nobody"]))
    def a_deletion(self, which, by):
        deal = self.deal(which)
        if deal is None or len(self.deals) == 1:
            return
        number = deal.row["id"]
        asker = {"operator": "operator", "author": deal.author.name, "nobody": None}[by]
        answer = self.service.ask(asker, "DELETE", f"/api/deals/{number}")
        assert answer.status == {"operator": 204, "author": 403, "nobody": 401}[by]
        if by == "operator":
            del self.deals[number]
            for person in self.people:
                person.forget(number)
            for path in ("", "/prices", "/reviews", "/comments"):
                assert self.service.ask(None, "GET", f"/api/deals/{number}{path}").status == 404

    @step(who=WHO, which=WHICH, rating=st.integers(1, 5), title=TEXT, body=TEXT)
    def a_review(self, who, which, rating, title, body):
        deal, person = self.deal(which), self.people[who]
        if deal is None:
            return
        path = f"/api/deals/{deal.row['id']}/reviews"
        given, key = {"rating": rating, "title": title, "body": body}, {"Idempotency-Key": secrets.token_hex(8)}
        answer = self.service.ask(person.name, "POST", path, json=given, headers=key)
        made = self.created(answer)
        moment = {name: made[name] for name in ("id", "created_at")}
        review = Review(given | moment | {"deal_id": deal.row["id"], "author": person.name}, person)
        deal.reviews.append(review)
        assert made == review.view
        self.keyed = person, path, given, key, answer
        if person is not deal.author:
            deal.author.tell(deal.row["id"], "new_review")

    @step(
        which=WHICH,
        review=WHICH,
        by=OTHER,
        says=st.lists(st.sampled_from([True, True, False, None]), min_size=1, max_size=3),
    )
    def votes(self, which, review, by, says):
        """One after another by one reader; None takes a vote back."""
        deal = self.deal(which)
        if deal is None or not deal.reviews:
            return
        voted = deal.reviews[review % len(deal.reviews)]
        person = self.somebody(voted.author, by)
        path = f"/api/reviews/{voted.row['id']}/vote"
        for helpful in says:
            if helpful is None:
                answer = self.service.ask(person.name, "DELETE", path)
            else:
                answer = self.service.ask(person.name, "PUT", path, json={"is_helpful": helpful})
            assert answer.status == (409 if voted.author is person else 204)
            if voted.author is not person:
                voted.votes.pop(person.name, None)
                voted.votes |= {} if helpful is None else {person.name: helpful}

    @step(who=WHO, which=WHICH, body=TEXT, parent=st.sampled_from([None, None, 0, 1, 2, -1]), astray=st.booleans())
    def a_comment(self, who, which, body, parent, astray):
        deal, person = self.deal(which), self.people[who]
        if deal is None:
            return
        others = [one for one in self.deals.values() if one is not deal and one.comments]
        path = f"/api/deals/{deal.row['id']}/comments"
        given, answered = {"body": body}, None
        if parent is not None and astray and others:
            given["parent_id"] = others[0].comments[0].row["id"]
            assert self.service.ask(person.name, "POST", path, json=given).status == 409
            return
        if parent is not None and deal.comments:
            answered = deal.comments[parent % len(deal.comments)]
            given["parent_id"] = answered.row["id"]
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answer = self.service.ask(person.name, "POST", path, json=given, headers=key)
        made = self.created(answer)
        row = {name: made[name] for name in ("id", "created_at")} | {"parent_id": None} | given
        comment = Comment(row | {"deal_id": deal.row["id"], "author": person.name}, person)
        deal.comments.append(comment)
        assert made == comment.row
        self.keyed = person, path, given, key, answer
        if answered is not None and answered.author is not person:
            answered.author.tell(deal.row["id"], "new_reply")

    @step(who=WHO, which=WHICH, on=st.booleans())
    def a_watch(self, who, which, on):
        deal, person = self.deal(which), self.people[who]
        if deal is None:
            return
        number = deal.row["id"]
        answer = self.service.ask(person.name, "PUT" if on else "DELETE", f"/api/me/watchlist/{number}")
        assert answer.status == 204
        (person.watched.add if on else person.watched.discard)(number)

    @step(who=WHO, which=WHICH, below=st.sampled_from([1, 1, 500, None]))
    def an_alert(self, who, which, below):
        """Below the price of now: one that is reached already is told by a job, whenever it comes."""
        deal, person = self.deal(which), self.people[who]
        if deal is None:
            return
        number, path = deal.row["id"], f"/api/me/alerts/{deal.row['id']}"
        if below is None:
            assert self.service.ask(person.name, "DELETE", path).status == 204
            person.alerts.pop(number, None)
            return
        target = deal.row["price_cents"] - below
        answer = self.service.ask(person.name, "PUT", path, json={"target_cents": target})
        if target < 0:
            assert answer.status == 422
            return
        assert answer.status == 204
        if number not in person.alerts or person.alerts[number].target != target:
            person.alerts[number] = Alert(target)

    @step(who=WHO, kind=st.sampled_from(["price_drop", "new_review", "new_reply"]), on=st.booleans())
    def a_preference(self, who, kind, on):
        person = self.people[who]
        person.wants[f"notify_{kind}"] = on
        answer = self.service.ask(person.name, "PUT", "/api/me/preferences", json=person.wants)
        assert (answer.status, answer.json()) == (200, person.wants)

    @step(other=st.booleans())
    def the_same_again(self, other):
        """The last creating request once more by its key, or another one by the same key."""
        person, path, body, key, first = self.keyed
        given = {**body, "extra": 1} if other and path == "/api/deals" else body
        given = {**given, "body": "another"} if other and "body" in body else given
        answer = self.service.ask(person.name, "POST", path, json=given, headers=key)
        if given != body:
            assert answer.status == 422
            return
        told = [(one.status, one.body, one.header("Location")) for one in (first, answer)]
        assert told[1] == told[0]
        assert answer.header("Idempotent-Replayed") == "true"

    def agree(self):
        """What was touched, in the views that show it at once; every fourth time all of it, in all views."""
        self.seen += 1
        self.views.agree(self.seen, self.deals.get(self.touched) or next(iter(self.deals.values())))

    # --- what the steps share

    def somebody(self, author, by):
        """That author, or the other account."""
        return next(one for one in self.people if (one is author) == (by == "author"))

    def deal(self, which):
        found = list(self.deals.values())
        chosen = found[-1 - which % len(found)] if found else None
        self.touched = chosen.row["id"] if chosen else 0
        return chosen

    def created(self, answer):
        assert answer.status == 201, f"{answer!r}"
        assert answer.header("Idempotent-Replayed") is None
        return answer.json()

    def end(self):
        for number in self.deals:
            self.service.ask("operator", "DELETE", f"/api/deals/{number}")
        for person in self.people:
            wants = dict.fromkeys(person.wants, True)
            self.service.ask(person.name, "PUT", "/api/me/preferences", json=wants)


@pytest.fixture
def service(client, new_client, token, learn_secret):
    """The service, and two accounts of this test's own, each with a name that no other has."""
    tokens = {"operator": token("operator")}
    for name in ("Äda " + secrets.token_hex(4), "Bö & <i> " + secrets.token_hex(4)):
        body = {"email": f"{secrets.token_hex(8)}@dealradar.test", "password": secrets.token_hex(8)}
        learn_secret([body["password"]])
        assert client.exchange("POST", "/api/auth/register", json={**body, "display_name": name}).status == 201
        tokens[name] = client.exchange("POST", "/api/auth/login", json=body).json()["access_token"]
        learn_secret([tokens[name]])
    return Service(new_client, tokens)


@pytest.mark.check("model.deals", severity="critical")
def test_model_of_deals_agrees_with_every_view(service, pytestconfig):
    given = pytestconfig.getoption("generated_seed")
    drawn = secrets.randbits(32) if given is None else given
    words = ["harness", "run", "e2e", "--", "-k", "model", "--generated-seed", str(drawn)]
    print(f"to repeat it: {shlex.join(words)}")
    names = [name for name in service.tokens if name != "operator"]
    merchants, categories = (service.read(f"/api/{kind}", limit=100)["items"] for kind in ("merchants", "categories"))
    shrink_s = 0.0 if pytestconfig.getoption("until_fails") else SHRINK_S
    plan = WalkPlan(seed=drawn, walks=8, steps=14, seconds=SECONDS, shrink_s=shrink_s)
    count = walk_model(DealsWalk, lambda: DealsWalk(service, names, merchants, categories), plan)
    print(f"{count.walks} walks, {count.steps} steps")
    assert count.steps
