"""Times a GET on a kept connection with as little of its own in the time as Python allows.

A cached answer may take a millisecond; a full HTTP client adds most of another. So the request's bytes are made
beforehand, the clock stops with the last byte received, and the answer is read apart afterwards.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from harness.errors import UsageError
from harness.probes.exchange import SentRequest
from harness.probes.http import ServiceUnavailable
from harness.probes.reach import Reach
from harness.probes.transport import MAX_ANSWER_BYTES, MAX_HEAD_BYTES, MAX_INTERIM
from harness.probes.trust import trusted

_READ = 256 * 1024
_KEPT_IN_PATHS = "/?#[]@!$&'()*+,;=:%~"
_IDLE_S = 2.0
"""Servers close idle connections, often after 5 s: one that lay idle this long is not used again."""
_EMPTY_STATUSES = frozenset({204, 304})
_STATUS = re.compile(r"[0-9]{3}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_LENGTH = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """An answer and its service time: from the first byte sent to the last byte received, in seconds."""

    seconds: float
    status: int
    headers: Mapping[str, str]
    """Lower-case name -> value; of repeated ones the last."""
    size: int
    """Bytes of the body as it came over the wire."""


class TimedConnection:
    """One connection to one service, opened when it is needed and kept; `source` binds its own address.

    `ca_file` is one authority more to trust over TLS.

    Opening a connection is never in the measured time. Not for use by several threads at once.
    """

    def __init__(self, base_url: str, *, timeout_s: float, source: str = "", ca_file: str = "") -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{base_url}: an http(s) URL was expected")
        self._base = base_url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._netloc = parts.netloc.rpartition("@")[2]
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = trusted(ca_file) if parts.scheme == "https" else None
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._source = source
        self._socket: socket.socket | None = None
        self._used_at = 0.0

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TimedAnswer:
        """One timed GET. Raises `ServiceUnavailable` if the service refuses, cuts or does not answer in time."""
        lines = {"Host": self._netloc, "Accept": "*/*", "Connection": "keep-alive", **(headers or {})}
        request = f"GET {self._prefix}{quote(path, safe=_KEPT_IN_PATHS)} HTTP/1.1\r\n" + "".join(
            f"{key}: {value}\r\n" for key, value in lines.items()
        )
        try:
            return self._exchange(f"{request}\r\n".encode("latin-1"))
        except (OSError, _Malformed) as error:
            self.close()
            what = f"no whole answer within {self._timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
            attempt = SentRequest(
                method="GET",
                url=self._base + path,
                request_headers=tuple(lines.items()),
                client=self._source,
                bound=bool(self._source),
                ca_file=self._ca_file,
            )
            raise ServiceUnavailable(what, attempt) from error

    def _exchange(self, request: bytes) -> TimedAnswer:
        connection = self._ready_socket()
        deadline = time.monotonic() + self._timeout_s
        begun = time.perf_counter()
        connection.sendall(request)
        received = bytearray()
        status, headers, body_start = self._read_head(connection, received, deadline)
        if status in _EMPTY_STATUSES:
            size = 0
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            size = self._read_chunks(connection, received, body_start, deadline)
        elif "content-length" in headers:
            if not _LENGTH.fullmatch(headers["content-length"]):
                raise _Malformed("the answer's Content-Length is no number")
            size = int(headers["content-length"])
            while len(received) < body_start + size:
                self._read_more(connection, received, deadline)
        else:
            size = self._read_to_end(connection, received, deadline) - body_start
        seconds = time.perf_counter() - begun
        words = {word.strip() for word in headers.get("connection", "").lower().split(",")}
        # before 1.1 a connection ends with its answer unless the service says otherwise (RFC 9112, 9.3)
        if "close" in words or (received.startswith(b"HTTP/1.0") and "keep-alive" not in words):
            self.close()
        self._used_at = time.monotonic()
        return TimedAnswer(seconds=seconds, status=status, headers=headers, size=size)

    def _ready_socket(self) -> socket.socket:
        """The kept connection, or a new one where the service has closed it or is about to."""
        kept = self._socket
        if kept is not None and time.monotonic() - self._used_at < _IDLE_S and not select.select([kept], [], [], 0)[0]:
            return kept
        self.close()
        return self._connect()

    def _read_head(
        self, connection: socket.socket, received: bytearray, deadline: float
    ) -> tuple[int, dict[str, str], int]:
        """Status, headers and where the body starts; interim answers (1xx) are read over."""
        start = 0
        for _ in range(MAX_INTERIM + 1):
            while (end := received.find(b"\r\n\r\n", start)) < 0:
                if len(received) > MAX_HEAD_BYTES:
                    raise _Malformed(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes and was not read on")
                self._read_more(connection, received, deadline)
            status, headers = _parse_head(bytes(received[start:end]))
            start = end + 4
            if status >= 200:
                return status, headers, start
        raise _Malformed(f"more than {MAX_INTERIM} interim answers came before the answer")

    def _connect(self) -> socket.socket:
        source = (self._source, 0) if self._source else None
        raw = self._connected(source)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = self._tls.wrap_socket(raw, server_hostname=self._host) if self._tls else raw
        return self._socket

    def _connected(self, source: tuple[str, int] | None) -> socket.socket:
        addresses = Reach.of(self._base).addresses(self._host, self._port)
        for address in addresses[:-1]:
            try:
                return socket.create_connection((address, self._port), self._timeout_s, source)
            except OSError:
                continue
        return socket.create_connection((addresses[-1], self._port), self._timeout_s, source)

    def _read_more(self, connection: socket.socket, received: bytearray, deadline: float) -> None:
        data = self._receive(connection, deadline)
        if not data:
            raise _Malformed("the connection was cut before the answer was whole")
        received += data
        if len(received) > MAX_ANSWER_BYTES:
            raise _Malformed(f"the answer is longer than {MAX_ANSWER_BYTES} bytes and was not read on")

    def _read_to_end(self, connection: socket.socket, received: bytearray, deadline: float) -> int:
        while data := self._receive(connection, deadline):
            received += data
            if len(received) > MAX_ANSWER_BYTES:
                raise _Malformed(f"the answer is longer than {MAX_ANSWER_BYTES} bytes and was not read on")
        self.close()
        return len(received)

    def _receive(self, connection: socket.socket, deadline: float) -> bytes:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(remaining)
        return connection.recv(_READ)

    def _read_chunks(self, connection: socket.socket, received: bytearray, start: int, deadline: float) -> int:
        """Read a chunked body (RFC 9112 7.1) to its last byte; returns the chunks' length. Trailers are read over."""
        total, at = 0, start
        while True:
            while (line_end := received.find(b"\r\n", at)) < 0:
                if len(received) - at > _LONGEST_LINE:
                    raise _Malformed("a chunk of the answer has no length")
                self._read_more(connection, received, deadline)
            told = bytes(received[at:line_end]).split(b";")[0].strip()
            if not _CHUNK_LENGTH.fullmatch(told):
                raise _Malformed("a chunk of the answer has no length")
            length = int(told, 16)
            at = line_end + 2
            if length == 0:
                break
            while len(received) < at + length + 2:
                self._read_more(connection, received, deadline)
            total += length
            at += length + 2
        while received.find(b"\r\n", at) != at:
            line_end = received.find(b"\r\n", at)
            if line_end < 0:
                self._read_more(connection, received, deadline)
            else:
                at = line_end + 2
        return total

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Malformed(Exception):  # noqa: N818 - what the answer is
    """The answer cannot be read as HTTP."""


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not _STATUS.fullmatch(words[1]):
        raise _Malformed(f"the answer does not begin like HTTP: {first[:60]!r}")
    pairs = (line.partition(":") for line in lines)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}
