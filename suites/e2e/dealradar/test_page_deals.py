"""The pages of deals, in a browser."""

import pytest
from playwright.sync_api import expect

MARKUP = "<img src=x onerror=document.title='owned'><b>bold</b>"


def shown_deals(page):
    """Numbers of the deals on the page, in its order."""
    return page.locator("[data-deal]").evaluate_all("all => all.map(e => Number(e.dataset.deal))")


@pytest.mark.check("page.deals", severity="critical")
def test_the_page_shows_the_newest_deals(page, page_problems, client):
    page.goto("/")
    shown = shown_deals(page)
    newest = [deal["id"] for deal in client.exchange("GET", "/api/deals", params={"limit": 100}).json()["items"]]
    assert len(shown) >= 10
    # other tests create and delete deals meanwhile
    assert shown == sorted(shown, reverse=True) or set(shown) <= set(newest)
    assert page_problems.all == []


@pytest.mark.check("page.search", severity="high", subject="script {script}")
@pytest.mark.parametrize("script", ["on", "off"])
def test_a_search_finds_what_the_api_finds(new_page, client, script):
    page = new_page(java_script_enabled=script == "on")
    page.goto("/")
    page.get_by_role("searchbox").fill("monitor")
    page.get_by_label("Sort by").select_option("price")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("searchbox")).to_have_value("monitor")
    expect(page.get_by_label("Sort by")).to_have_value("price")
    shown = shown_deals(page)
    asked = {"q": "monitor", "sort": "price", "limit": 100}
    found = [deal["id"] for deal in client.exchange("GET", "/api/deals", params=asked).json()["items"]]
    assert shown
    assert shown == found[: len(shown)]


@pytest.mark.check("page.search_empty")
def test_a_search_that_finds_nothing_says_so(page):
    page.goto("/?q=nothing-is-called-this")
    expect(page.locator("[data-deal]")).to_have_count(0)
    expect(page.get_by_text("Nothing matches")).to_be_visible()


@pytest.mark.check("page.next", severity="high", subject="script off")
def test_the_list_can_be_walked_to_its_end(new_page, client):
    page = new_page(java_script_enabled=False)
    page.goto("/?category=phones&sort=price&limit=5")
    seen, following = shown_deals(page), page.get_by_role("link", name="Next page")
    while following.count():
        following.click()
        seen += shown_deals(page)
        assert len(seen) == len(set(seen)), "a deal is shown twice"
    asked = {"category": "phones", "limit": 100}
    total = client.exchange("GET", "/api/deals", params=asked).json()["total"]
    assert abs(len(seen) - total) <= 5, "other tests write meanwhile, but not that much"


@pytest.mark.check("page.deal", severity="critical", subject="/deals/1")
def test_a_deal_has_its_price_reviews_and_comments(page, page_problems, client):
    page.goto("/")
    page.goto("/deals/1")
    deal = client.exchange("GET", "/api/deals/1").json()
    prices = client.exchange("GET", "/api/deals/1/prices").json()
    expect(page.get_by_role("heading", level=1)).to_have_text(deal["title"])
    expect(page.locator("main .price").first).to_contain_text(f"{deal['price_cents'] % 100:02}")
    expect(page.get_by_role("img", name="steps")).to_be_visible()
    page.get_by_text("as a table").click()
    expect(page.get_by_role("row")).to_have_count(prices["total"] + 1)
    reviews = client.exchange("GET", "/api/deals/1/reviews", params={"sort": "helpful", "limit": 1}).json()
    expect(page.locator("[data-review]").first).to_contain_text(reviews["items"][0]["body"])
    comments = client.exchange("GET", "/api/deals/1/comments", params={"limit": 100}).json()["items"]
    threads = page.locator("[data-comment] [data-comment]").evaluate_all(
        "all => all.map(e => [e, e.parentElement.closest('[data-comment]')].map(e => Number(e.dataset.comment)))"
    )
    parents = {comment["id"]: comment["parent_id"] for comment in comments}
    assert threads, "no answer is shown under what it answers"
    assert [(child, parent) for child, parent in threads if parents.get(child, parent) != parent] == []
    assert page_problems.all == []


@pytest.mark.check("page.not_found", source="RFC 9110, 15.5.5", subject="{path}")
@pytest.mark.parametrize("path", ["/deals/999999999", "/deals/0", "/no-such-page", "/?category=%00"])
def test_a_missing_page_is_told_as_a_page_with_a_way_on(page, path):
    answer = page.goto(path)
    assert answer.status in (404, 422)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="To the newest deals").click()
    expect(page.locator("[data-deal]").first).to_be_visible()


@pytest.mark.check("page.escaped", severity="critical", source="CWE-79", subject="deal, review and comment")
@pytest.mark.writes
def test_markup_stays_text(page, author, new_deal):
    _, created = new_deal(title=MARKUP, description=MARKUP)
    assert created.status == 201
    deal = created.json()["id"]
    review = {"title": MARKUP, "body": MARKUP, "rating": 5}
    assert author.exchange("POST", f"/api/deals/{deal}/reviews", json=review).status == 201
    assert author.exchange("POST", f"/api/deals/{deal}/comments", json={"body": MARKUP}).status == 201
    page.goto("/")
    expect(page.locator(f"[data-deal='{deal}'] h2")).to_have_text(MARKUP)
    page.goto(f"/deals/{deal}")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(page.locator("[data-review] h3")).to_have_text(MARKUP)
    expect(page.locator("[data-comment] p").first).to_have_text(MARKUP)
    page.goto(f"/?q={MARKUP}")
    expect(page.get_by_role("searchbox")).to_have_value(MARKUP)
    assert "owned" not in page.title()
