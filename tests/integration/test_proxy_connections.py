"""The proxy's connections: whose they are, what is cut, and what is asked again."""

from __future__ import annotations

import threading

import httpx
import pytest

from harness.proxy import ProxiedAnswer, ProxiedRequest, Send, running_proxy
from harness.proxy.connection import MAX_BODY
from harness.pytest_plugin.polling import eventually
from tests.proxied import OK, SECONDS, answering, before, connect, said
from tests.scripted_server import Line, ScriptedServer


def test_requests_go_round_and_a_server_that_is_gone_keeps_its_turn() -> None:
    with ScriptedServer(answering(OK.replace(b"ok", b"1!"))) as one, ScriptedServer(answering(OK)) as gone:
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
    with before(answering(OK)) as (url, server):
        for source in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
            with connect(url, source) as sock:
                for _ in range(3):
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert sock.recv(1000) == OK
    assert server.peers == ["127.0.0.1", "127.0.0.2", "127.1.2.3"]


def test_a_service_on_ipv6_is_reached_from_there() -> None:
    try:
        server = ScriptedServer(answering(OK), "::1")
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
            line.say(OK)

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
        line.say(OK)
        if line.number == 0:
            assert may_reset.wait(SECONDS)
            line.reset()

    async def hold(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
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
        line.say(OK)
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
        line.say(OK + (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n" if line.number == 0 else b""))
        unasked.set()
        line.read()

    with before(script) as (url, _), httpx.Client(base_url=url) as client:
        client.get("/")
        assert unasked.wait(SECONDS)
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
    with before(answering(OK)) as (url, server):
        got = said(url, request_)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert server.peers == []


def test_a_body_that_is_cut_never_reaches_the_service() -> None:
    with before(answering(OK)) as (url, server):
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
            httpx.post(url, content=bytes(size), timeout=SECONDS)
        assert len(server.peers) == 1


def test_a_long_message_passes() -> None:
    body = bytes(range(256)) * 40_000

    def script(line: Line) -> None:
        request = line.read()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + request.partition(b"\r\n\r\n")[2])

    with before(script) as (url, _):
        assert httpx.post(url, content=body, timeout=SECONDS).content == body


def test_an_answer_before_the_whole_body_was_read_is_an_answer() -> None:
    def script(line: Line) -> None:
        line.sock.recv(1000)
        line.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        # a server that closes with bytes unread has the system reset the connection

    with before(script) as (url, _):
        for _ in range(20):
            assert httpx.post(url, content=bytes(5_000_000), timeout=SECONDS).status_code == 413


def test_a_service_is_told_that_its_client_left() -> None:
    told = threading.Event()

    def script(line: Line) -> None:
        line.read()
        assert line.read() == b""
        told.set()

    with before(script) as (url, server):
        with connect(url) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: server.peers, "the request at the service", seconds=SECONDS)
        assert told.wait(SECONDS)
