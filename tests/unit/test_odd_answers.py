"""Answers that are whole though they look odd on the wire, read by every client that we have."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from harness.probes.http import RecordingClient
from harness.probes.landing import land
from harness.probes.timed_get import TimedConnection
from tests.scripted_server import Line, ScriptedServer

HELLO = b"Content-Length: 5\r\n\r\nhello"
ANSWERS = {
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-A: 1\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + HELLO,
    "no reason": b"HTTP/1.1 200\r\n" + HELLO,
    "304 with the length of what it does not send": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "1.0, kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + HELLO,
    "1.0, closed": b"HTTP/1.0 200 OK\r\n" + HELLO,
    "closed, in a list": b"HTTP/1.1 200 OK\r\nConnection: Close, TE\r\n" + HELLO,
    "closed, without a length": b"HTTP/1.1 200 OK\r\n\r\nhello",
}
LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
LOAD = """
    import gevent.monkey
    gevent.monkey.patch_all()
    import sys
    from harness.load.connections import ConnectionPool
    pool = ConnectionPool(sys.argv[1], 5.0)
    payload = pool.request_bytes("GET", "/", {}) + b"\\r\\n"
    print(*(int(pool.send(payload).status) for _ in range(3)))
"""


def answering(answer: bytes, *, closes: bool, again: bytes = b"") -> ScriptedServer:
    """`again` is what a kept connection is told that asks once more."""

    def script(line: Line) -> None:
        while line.read():
            line.say(answer)
            if closes:
                return
            if again and line.read():
                line.say(again)
                return

    return ScriptedServer(script)


def by_load(url: str) -> str:
    line = [sys.executable, "-c", dedent(LOAD), url]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@pytest.mark.parametrize("name", ANSWERS)
def test_an_odd_answer_is_whole(name: str) -> None:
    answer = ANSWERS[name]
    status = int(answer.rpartition(b"HTTP/1.")[2][2:5])
    size = 5 if status == 200 else 0
    with answering(answer, closes="closed" in name) as server:
        with RecordingClient(server.url, timeout_s=5) as client:
            told = [client.exchange("GET", "/") for _ in range(3)]
        assert [(each.status, each.size) for each in told] == [(status, size)] * 3
        with TimedConnection(server.url, timeout_s=5) as connection:
            timed = [connection.get("/") for _ in range(3)]
        assert [(each.status, each.size) for each in timed] == [(status, size)] * 3
        assert by_load(server.url) == " ".join([str(status)] * 3)


def test_load_does_not_take_a_late_408_for_the_answer() -> None:
    """A server gives up a connection that lay idle, and says so to whoever asks next (HAProxy, Apache)."""
    with answering(b"HTTP/1.1 200 OK\r\n" + HELLO, closes=False, again=LATE) as server:
        assert by_load(server.url) == "200 200 200"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (b"ok", "/ok"),
        (b"../ok#part", "/ok"),
        (b"?x=1", "/?x=1"),
        (b"/caf\xc3\xa9", "/café"),
        (b"/o k", "/o%20k"),
        (b"HTTP://HOST/ok", "/ok"),
        (b"//HOST/ok", "/ok"),
    ],
)
def test_a_redirect_leads_where_browsers_go(location: bytes, path: str) -> None:
    def script(line: Line) -> None:
        while asked := line.read():
            place = location.replace(b"HOST", asked.partition(b"Host: ")[2].partition(b"\r\n")[0])
            redirect = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + place + b"\r\n\r\n"
            line.say(redirect if asked.startswith(b"GET / ") else b"HTTP/1.1 200 OK\r\n" + HELLO)

    with ScriptedServer(script) as server, RecordingClient(server.url, timeout_s=5) as client:
        led = land(client.exchange, server.url, "/")
        assert (led.answer.status, led.path, led.leaves_for) == (200, path, "")
