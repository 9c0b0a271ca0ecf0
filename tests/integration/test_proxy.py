"""The proxy before servers that say exactly what they are told to: what passes, and how."""

from __future__ import annotations

import pytest

from tests.proxied import OK, answering, before, connect, everything, keeping, said
from tests.scripted_server import Line


def test_a_request_reaches_the_service_as_it_was_sent() -> None:
    seen: list[bytes] = []
    lines = [
        b"PATCH /a%20b;c?x=1&x=2#not-cut HTTP/1.1",
        b"accept: a",
        b"X-Twice: 1",
        b"HOST: shop.example:1234",
        b"x-twice: 2",
        b"X-Empty: ",
        b"X-Latin: caf\xe9",
        b"content-LENGTH: 4",
    ]
    with before(keeping(seen)) as (url, _):
        said(url, b"\r\n".join(lines) + b"\r\n\r\nbody")
    assert seen == [b"\r\n".join(lines) + b"\r\n\r\nbody"]


def test_what_is_for_one_connection_ends_here() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, _):
        got = said(
            url,
            b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Mine\r\nX-Mine: 1\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: k\r\n\r\n",
        )
    assert seen == [b"GET /chat HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: k\r\n\r\n"]
    assert got == OK


def test_a_request_in_chunks_arrives_with_its_length() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, _):
        said(
            url, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n", b"2\r\ndy\r\n0\r\n\r\n"
        )
    assert seen == [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"]


def test_a_request_of_no_length_stays_one() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, _):
        said(url, b"POST /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert seen == [
        b"POST /1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    ]


def test_an_answer_comes_back_as_it_was_said() -> None:
    answer = (
        b'HTTP/1.1 422 Unprocessable Content\r\nset-cookie: a=1; HttpOnly\r\nETag: W/"1"\r\n'
        b"Set-Cookie: b=caf\xe9\r\nContent-length: 5\r\nX-Last:  spaced \r\n\r\nerror"
    )
    with before(answering(answer)) as (url, _):
        got = said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    # HTTP knows no spaces around a value, and a status has the phrase of its standard
    wanted = answer.replace(b" spaced ", b"spaced").replace(b"Unprocessable Content", b"Unprocessable Entity")
    assert got.replace(b"Unprocessable Content", b"Unprocessable Entity") == wanted


@pytest.mark.parametrize(
    ("request_line", "answer", "got"),
    [
        (b"HEAD / HTTP/1.1", b"200 OK\r\nContent-Length: 512\r\n\r\n", b"200 OK\r\nContent-Length: 512\r\n\r\n"),
        (b"HEAD / HTTP/1.1", b"200 OK\r\nX: 1\r\n\r\n", b"200 OK\r\nX: 1\r\n\r\n"),
        (b"GET / HTTP/1.1", b"204 No Content\r\nX: 1\r\n\r\n", b"204 No Content\r\nX: 1\r\n\r\n"),
        (b"GET / HTTP/1.1", b'304 Not Modified\r\nETag: "1"\r\n\r\n', b'304 Not Modified\r\nETag: "1"\r\n\r\n'),
        (b"GET / HTTP/1.1", b"200 OK\r\nConnection: close\r\n\r\nall", b"200 OK\r\nContent-Length: 3\r\n\r\nall"),
        (
            b"GET / HTTP/1.1",
            b"200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n3\r\nall\r\n0\r\nX-Trailer: 1\r\n\r\n",
            b"200 OK\r\nX: 1\r\nContent-Length: 3\r\n\r\nall",
        ),
    ],
)
def test_lengths_are_those_of_the_message(request_line, answer, got) -> None:
    def script(line: Line) -> None:
        if line.read():
            line.say(b"HTTP/1.1 " + answer)

    with before(script) as (url, _):
        assert said(url, request_line + b"\r\nHost: x\r\n\r\n") == b"HTTP/1.1 " + got


def test_early_hints_pass_and_100_is_for_who_asked() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    with before(answering(answer)) as (url, _):
        got = said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, _), connect(url) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert sock.recv(1000) == OK
    assert seen[0].endswith(b"\r\n\r\nbody")


def test_an_old_client_is_answered_and_closed() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, server), connect(url) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert everything(sock) == OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert seen == [f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()]


def test_a_client_that_wants_no_more_is_closed() -> None:
    with before(answering(OK)) as (url, _), connect(url) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(sock).count(b"Connection: close") == 1
