"""Logging in and out, and the alerts of an account, in a browser."""

import pytest
from playwright.sync_api import expect

from harness.testing.probes import account_of


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def tab_to(page, what):
    """Press Tab until that element has the focus, and see that it is shown to have it."""
    for _ in range(25):
        page.keyboard.press("Tab")
        if focused(page) == what:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"the focus of {what!r} cannot be seen"
            return
    pytest.fail(f"{what!r} is not reached by Tab; the focus is on {focused(page)!r}")


@pytest.fixture
def account(target, stack_info):
    return account_of(target, stack_info, "user")


@pytest.mark.check("page.login", severity="critical", source="WCAG 2.2, 2.1.1 and 2.4.7", subject="by keyboard alone")
@pytest.mark.writes
def test_a_login_by_keyboard_leads_where_one_wanted_and_a_logout_ends_it(page, new_page, page_problems, account):
    page.goto("/alerts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    tab_to(page, "email")
    page.keyboard.type(account[0])
    tab_to(page, "password")
    page.keyboard.type(account[1])
    tab_to(page, "Log in")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My alerts")
    copied = page.context.storage_state()
    tab_to(page, "Log out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    assert page.context.cookies() == []
    thief = new_page(storage_state=copied)
    for browser in (page, thief):
        browser.goto("/alerts")
        expect(browser.get_by_role("heading", level=1)).to_have_text("Log in")
    assert page_problems.all == []


@pytest.mark.check("page.login_refused", severity="high", source="WCAG 2.2, 3.3.1")
@pytest.mark.writes
@pytest.mark.parametrize("email", ["user@dealradar.test", "nobody@dealradar.test"])
def test_a_wrong_password_is_told_and_opens_nothing(page, email):
    page.goto("/login?next=/alerts")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill("certainly wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    expect(page.get_by_label("E-mail address")).to_have_value(email)
    expect(page.get_by_label("Password")).to_have_value("")
    assert page.context.cookies() == []


@pytest.mark.check("page.alerts", severity="high", subject="script {script}")
@pytest.mark.writes
@pytest.mark.parametrize(("script", "deal"), [("on", 2), ("off", 3)])
def test_an_alert_is_set_changed_and_removed(new_page, new_client, script, deal):
    api = new_client(role="user")
    page = new_page(role="user", java_script_enabled=script == "on")
    page.goto(f"/deals/{deal}")
    page.get_by_label("My price in euro").fill("12,50")
    page.get_by_role("button", name="Set alert").click()
    mine = page.locator(f"[data-deal='{deal}']")
    expect(mine).to_contain_text("€12.50")
    assert targets(api)[deal] == 1250
    mine.get_by_label("New price in euro").fill("7")
    mine.get_by_role("button", name="Change").click()
    expect(mine).to_contain_text("€7.00")
    assert targets(api)[deal] == 700
    mine.get_by_role("button", name="Remove").click()
    expect(mine).to_have_count(0)
    assert deal not in targets(api)


def targets(api):
    """Deal -> price that the account waits for, as the API says it."""
    items = api.exchange("GET", "/api/me/alerts", params={"limit": 100}).json()["items"]
    return {alert["deal_id"]: alert["target_cents"] for alert in items}


@pytest.mark.check("page.forbidden", severity="high", source="RFC 9110, 15.5.4", subject="/dashboard")
def test_the_dashboard_is_not_for_everybody(new_page):
    page = new_page(role="user")
    answer = page.goto("/dashboard")
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Forbidden")
    page.goto("/")
    expect(page.get_by_role("link", name="Dashboard")).to_have_count(0)
