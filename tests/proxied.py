"""A proxy before a server that says exactly what it is told to, and a client of raw bytes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from harness.proxy import running_proxy
from tests.scripted_server import Line, Script, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 30.0


def answering(*answers: bytes) -> Script:
    """One answer after another to whatever comes, the last one for good."""

    def script(line: Line) -> None:
        number = 0
        while line.read():
            line.say(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def keeping(seen: list[bytes], answer: bytes = OK) -> Script:
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
    return socket.create_connection((parts.hostname, parts.port), SECONDS, (source, 0) if source else None)


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
