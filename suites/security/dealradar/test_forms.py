"""Forms of the pages: whatever the browser sends unasked (the cookie) changes nothing by itself."""

import pytest

from harness.testing.probes import account_of, parse_set_cookie

COOKIE = "__Host-session"


@pytest.fixture
def log_in(new_client, target, stack_info, learn_secret):
    """`log_in("user", next="/alerts")`: the answer to the form, and the Cookie header of the session."""

    def send(role, **fields):
        email, password = account_of(target, stack_info, role)
        client = new_client(headers={"Origin": stack_info.url, "Sec-Fetch-Site": "same-origin"})
        answer = client.exchange("POST", "/login", data={"email": email, "password": password, **fields})
        value = client.cookies.get(COOKIE, "")
        learn_secret([value])
        return answer, f"{COOKIE}={value}"

    return send


@pytest.mark.check(
    "cookies.session", severity="critical", source="RFC 6265bis; OWASP ASVS 5, V3.3", subject="POST /login"
)
@pytest.mark.writes
def test_the_session_is_secure_for_this_host_and_hidden_from_scripts(log_in):
    answer, _ = log_in("user")
    (cookie,) = (parse_set_cookie(line) for line in answer.header_lines("Set-Cookie"))
    assert cookie.name == COOKIE
    assert (cookie.secure, cookie.http_only, cookie.same_site) == (True, True, "lax")
    assert cookie.problems == ()
    assert cookie.value_length >= 40


@pytest.mark.check("csrf.refused", severity="critical", source="CWE-352", subject="POST {path}, {what}")
@pytest.mark.writes
@pytest.mark.attacks
@pytest.mark.parametrize("path", ["/alerts/1", "/alerts/1/remove", "/preferences", "/logout"])
@pytest.mark.parametrize(
    "what", ["no token", "a made-up token", "another session's token", "another site", "no origin"]
)
def test_a_form_that_no_page_of_ours_sent_is_refused(log_in, new_client, stack_info, path, what):
    _, cookie = log_in("user")
    own, fields = {"Origin": stack_info.url}, {"target": "1", "csrf": token_of(new_client, cookie)}
    if what == "no token":
        del fields["csrf"]
    elif what == "a made-up token":
        fields["csrf"] = "0" * 64
    elif what == "another session's token":
        fields["csrf"] = token_of(new_client, log_in("user")[1])
    elif what == "another site":
        own = {"Origin": "https://stranger.example", "Sec-Fetch-Site": "cross-site"}
    else:
        own = {}
    browser = new_client(headers={"Cookie": cookie, **own})
    assert browser.exchange("POST", path, data=fields).status == 403
    assert browser.exchange("GET", "/alerts").status == 200, "the session is gone"
    mine = browser.exchange("GET", "/api/me/alerts", params={"limit": 100}).json()["items"]
    assert [alert for alert in mine if alert["deal_id"] == 1 and alert["target_cents"] == 100] == []


@pytest.mark.check("csrf.accepted", severity="high", subject="POST /logout")
@pytest.mark.writes
def test_the_form_of_our_page_is_accepted(log_in, new_client, stack_info):
    _, cookie = log_in("user")
    browser = new_client(headers={"Cookie": cookie, "Origin": stack_info.url})
    answer = browser.exchange("POST", "/logout", data={"csrf": token_of(new_client, cookie)})
    assert answer.status == 303
    assert browser.exchange("GET", "/alerts").status == 303


def token_of(new_client, cookie):
    """The token in the form of a page."""
    page = new_client(headers={"Cookie": cookie}).exchange("GET", "/alerts").text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.mark.check("csrf.login", severity="high", source="CWE-352", subject="POST /login from {origin}")
@pytest.mark.writes
@pytest.mark.attacks
@pytest.mark.parametrize("origin", ["https://stranger.example", "null", "http://127.0.0.1"])
def test_no_other_site_logs_anybody_in(new_client, target, stack_info, origin):
    email, password = account_of(target, stack_info, "user")
    client = new_client(headers={"Origin": origin})
    answer = client.exchange("POST", "/login", data={"email": email, "password": password})
    assert answer.status == 403
    assert answer.header_lines("Set-Cookie") == ()


@pytest.mark.check("csrf.api", severity="critical", source="CWE-352", subject="{method} {path}")
@pytest.mark.writes
@pytest.mark.attacks
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/deals"),
        ("POST", "/api/deals/1/reviews"),
        ("PATCH", "/api/deals/1"),
        ("DELETE", "/api/deals/1"),
        ("PUT", "/api/me/alerts/1"),
        ("DELETE", "/api/me/watchlist/1"),
        ("POST", "/api/auth/logout"),
    ],
)
def test_the_cookie_alone_changes_nothing_through_the_api(log_in, new_client, stack_info, method, path):
    _, cookie = log_in("operator")
    browser = new_client(headers={"Cookie": cookie, "Origin": stack_info.url, "Sec-Fetch-Site": "same-origin"})
    assert browser.exchange(method, path, json={}).status == 401


@pytest.mark.check("input.open_redirect", severity="high", source="CWE-601", subject="next={target_path}")
@pytest.mark.writes
@pytest.mark.attacks
@pytest.mark.parametrize(
    "target_path",
    [
        "https://stranger.example/",
        "//stranger.example/",
        "/\\stranger.example/",
        "\\\\stranger.example/",
        "/\t/stranger.example/",
        "/\r\nLocation: https://stranger.example/",
        "javascript:alert(1)",
        " //stranger.example",
        "stranger.example",
        "",
    ],
)
def test_a_login_leads_nowhere_else(log_in, target_path):
    answer, _ = log_in("user", next=target_path)
    assert answer.status == 303
    assert answer.header_lines("Location") == ("/",)


@pytest.mark.check("input.redirect", subject="next=/alerts")
@pytest.mark.writes
def test_a_login_leads_where_one_wanted(log_in):
    answer, _ = log_in("user", next="/alerts?cursor=x")
    assert answer.header("Location") == "/alerts?cursor=x"


@pytest.mark.check("headers.account_pages", severity="high", source="RFC 9111, 5.2.2.5", subject="GET {path}")
@pytest.mark.writes
@pytest.mark.parametrize("path", ["/", "/deals/1", "/alerts"])
def test_pages_of_an_account_are_kept_by_nobody(log_in, new_client, path):
    _, cookie = log_in("user")
    answer = new_client(headers={"Cookie": cookie}).exchange("GET", path)
    assert answer.status == 200
    assert "no-store" in answer.header("Cache-Control")
    assert "Log out" in answer.text
    assert "Log out" not in new_client().exchange("GET", path).text
