"""One HTTP/1.1 exchange at a time over kept-alive connections, as cheaply as Python can.

The bytes of a request are built once a run; of an answer only status, framing and size are looked at. Redirects are
not followed, bodies are not decompressed, cookies are not kept: a load generator measures the service, and every
microsecond it spends is one that it may be late.

Imports gevent: only Locust's process may import this module.
"""

from __future__ import annotations

import errno
import re
import socket as plain_socket
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent
import httptools
from gevent import socket, ssl

from harness.load.samples import Failure
from harness.machine.addresses import addresses_of

_CHUNK = 65536
_FINAL = 200
"""Answers below it are interim: another one follows (RFC 9110, 15.2)."""
_REQUEST_TIMEOUT = 408
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d\b")
_OWN_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """What came back: an HTTP status, or a `Failure`; and how many bytes."""

    status: int
    size: int


class _Framing:
    """Tells where an answer ends (httptools calls it)."""

    __slots__ = ("_parser", "complete", "headers_complete", "keep_alive")

    def __init__(self) -> None:
        self.headers_complete = False
        self.complete = False
        self.keep_alive = False
        self._parser: httptools.HttpResponseParser | None = None

    def ask(self, parser: httptools.HttpResponseParser | None) -> None:
        """Whom to ask about the connection; None at the end, for the two hold each other and nobody collects."""
        self._parser = parser

    def on_headers_complete(self) -> None:
        self.headers_complete = not self._is_interim()
        self.keep_alive = self._may_keep_alive()

    def on_message_complete(self) -> None:
        # one segment may hold an interim answer and the head of the final one
        self.complete = not self._is_interim()
        self.keep_alive = self._may_keep_alive()

    def _is_interim(self) -> bool:
        return self._parser is not None and self._parser.get_status_code() < _FINAL

    def _may_keep_alive(self) -> bool:
        # llhttp knows this only while it calls back: afterwards it says no
        return self._parser is not None and bool(self._parser.should_keep_alive())


class _StaleError(Exception):
    """A kept-alive connection was closed by the server before it took the request."""


class ConnectionPool:
    """Connections to one address, kept apart by the client's source address."""

    def __init__(self, url: str, timeout_s: float, ca_file: str = "") -> None:
        """Raises `OSError` if the host is not known. `ca_file` is one authority more to trust."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._base = parts.path.rstrip("/")
        self._host = host
        self._host_header = parts.netloc.rpartition("@")[2]
        self._address = (addresses_of(host.rstrip("."), port)[0], port)
        self._family = plain_socket.AF_INET6 if ":" in self._address[0] else plain_socket.AF_INET
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        if self._tls is not None and ca_file:
            self._tls.load_verify_locations(ca_file)
        self._timeout_s = timeout_s
        self._idle: defaultdict[str, list[socket.socket]] = defaultdict(list)
        self.connections = 0
        self.reconnects = 0
        """Kept-alive connections that the server had closed; the request went out again on a new one."""

    def request_bytes(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The request as it goes over the wire, without the empty line that ends it."""
        named = {"host": self._host_header, "user-agent": "harness-load", "accept": "*/*"}
        named |= {name.lower(): value for name, value in headers.items()}
        if method not in {"GET", "HEAD", "OPTIONS"}:
            named.setdefault("content-length", "0")
        lines = [
            f"{method} {self._base}{path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in named.items()),
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n"

    def send(self, payload: bytes, source: str = "") -> ReceivedAnswer:
        """Send one request and read its whole answer within the time-out. Never raises for what the network does."""
        limit = gevent.Timeout(self._timeout_s)
        limit.start()
        try:
            return self._exchange(payload, source)
        except gevent.Timeout as fired:
            if fired is not limit:
                raise
            return ReceivedAnswer(Failure.TIMEOUT, 0)
        except ConnectionRefusedError:
            return ReceivedAnswer(Failure.REFUSED, 0)
        except httptools.HttpParserError:
            return ReceivedAnswer(Failure.PROTOCOL, 0)
        except (ConnectionError, EOFError, ssl.SSLEOFError):
            return ReceivedAnswer(Failure.CUT, 0)
        except TimeoutError:
            return ReceivedAnswer(Failure.TIMEOUT, 0)
        except OSError as error:
            return ReceivedAnswer(Failure.GENERATOR if error.errno in _OWN_ERRORS else Failure.UNREACHABLE, 0)
        finally:
            limit.close()

    def close(self) -> None:
        """Close the connections that are idle."""
        for pool in self._idle.values():
            for connection in pool:
                connection.close()
        self._idle.clear()

    def _exchange(self, payload: bytes, source: str) -> ReceivedAnswer:
        pool = self._idle[source]
        while pool:
            try:
                return self._use(pool.pop(), payload, source, kept=True)
            except _StaleError:
                self.reconnects += 1
        return self._use(self._connect(source), payload, source, kept=False)

    def _connect(self, source: str) -> socket.socket:
        connection = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source:
                connection.bind((source, 0))
            connection.connect(self._address)
            self.connections += 1
            return self._tls.wrap_socket(connection, server_hostname=self._host) if self._tls else connection
        except BaseException:
            connection.close()
            raise

    def _use(self, connection: socket.socket, payload: bytes, source: str, *, kept: bool) -> ReceivedAnswer:
        """One exchange; the connection goes back to its pool, or is closed however the exchange ends."""
        reusable = False
        # only methods that change nothing are sent twice (RFC 9110, 9.2.2)
        may_repeat = kept and payload.startswith((b"GET ", b"HEAD ", b"OPTIONS "))
        try:
            try:
                connection.sendall(payload)
                first = connection.recv(_CHUNK)
            except ConnectionError as error:
                if may_repeat:
                    raise _StaleError from error
                raise
            if not first and may_repeat:
                raise _StaleError
            answer, reusable = _read(connection, first, head=payload.startswith(b"HEAD "))
            # said to a connection that had waited too long, and not to the request (RFC 9110, 15.5.9)
            if may_repeat and not reusable and answer.status == _REQUEST_TIMEOUT:
                raise _StaleError
            return answer
        finally:
            if reusable:
                self._idle[source].append(connection)
            else:
                connection.close()


def _read(connection: socket.socket, data: bytes, *, head: bool) -> tuple[ReceivedAnswer, bool]:
    """The rest of an answer that begins with `data`, and whether the connection may be used again."""
    framing = _Framing()
    parser = httptools.HttpResponseParser(framing)
    framing.ask(parser)
    begin = b""
    size = 0
    try:
        while True:
            if not data:
                # an answer without a length ends with the connection (RFC 9112, 6.3)
                if framing.headers_complete and _is_unbounded(begin):
                    return ReceivedAnswer(parser.get_status_code(), size), False
                raise EOFError
            size += len(data)
            if not framing.headers_complete:
                begin += data
            parser.feed_data(data)
            if framing.complete or (head and framing.headers_complete):
                return ReceivedAnswer(parser.get_status_code(), size), framing.keep_alive
            data = connection.recv(_CHUNK)
    finally:
        framing.ask(None)


def _is_unbounded(begin: bytes) -> bool:
    head, _, rest = begin.partition(b"\r\n\r\n")
    while _INTERIM.match(head):
        head, _, rest = rest.partition(b"\r\n\r\n")
    fields = head.lower()
    return b"\ncontent-length:" not in fields and b"\ntransfer-encoding:" not in fields
