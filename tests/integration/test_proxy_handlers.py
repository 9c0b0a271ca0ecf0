"""The proxy's handlers, its end, and whatever both sides may send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.proxy import ProxiedAnswer, ProxiedRequest, Send, UpstreamError, pass_on, running_proxy
from tests.proxied import OK, answering, before, connect, everything, keeping, said
from tests.scripted_server import Line, ScriptedServer


def test_a_handler_can_change_what_is_sent_and_what_comes_back() -> None:
    seen: list[bytes] = []

    async def handler(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        answer = await send(replace(request, target="/other", body=b"longer body"))
        return replace(answer.having("X-Client", request.client), status=500, body=b"changed")

    with before(keeping(seen), handler=handler) as (url, _):
        answer = httpx.post(f"{url}/first", content=b"body")
    assert seen[0].startswith(b"POST /other ")
    assert seen[0].endswith(b"\r\n\r\nlonger body")
    assert b"Content-Length: 11\r\n" in seen[0]
    assert (answer.status_code, answer.text, answer.headers["X-Client"]) == (500, "changed", "127.0.0.1")


def test_a_handler_can_be_changed_while_it_runs() -> None:
    async def teapot(_request: ProxiedRequest, _send: Send) -> ProxiedAnswer:
        return ProxiedAnswer(status=418, headers=())

    with ScriptedServer(answering(OK)) as server, running_proxy([server.url]) as proxy, httpx.Client() as client:
        statuses = []
        for handler in (pass_on, teapot, pass_on):
            proxy.handler = handler
            statuses.append(client.get(proxy.url).status_code)
    assert statuses == [200, 418, 200]


def test_a_cut_answer_says_its_true_length() -> None:
    async def cut(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        return replace(await send(request), body=b"0123456789", cut_after=4)

    with before(answering(OK), handler=cut) as (url, _):
        got = said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert got == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123"
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            httpx.get(url)


def test_a_handler_may_cut_a_client_off() -> None:
    async def refuse(_request: ProxiedRequest, _send: Send) -> ProxiedAnswer:
        raise UpstreamError("not today")

    with before(answering(OK), handler=refuse) as (url, server):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert server.peers == []


@pytest.mark.parametrize(
    "wrong",
    [lambda _: 1 // 0, lambda answer: answer.having("X", "a\r\nB: c"), lambda answer: replace(answer, status=7)],
)
def test_a_handler_that_fails_is_told_at_the_end_and_never_taken_for_the_service(wrong: Callable) -> None:
    async def handler(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        return wrong(await send(request))

    failure = pytest.raises(HarnessError, match="handler of the proxy failed")
    with failure, before(answering(OK), handler=handler) as (url, _):
        assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def test_nothing_is_left_when_it_ends() -> None:
    others = set(threading.enumerate())

    async def stall(_request: ProxiedRequest, _send: Send) -> ProxiedAnswer:
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
    with ScriptedServer(answering(OK)) as server, refusal, running_proxy([server.url], port=server.port):
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
    with ScriptedServer(answering(OK)) as server, running_proxy([server.url], tls=server_side) as proxy:
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
            if told[0] is not OK:
                return

    with before(script) as pair:
        yield pair


@_DRAWN
@given(_BYTES)
def test_whatever_a_client_sends_it_is_answered_or_closed_and_the_next_one_served(drawn, told, sent) -> None:
    told[0] = OK
    url, server = drawn
    got = said(url, sent)
    assert not got or got.startswith(b"HTTP/1.1 ")
    assert said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == OK
    assert server.failures == []


@_DRAWN
@given(_BYTES)
def test_whatever_a_service_sends_its_client_gets_whole_answers_only(drawn, told, answer) -> None:
    told[0] = answer
    got = said(drawn[0], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    assert not got or (head.startswith(b"HTTP/1.1 ") and b"Content-Length: %d" % len(body) in head)
