"""The cookie of the pages, and which forms are taken for ours."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.dealradar_process import OPERATOR, PASSWORD, USER, Running

OURS = {"Origin": "http://127.0.0.1:8000"}  # PUBLIC_URL of the tests
FORM = "application/x-www-form-urlencoded"


def _post(client: httpx.Client, path: str, fields: dict[str, str], headers: dict[str, str]) -> httpx.Response:
    return client.post(path, data=fields, headers=headers)


def _login(service: Running, email: str = USER, headers: dict[str, str] | None = None) -> httpx.Response:
    return _post(service.client(), "/login", {"email": email, "password": PASSWORD}, headers or OURS)


def _cookie(answer: httpx.Response) -> dict[str, str]:
    """What a browser sends from then on; the client here would not send a Secure cookie over plain HTTP."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def _token(service: Running, cookie: dict[str, str]) -> str:
    page = service.client().get("/", headers=cookie).raise_for_status().text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, "the page holds no CSRF token"
    return found[1]


def test_a_login_sets_a_cookie_that_only_we_get_and_no_script_sees(service, db):
    answer = _login(service)
    assert answer.status_code == 303
    name_and_value, *flags = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"__Host-session=[A-Za-z0-9_-]{43}", name_and_value)
    assert sorted(flag.lower() for flag in flags) == ["httponly", "max-age=86400", "path=/", "samesite=lax", "secure"]
    assert service.client().get("/api/auth/me", headers=_cookie(answer)).json()["email"] == USER
    (stored,) = db.execute("SELECT token_hash FROM sessions WHERE kind = 'browser' ORDER BY id DESC LIMIT 1").fetchone()
    assert name_and_value.partition("=")[2].encode() not in stored


def test_a_second_login_has_another_session_and_ends_the_first(service):
    first = _cookie(_login(service))
    token = _token(service, first)
    fields = {"email": OPERATOR, "password": PASSWORD, "csrf": token}
    second = _cookie(_post(service.client(), "/login", fields, OURS | first))
    assert second != first
    client = service.client()
    assert client.get("/api/auth/me", headers=first).status_code == 401
    assert client.get("/api/auth/me", headers=second).json()["email"] == OPERATOR


def test_a_session_that_the_browser_brings_is_not_taken_over(service):
    planted = {"Cookie": "__Host-session=" + "p" * 43}
    answer = _login(service, headers=OURS | planted)
    assert _cookie(answer) != planted
    assert service.client().get("/api/auth/me", headers=planted).status_code == 401


def test_a_logout_ends_the_session_and_takes_the_cookie_back(service):
    cookie = _cookie(_login(service))
    answer = _post(service.client(), "/logout", {"csrf": _token(service, cookie)}, OURS | cookie)
    assert answer.status_code == 303
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert service.client().get("/api/auth/me", headers=cookie).status_code == 401


ELSEWHERE = (
    {},
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:8000.evil.test"},
    {"Origin": "https://127.0.0.1:8000"},
    {"Origin": "http://evil.test", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "cross-site"},
)


def test_a_form_from_elsewhere_is_refused_whatever_it_holds(service, db, browser_cookie):
    cookie = browser_cookie(USER)
    token = _token(service, cookie)
    client = service.client()
    for headers in ELSEWHERE:
        fields = {"target": "1.00", "csrf": token}
        assert _post(client, "/alerts/5", fields, cookie | headers).status_code == 403, headers
        assert _login(service, headers=headers or {"X-None": "x"}).status_code == 403, headers
    assert db.execute("SELECT count(*) FROM price_alerts WHERE user_id = 1 AND target_cents = 100").fetchone() == (0,)


@pytest.mark.parametrize("headers", [OURS, {"Sec-Fetch-Site": "same-origin"}, "host"], ids=str)
def test_a_form_of_ours_is_taken(service, db, browser_cookie, headers):
    cookie = browser_cookie(USER)
    own = {"Origin": service.url} if headers == "host" else headers
    answer = _post(service.client(), "/alerts/5", {"target": "1.00", "csrf": _token(service, cookie)}, cookie | own)
    assert answer.status_code == 303
    assert db.execute("SELECT target_cents FROM price_alerts WHERE user_id = 1 AND deal_id = 5").fetchone() == (100,)


def test_only_the_token_of_the_session_itself_is_taken(service, db, browser_cookie):
    cookie, other = browser_cookie(USER), browser_cookie(USER)
    client = service.client()
    wrong = ("", "x", "\u00e9" * 64, "0" * 64, _token(service, other), cookie["Cookie"].partition("=")[2])
    for fields in ({}, *({"csrf": token} for token in wrong)):
        answer = _post(client, "/alerts/5", {"target": "1.00", **fields}, cookie | OURS)
        assert answer.status_code == 403, fields
        assert _post(client, "/logout", {"x": "", **fields}, cookie | OURS).status_code == 403, fields
    assert db.execute("SELECT count(*) FROM price_alerts WHERE user_id = 1 AND target_cents = 100").fetchone() == (0,)
    assert client.get("/api/auth/me", headers=cookie).status_code == 200


def test_what_is_no_form_is_the_clients_fault(service):
    client = service.client()
    bodies = {
        b'{"email": "a"}': ("application/json", 415),
        b"email=a": ("multipart/form-data; boundary=x", 415),
        b"": ("", 415),
        b"\xff\xfe": (FORM, 400),
        b"email=%ff%fe": (FORM, 400),
        b"a=1&" * 51: (FORM, 400),
        b"email=a%00b&password=x": (FORM, 422),
        b"email%00=a&password=x": (FORM, 422),
    }
    for body, (kind, status) in bodies.items():
        answer = client.post("/login", content=body, headers=OURS | {"Content-Type": kind})
        assert answer.status_code == status, body
        assert "Traceback" not in answer.text
