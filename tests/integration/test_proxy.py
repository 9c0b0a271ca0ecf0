"""The proxy before servers that say exactly what they are told to: what passes, what ends here, what is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.proxy import Answer, Request, Send, UpstreamError, pass_on, running_proxy
from harness.proxy.wire import MAX_BODY
from harness.pytest_plugin.waiting import eventually
from tests.scripted_server import Line, Script, ScriptedServer

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SECONDS = 30.0


def answering(*answers: bytes) -> Script:
    """One answer after another to whatever comes, the last one for good."""

    def script(line: Line) -> None:
        number = 0
        while line.read():
            line.say(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def keeping(seen: list[bytes], answer: bytes = _OK) -> Script:
    def script(line: Line) -> None:
        while request := line.read():
            seen.append(request)
            line.say(answer)

    return script


@contextlib.contextmanager
def before(script: Script, **options) -> Iterator[tuple[str, ScriptedServer]]:
    with ScriptedServer(script) as server, running_proxy([server.url], **options) as proxy:
        yield proxy.url, server


def connect(url: str, source: str = "") -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), _SECONDS, (source, 0) if source else None)


def said(url: str, *pieces: bytes) -> bytes:
    """All that comes back for these bytes, until the proxy closes."""
    with connect(url) as sock:
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        return everything(sock)


def everything(sock: socket.socket) -> bytes:
    got = bytearray()
    while data := sock.recv(65_536):
        got += data
    return bytes(got)


# --- what passes


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
    assert got == _OK


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
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _OK
    with before(answering(answer)) as (url, _):
        got = said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _OK


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, _), connect(url) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert sock.recv(1000) == _OK
    assert seen[0].endswith(b"\r\n\r\nbody")


def test_an_old_client_is_answered_and_closed() -> None:
    seen: list[bytes] = []
    with before(keeping(seen)) as (url, server), connect(url) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert everything(sock) == _OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert seen == [f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()]


def test_a_client_that_wants_no_more_is_closed() -> None:
    with before(answering(_OK)) as (url, _), connect(url) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(sock).count(b"Connection: close") == 1


# --- whose connection it is


def test_requests_go_round_and_a_server_that_is_gone_keeps_its_turn() -> None:
    with ScriptedServer(answering(_OK.replace(b"ok", b"1!"))) as one, ScriptedServer(answering(_OK)) as gone:
        gone.close()
        with running_proxy([one.url, gone.url]) as proxy:
            outcomes: list[str] = []
            for _ in range(6):
                try:
                    outcomes.append(httpx.get(proxy.url).text)
                except httpx.RemoteProtocolError:
                    outcomes.append("cut")
    assert outcomes == ["1!", "cut"] * 3


def test_the_service_sees_its_clients_address_on_connections_of_its_own() -> None:
    with before(answering(_OK)) as (url, server):
        for source in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
            with connect(url, source) as sock:
                for _ in range(3):
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert sock.recv(1000) == _OK
    assert server.peers == ["127.0.0.1", "127.0.0.2", "127.1.2.3"]


def test_a_service_on_ipv6_is_reached_from_there() -> None:
    try:
        server = ScriptedServer(answering(_OK), "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server, running_proxy([server.url]) as proxy:
        assert httpx.get(f"http://[::1]:{proxy.port}/").text == "ok"
        assert httpx.get(proxy.url).text == "ok"
    assert server.peers == ["::1", "::1"]


def test_a_connection_that_the_service_closes_when_idle_is_never_seen() -> None:
    """It says keep-alive, and closes after each answer: every request but the first finds its connection gone."""

    def script(line: Line) -> None:
        if line.read():
            line.say(_OK)

    with before(script) as (url, server), httpx.Client(base_url=url) as client:
        for method in ("GET", "POST", "GET", "PUT", "POST", "DELETE") * 20:
            assert client.request(method, "/").text == "ok"
    assert len(server.peers) == 120


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_nobody_read_is_sent_once_more(method) -> None:
    """The service resets a kept connection under a request's feet."""
    may_reset = threading.Event()

    def script(line: Line) -> None:
        assert line.read()
        line.say(_OK)
        if line.number == 0:
            assert may_reset.wait(_SECONDS)
            line.reset()

    async def hold(request: Request, send: Send) -> Answer:
        may_reset.set()
        return await send(request)

    with ScriptedServer(script) as server, running_proxy([server.url]) as proxy, httpx.Client() as client:
        client.get(proxy.url)
        proxy.handler = hold
        assert client.request(method, proxy.url).text == "ok"


def test_a_request_that_was_read_and_then_cut_is_not_sent_again() -> None:
    seen: list[bytes] = []

    def script(line: Line) -> None:
        seen.append(line.read())
        line.say(_OK)
        seen.append(line.read())

    with before(script) as (url, _), httpx.Client(base_url=url) as client:
        client.get("/1")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/2")
    assert [request.split()[1] for request in seen] == [b"/1", b"/2"]


def test_what_comes_unasked_on_a_kept_connection_is_no_answer() -> None:
    unasked = threading.Event()

    def script(line: Line) -> None:
        line.read()
        line.say(_OK + (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n" if line.number == 0 else b""))
        unasked.set()
        line.read()

    with before(script) as (url, _), httpx.Client(base_url=url) as client:
        client.get("/")
        assert unasked.wait(_SECONDS)
        assert client.get("/").status_code == 200


# --- what is cut, and what is refused


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsh",
        b"220 smtp.example.org ESMTP\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_a_service_that_cuts_or_sends_no_http_has_its_client_cut(answer) -> None:
    def script(line: Line) -> None:
        line.read()
        line.say(answer)

    with before(script) as (url, _):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2**22 + b"\r\n\r\n", 431),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01", 400),
    ],
)
def test_what_is_no_http_is_refused_and_not_passed_on(request_, status) -> None:
    with before(answering(_OK)) as (url, server):
        got = said(url, request_)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert server.peers == []


def test_a_body_that_is_cut_never_reaches_the_service() -> None:
    with before(answering(_OK)) as (url, server):
        said(url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort")
    assert server.peers == []


def test_a_message_that_is_too_long_is_cut() -> None:
    size = MAX_BODY + 2**21

    def script(line: Line) -> None:
        line.read()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    with before(script) as (url, server):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        with pytest.raises(httpx.TransportError):
            httpx.post(url, content=bytes(size), timeout=_SECONDS)
        assert len(server.peers) == 1


def test_a_long_message_passes() -> None:
    body = bytes(range(256)) * 40_000

    def script(line: Line) -> None:
        request = line.read()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + request.partition(b"\r\n\r\n")[2])

    with before(script) as (url, _):
        assert httpx.post(url, content=body, timeout=_SECONDS).content == body


def test_an_answer_before_the_whole_body_was_read_is_an_answer() -> None:
    def script(line: Line) -> None:
        line.sock.recv(1000)
        line.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        # a server that closes with bytes unread has the system reset the connection

    with before(script) as (url, _):
        for _ in range(20):
            assert httpx.post(url, content=bytes(5_000_000), timeout=_SECONDS).status_code == 413


def test_a_service_is_told_that_its_client_left() -> None:
    told = threading.Event()

    def script(line: Line) -> None:
        line.read()
        assert line.read() == b""
        told.set()

    with before(script) as (url, server):
        with connect(url) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: server.peers, "the request at the service", seconds=_SECONDS)
        assert told.wait(_SECONDS)


# --- handlers


def test_a_handler_can_change_what_is_sent_and_what_comes_back() -> None:
    seen: list[bytes] = []

    async def handler(request: Request, send: Send) -> Answer:
        answer = await send(replace(request, target="/other", body=b"longer body"))
        return replace(answer.having("X-Client", request.client), status=500, body=b"changed")

    with before(keeping(seen), handler=handler) as (url, _):
        answer = httpx.post(f"{url}/first", content=b"body")
    assert seen[0].startswith(b"POST /other ")
    assert seen[0].endswith(b"\r\n\r\nlonger body")
    assert b"Content-Length: 11\r\n" in seen[0]
    assert (answer.status_code, answer.text, answer.headers["X-Client"]) == (500, "changed", "127.0.0.1")


def test_a_handler_can_be_changed_while_it_runs() -> None:
    async def teapot(_request: Request, _send: Send) -> Answer:
        return Answer(status=418, headers=())

    with ScriptedServer(answering(_OK)) as server, running_proxy([server.url]) as proxy, httpx.Client() as client:
        statuses = []
        for handler in (pass_on, teapot, pass_on):
            proxy.handler = handler
            statuses.append(client.get(proxy.url).status_code)
    assert statuses == [200, 418, 200]


def test_a_cut_answer_says_its_true_length() -> None:
    async def cut(request: Request, send: Send) -> Answer:
        return replace(await send(request), body=b"0123456789", cut_after=4)

    with before(answering(_OK), handler=cut) as (url, _):
        got = said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert got == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123"
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            httpx.get(url)


def test_a_handler_may_cut_a_client_off() -> None:
    async def refuse(_request: Request, _send: Send) -> Answer:
        raise UpstreamError("not today")

    with before(answering(_OK), handler=refuse) as (url, server):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert server.peers == []


@pytest.mark.parametrize(
    "wrong",
    [lambda _: 1 // 0, lambda answer: answer.having("X", "a\r\nB: c"), lambda answer: replace(answer, status=7)],
)
def test_a_handler_that_fails_is_told_at_the_end_and_never_taken_for_the_service(wrong: Callable) -> None:
    async def handler(request: Request, send: Send) -> Answer:
        return wrong(await send(request))

    failure = pytest.raises(HarnessError, match="handler of the proxy failed")
    with failure, before(answering(_OK), handler=handler) as (url, _):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def test_nothing_is_left_when_it_ends() -> None:
    others = set(threading.enumerate())

    async def stall(_request: Request, _send: Send) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    with running_proxy(["http://127.0.0.1:1"], stall) as proxy:
        sock = connect(proxy.url)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with sock, contextlib.suppress(ConnectionResetError):
        assert everything(sock) == b""
    assert [thread.name for thread in set(threading.enumerate()) - others] == []
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.url)


def test_a_port_that_is_taken_is_told() -> None:
    refusal = pytest.raises(OSError, match="in use")
    with ScriptedServer(answering(_OK)) as server, refusal, running_proxy([server.url], port=server.port):
        pytest.fail("it listens on a taken port")


@pytest.mark.parametrize("upstreams", [[], ["ftp://127.0.0.1"], ["127.0.0.1:80"]])
def test_an_upstream_must_be_an_http_url(upstreams) -> None:
    with pytest.raises(ValueError, match=r"upstream|URL"), running_proxy(upstreams):
        pytest.fail("it runs")


# --- TLS


def test_it_speaks_tls_to_its_clients() -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with ScriptedServer(answering(_OK)) as server, running_proxy([server.url], tls=server_side) as proxy:
        assert proxy.url.startswith("https://")
        with httpx.Client(verify=trust) as client:
            assert [client.get(proxy.url).text for _ in range(3)] == ["ok"] * 3
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(proxy.url)
        with running_proxy([proxy.url]) as plain:
            # a service whose certificate nobody vouches for is a service that does not answer
            assert said(plain.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert server.peers == ["127.0.0.1"]


# --- whatever comes

_DRAWN = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_PIECE = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"Content-Length: 3\r\n\r\nab",
        b"Connection: close\r\n",
        b"\r\n",
    ]
)
_BYTES = st.lists(st.one_of(_PIECE, st.binary(max_size=20)), max_size=6).map(b"".join)


@pytest.fixture(scope="module")
def told() -> list[bytes]:
    return [b""]


@pytest.fixture(scope="module")
def drawn(told) -> Iterator[tuple[str, ScriptedServer]]:
    def script(line: Line) -> None:
        while line.read():
            line.say(told[0])
            if told[0] is not _OK:
                return

    with before(script) as pair:
        yield pair


@_DRAWN
@given(_BYTES)
def test_whatever_a_client_sends_it_is_answered_or_closed_and_the_next_one_served(drawn, told, sent) -> None:
    told[0] = _OK
    url, server = drawn
    got = said(url, sent)
    assert not got or got.startswith(b"HTTP/1.1 ")
    assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == _OK
    assert server.failures == []


@_DRAWN
@given(_BYTES)
def test_whatever_a_service_sends_its_client_gets_whole_answers_only(drawn, told, answer) -> None:
    told[0] = answer
    got = said(drawn[0], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    assert not got or (head.startswith(b"HTTP/1.1 ") and b"Content-Length: %d" % len(body) in head)
