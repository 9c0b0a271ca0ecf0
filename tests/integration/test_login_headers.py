"""Logins of every kind: what a request of an account carries, and what a refused one says."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

import msgspec
import pytest

from harness.model import Auth, Role, Service, StackInfo, Target
from harness.probes.login_headers import login_headers
from harness.probes.page_parts import read_parts

FORM = (
    '<form action="/search"><input type="hidden" name="other" value="1"></form>'
    '<form method="post"><input type="hidden" name="csrf" value="t0"><input name="user">'
    '<input type="password" name="pass"></form>'
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes ada's word, as JSON at `/json`, as a form at `/form` (with its token), for a token at `/token`.

    `/behind` is that form of a service with TLS in front of it.
    """

    def do_GET(self):
        self.answer(200, FORM, ("Set-Cookie", "csrf=t0; Secure" if self.path == "/behind" else "csrf=t0"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        is_json = "json" in self.headers["Content-Type"]
        said = msgspec.json.decode(body) if is_json else {key: one for key, (one,) in parse_qs(body).items()}
        good = said.get("pass") == "word" and said.get("user", "ada") == "ada"
        by_form = self.path in ("/form", "/behind")
        if by_form:
            cookies = SimpleCookie(self.headers["Cookie"])
            good = good and not is_json and said["csrf"] == cookies["csrf"].value and bool(self.headers["Referer"])
            if not good:
                self.answer(200, FORM, ("Set-Cookie", "csrf=t1"))
                return
        token = '{"data": {"auth_token": "t"}}'
        self.answer(302 if good and by_form else 200 if good else 401, token, ("Set-Cookie", "sid=s"))

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "text/html" if body is FORM else "application/json")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_words):
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


BODY = {"user": "{username}", "pass": "{password}"}


def headers_of(url: str, auth: Auth, role: Role | None = None) -> dict[str, str]:
    known = Auth(**{name: getattr(auth, name) for name in Auth.__slots__} | {"roles": {"user": role or ADA}})
    target = Target(name="t", source="", service=Service(url=url), auth=known)
    return login_headers(target, StackInfo(name="t", backend="attach", target="t", url=url, owned=False), "user")


ADA = Role(username="ada", password="word")
BASIC = "Basic " + base64.b64encode(b"ada:word").decode()
CASES = {
    "basic": (Auth(kind="basic"), {"Authorization": BASIC}),
    "key": (Auth(kind="key"), {"X-API-Key": "word"}),
    "key elsewhere": (Auth(kind="key", header="X-Auth"), {"X-Auth": "word"}),
    "token": (Auth(login="/token", body=BODY, token="data.auth_token"), {"Authorization": "Bearer t"}),
    "token by form": (
        Auth(login="/token", body=BODY, form=True, token="data.auth_token", prefix="Token"),
        {"Authorization": "Token t"},
    ),
    "session by JSON": (Auth(kind="cookie", login="/json", body=BODY), {"Cookie": "sid=s"}),
    "session by form": (Auth(kind="cookie", login="/form", body=BODY, form=True), {"Cookie": "csrf=t0; sid=s"}),
    "session by form behind TLS": (
        Auth(kind="cookie", login="/behind", body=BODY, form=True),
        {"Cookie": "csrf=t0; sid=s"},
    ),
    "password only": (Auth(kind="cookie", login="/json", body={"pass": "{password}"}), {"Cookie": "sid=s"}),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_login_carries_its_own(url, kind):
    auth, carried = CASES[kind]
    assert headers_of(url, auth) == carried


@pytest.mark.parametrize("kind", ["token", "token by form", "session by JSON", "session by form", "password only"])
def test_a_refused_account_is_said_to_be_one(url, kind):
    with pytest.raises(AssertionError, match="login as user"):
        headers_of(url, CASES[kind][0], Role(username="ada", password="wrong"))


def test_the_form_to_log_in_by_is_told_from_others():
    form = read_parts(FORM).login
    assert (form.method, form.username.name, form.password.name, form.hidden) == (
        "post",
        "user",
        "pass",
        {"csrf": "t0"},
    )
