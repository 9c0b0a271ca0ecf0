"""CORS answers, read as the Fetch standard has browsers read them, from a server that the test scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.probes.cors import CorsAnswer, ask_cors
from harness.probes.http import RecordingClient

ORIGIN = "https://app.example"
Lines = dict[str, str]


@contextmanager
def serving(simple: Lines, preflight: Lines, status: int = 204) -> Iterator[tuple[str, list[tuple[str, Lines]]]]:
    seen: list[tuple[str, Lines]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, lines: Lines) -> None:
            seen.append((self.command, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(status)
            for name, value in lines.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self._answer(200, simple)

        def do_OPTIONS(self) -> None:
            self._answer(status, preflight)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(simple: Lines, preflight: Lines, *, status: int = 204, method: str = "PUT") -> CorsAnswer:
    with serving(simple, preflight, status) as (url, _), RecordingClient(url) as client:
        return ask_cors(client, "/api", ORIGIN, method=method)


def allow(origin: str = ORIGIN, **more: str) -> Lines:
    return {
        "Access-Control-Allow-Origin": origin,
        **{f"Access-Control-{name.replace('_', '-')}": value for name, value in more.items()},
    }


FULL = allow(Allow_Methods="GET, PUT", Allow_Headers="Authorization, Content-Type", Max_Age="600")


def test_both_requests_are_what_a_browser_sends() -> None:
    with serving({}, {}) as (url, seen), RecordingClient(url) as client:
        ask_cors(client, "/api", ORIGIN, headers=("Content-Type", "Authorization"))
    (first, simple), (second, preflight) = seen
    assert (first, second) == ("GET", "OPTIONS")
    assert simple["origin"] == preflight["origin"] == ORIGIN
    assert preflight["access-control-request-method"] == "PUT"
    assert preflight["access-control-request-headers"] == "authorization,content-type"
    assert "access-control-request-method" not in simple


def test_an_origin_that_is_let_in() -> None:
    seen = ask(
        {**allow(Allow_Credentials="true"), "Vary": "Accept-Encoding, Origin"},
        {**FULL, "Access-Control-Allow-Credentials": "true"},
    )
    assert seen.may_read
    assert seen.may_read_with_credentials
    assert seen.may_send
    assert seen.varies_by_origin
    assert seen.preflight_max_age_s == 600
    assert not seen.lets_in_anyone


def test_a_service_that_says_nothing_lets_nobody_in() -> None:
    seen = ask({}, {})
    open_ways = (seen.may_read, seen.may_read_with_credentials, seen.may_send, seen.varies_by_origin)
    assert not any(open_ways)
    assert seen.preflight_max_age_s is None


@pytest.mark.parametrize(
    "origin", ["https://app.example/", "https://APP.example", "null", f"{ORIGIN}, {ORIGIN}", "http://app.example"]
)
def test_another_origin_is_no_permission(origin: str) -> None:
    assert not ask(allow(origin), {}).may_read


def test_the_wildcard_reads_but_never_with_credentials() -> None:
    seen = ask(allow("*", Allow_Credentials="true"), {})
    assert seen.may_read
    assert seen.lets_in_anyone
    assert not seen.may_read_with_credentials


def test_credentials_need_the_exact_word() -> None:
    assert not ask(allow(Allow_Credentials="True"), {}).may_read_with_credentials


@pytest.mark.parametrize(
    ("preflight", "status"),
    [
        (FULL, 403),
        (allow("https://other.example", Allow_Methods="PUT", Allow_Headers="authorization, content-type"), 204),
        (allow(Allow_Methods="GET", Allow_Headers="authorization, content-type"), 204),
        (allow(Allow_Methods="PUT", Allow_Headers="content-type"), 204),
        (allow(Allow_Methods="*", Allow_Headers="*"), 204),  # the wildcard leaves Authorization out
    ],
)
def test_a_preflight_that_does_not_let_through(preflight: Lines, status: int) -> None:
    assert not ask({}, preflight, status=status).may_send


def test_a_simple_method_needs_no_mention() -> None:
    assert ask({}, allow(Allow_Headers="authorization, content-type"), method="POST").may_send


CREDENTIALS = {"Access-Control-Allow-Credentials": "true"}


@pytest.mark.parametrize(
    ("preflight", "status", "let_through"),
    [
        ({**FULL, **CREDENTIALS}, 204, True),
        (FULL, 204, False),
        ({**FULL, **CREDENTIALS}, 403, False),
        ({**FULL, **CREDENTIALS, "Access-Control-Allow-Origin": "*"}, 204, False),
        ({**FULL, **CREDENTIALS, "Access-Control-Allow-Methods": "*"}, 204, False),  # no wildcard with credentials
        ({**FULL, **CREDENTIALS, "Access-Control-Allow-Headers": "*"}, 204, False),
    ],
)
def test_who_sends_with_the_users_cookies(preflight: Lines, status: int, *, let_through: bool) -> None:
    assert ask({}, preflight, status=status).may_send_with_credentials is let_through


def test_a_number_of_any_length_is_read() -> None:
    assert ask({}, {**FULL, "Access-Control-Max-Age": "9" * 5000}).preflight_max_age_s == 2**31
