"""The page of deals, in a browser."""

import pytest
from playwright.sync_api import expect


@pytest.mark.check("page.deals", severity="critical")
def test_the_page_shows_the_newest_deals(page, page_problems, client):
    newest = client.exchange("GET", "/api/deals", params={"limit": 100}).json()["items"]
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shown = page.locator("[data-deal]").evaluate_all("all => all.map(e => Number(e.dataset.deal))")
    assert len(shown) >= 10
    assert set(shown) <= {deal["id"] for deal in newest}
    assert page_problems.all == []


@pytest.mark.check("page.filter", severity="high")
def test_the_filter_hides_what_does_not_match(page):
    page.goto("/")
    first = page.locator("[data-deal] h2").first.inner_text()
    page.get_by_role("searchbox").fill(first)
    expect(page.locator("[data-deal]:visible").first).to_contain_text(first)
    page.get_by_role("searchbox").fill("no deal is called this")
    expect(page.locator("[data-deal]:visible")).to_have_count(0)
    expect(page.get_by_role("status")).not_to_be_empty()


@pytest.mark.check("page.keyboard", source="WCAG 2.2, 2.1.1")
def test_the_filter_is_reached_by_keyboard(page):
    page.goto("/")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "filter":
            break
    expect(page.locator("#filter")).to_be_focused()


@pytest.mark.check("page.escaped", severity="critical", source="CWE-79")
@pytest.mark.writes
def test_markup_in_a_deal_stays_text(page, new_client, db):
    merchant = db.execute("SELECT slug FROM merchants ORDER BY id LIMIT 1").fetchone()[0]
    category = db.execute("SELECT slug FROM categories ORDER BY id LIMIT 1").fetchone()[0]
    title = "<img src=x onerror=document.title='owned'><b>bold</b>"
    body = {"title": title, "description": "x", "merchant": merchant, "category": category}
    created = new_client(role="user").exchange(
        "POST", "/api/deals", json={**body, "price_cents": 1, "list_price_cents": 2}
    )
    assert created.status == 201
    page.goto("/")
    shown = page.locator(f"[data-deal='{created.json()['id']}'] h2")
    expect(shown).to_have_text(title)
    assert page.title() != "owned"
