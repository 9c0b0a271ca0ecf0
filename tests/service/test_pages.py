"""The pages as a client without a browser sees them: what they hold, who may have them, and what they refuse."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest

from tests.dealradar_process import OPERATOR, PASSWORD, USER, Running

COOKIE = "__Host-session"
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def open_browser(running: Running, email: str = "") -> httpx.Client:
    """A client that sends what a browser sends, logged in by the form if there is an e-mail address."""
    client = running.client()
    client.headers.update({**PAGE, "Origin": running.url, "Sec-Fetch-Site": "same-origin"})
    if email:
        answer = client.post("/login", data={"email": email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        # httpx keeps a Secure cookie and, unlike browsers, does not send it over plain HTTP to this machine.
        client.headers["Cookie"] = f"{COOKIE}={client.cookies[COOKIE]}"
    return client


def csrf_of(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/").text)
    assert found is not None
    return found[1]


def test_an_empty_field_of_the_search_says_nothing(service):
    client = open_browser(service)
    plain = client.get("/?q=&category=&sort=newest")
    assert plain.status_code == 200
    assert plain.text.count("data-deal=") == 24
    assert client.get("/?q=monitor&category=&sort=price").text.count("data-deal=") > 0


def test_next_leads_on_with_the_same_search(service):
    client = open_browser(service)
    seen: list[str] = []
    address = "/?category=phones&sort=-price&limit=5"
    while address:
        page = client.get(address).text
        seen += re.findall(r'data-deal="(\d+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    total = client.get("/api/deals?category=phones&limit=1").json()["total"]
    assert len(seen) == len(set(seen)) == total


ADDRESSES = {
    "/?sort=cheapest": 422,
    "/?category=NO": 422,
    "/?category=no-such": 200,
    "/?q=" + "x" * 101: 422,
    "/?q=%00": 422,
    "/?q=%ff": 200,
    "/?q=%22%27)%20OR%20(&sort=price": 200,
    "/?cursor=x": 422,
    "/?cursor=cheapest.1.1": 409,
    "/?cursor=deals.999999999999999.999999999999999": 200,
    "/?limit=0": 422,
    "/?limit=101": 422,
    "/deals/0": 422,
    "/deals/999999": 404,
    "/deals/" + "9" * 30: 422,
    "/deals/x": 422,
    "/deals/1?reviews=x": 422,
    "/deals/1?reviews=comments.1.1": 409,
    "/deals/1?comments=%00": 422,
    "/login?next=" + "x" * 4000: 200,
    "/alerts/1": 405,
    "/static/..%2fpages.py": 404,
    "/static/%00": 404,
}


def test_a_wrong_address_is_the_clients_mistake_and_told_as_a_page(service):
    client = open_browser(service)
    for path, status in ADDRESSES.items():
        answer = client.get(path)
        assert (path[:60], answer.status_code) == (path[:60], status)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>" in answer.text
        if status >= 400:
            for_program = client.get(path, headers={"Accept": "application/json"})
            assert for_program.headers["content-type"] == "application/problem+json"
            assert for_program.json()["status"] == status


def test_the_api_answers_browsers_with_problem_documents_too(service):
    client = open_browser(service)
    for path in ("/api/deals/999999", "/api/no-such", "/health/no-such"):
        assert client.get(path).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/login", "/logout", "/alerts/1", "/alerts/1/remove"])
def test_a_malformed_form_is_the_clients_mistake(service, path):
    client = open_browser(service, USER)
    as_form = {"Content-Type": "application/x-www-form-urlencoded"}
    token = csrf_of(client).encode()
    for content, headers, status in (
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"a=%ff&csrf=" + token, as_form, 400),
        (b"\xff=1", as_form, 400),
        (b"&".join(b"a=1" for _ in range(60)), as_form, 400),
        (b"email=%00&target=%00&csrf=" + token, as_form, 422),
        (b"x=" + b"y" * 70_000, as_form, 413),
        (b"", as_form, 403),
    ):
        answer = client.post(path, content=content, headers=headers)
        assert (content[:20], answer.status_code) == (content[:20], status)


NO_PRICES = ("", "x", "-1", "1e3", "0x10", "1,234.50", "1000000", "12.345", "٣", "12.", ".5")
PRICES = {"0": 0, "12": 1200, "12.5": 1250, " 12,05 ": 1205, "999999.99": 99_999_999}


def test_a_price_is_read_as_people_write_it(service, db):
    client = open_browser(service, USER)
    token = csrf_of(client)
    for target in NO_PRICES:
        answer = client.post("/alerts/5", data={"target": target, "csrf": token})
        assert (target, answer.status_code) == (target, 422)
        assert "12.50" in answer.text
        assert db.execute("SELECT FROM price_alerts WHERE user_id = 1 AND deal_id = 5").fetchone() is None
    for target, cents in PRICES.items():
        answer = client.post("/alerts/5", data={"target": target, "csrf": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
        found = db.execute("SELECT target_cents FROM price_alerts WHERE user_id = 1 AND deal_id = 5").fetchone()
        assert found == (cents,)
    assert client.post("/alerts/999999", data={"target": "1", "csrf": token}).status_code == 404


def test_nobody_sees_or_changes_the_alerts_of_another(service, db):
    user = open_browser(service, USER)
    operator = open_browser(service, OPERATOR)
    user.post("/alerts/5", data={"target": "1", "csrf": csrf_of(user)})
    assert 'data-deal="5"' in user.get("/alerts").text
    assert 'data-deal="5"' not in operator.get("/alerts").text
    operator.post("/alerts/5/remove", data={"csrf": csrf_of(operator)})
    assert db.execute("SELECT count(*) FROM price_alerts WHERE user_id = 1 AND deal_id = 5").fetchone() == (1,)


def test_who_ticks_a_box_is_told_by_mail_and_else_is_not(service, db):
    client = open_browser(service, USER)
    kept = "SELECT notify_price_drop, notify_price_alert, notify_new_review, notify_new_reply FROM users WHERE id = 1"
    assert client.get("/alerts").text.count("checked") == 4
    answer = client.post("/preferences", data={"notify_new_reply": "on", "csrf": csrf_of(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    assert db.execute(kept).fetchone() == (False, False, False, True)
    assert client.get("/alerts").text.count("checked") == 1
    assert client.post("/preferences", data={"notify_price_drop": "on"}).status_code == 403
    assert db.execute(kept).fetchone() == (False, False, False, True)


@pytest.mark.parametrize("path", ["/alerts", "/dashboard"])
def test_who_is_not_logged_in_is_led_to_the_form_and_back(service, path):
    client = open_browser(service)
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={quote(path, safe='')}")
    form = client.get(answer.headers["location"]).text
    assert f'name="next" value="{path}"' in form
    back = client.post("/login", data={"email": OPERATOR, "password": PASSWORD, "next": path})
    assert (back.status_code, back.headers["location"]) == (303, path)


def test_the_form_of_a_session_that_is_over_leads_to_the_login(service, db):
    client = open_browser(service, USER)
    fields = {"target": "1", "csrf": csrf_of(client)}
    db.execute("UPDATE sessions SET revoked_at = now() WHERE kind = 'browser'")
    for path in ("/alerts/5", "/alerts/5/remove", "/preferences"):
        answer = client.post(path, data=fields)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
    assert db.execute("SELECT count(*) FROM price_alerts WHERE user_id = 1 AND deal_id = 5").fetchone() == (0,)


def test_the_dashboard_is_for_operators_of_this_moment(service, db):
    user = open_browser(service, USER)
    operator = open_browser(service, OPERATOR)
    assert user.get("/dashboard").status_code == 403
    assert operator.get("/dashboard").status_code == 200
    assert operator.get("/api/metrics/overview").status_code == 200
    db.execute("UPDATE users SET role = 'user' WHERE email = %s", [OPERATOR])
    assert operator.get("/dashboard").status_code == 403
    assert operator.get("/api/metrics/overview").status_code == 403


def test_a_page_made_for_an_account_never_reaches_another_client(service):
    user = open_browser(service, USER)
    visitor = open_browser(service)
    for path in ("/", "/deals/1", "/?q=monitor"):
        for _ in range(2):
            own, public = user.get(path), visitor.get(path)
            assert "Log out" in own.text
            assert own.headers["cache-control"] == "no-store"
            assert own.headers["x-cache"] == "BYPASS"
            assert "Log out" not in public.text
        assert public.headers["x-cache"] == "HIT"


def test_files_are_kept_for_long_only_under_the_name_of_their_content(service):
    client = open_browser(service)
    page = client.get("/").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        for changed in (address.split("?")[0], address[:-1], address + "&v=2"):
            assert "immutable" not in client.get(changed).headers["cache-control"]


def test_no_page_has_inline_script_or_style(service):
    client = open_browser(service, OPERATOR)
    for path in ("/", "/deals/1", "/alerts", "/dashboard", "/no-such-page"):
        page = client.get(path).text
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
        assert [tag for tag in re.findall(r"<script[^>]*>", page) if "src=" not in tag] == []


def test_a_down_database_is_told_as_a_page(service, db):
    client = open_browser(service)
    db.execute("ALTER TABLE categories RENAME TO gone")
    answer = client.get("/?sort=price")
    assert answer.status_code == 500
    assert "<h1>Internal Server Error</h1>" in answer.text
    assert answer.headers["x-request-id"] in answer.text
