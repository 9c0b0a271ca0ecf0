"""Waiting for a process to answer: polled with growing pauses against a monotonic deadline, raced with its end."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.model import Health

if TYPE_CHECKING:
    import ssl

TAIL_LINES = 20
_DRAINED_BYTES = 64 * 1024
_DRAINED_S = 0.5
_READ_AT_ONCE = 4096
_LONGEST_LINE = 512
_STATUS = re.compile(rb"[0-9]{3}")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1


@dataclass(frozen=True, slots=True)
class Wait:
    """How a wait ended: ready (`status` None and not `late`), exited with a status, or too late."""

    seconds: float
    status: int | None = None
    late: bool = False
    last: str = ""
    """What the last try said."""

    @property
    def ready(self) -> bool:
        """Whether it answered in time."""
        return self.status is None and not self.late


def wait_until(ask: Callable[[], str], exit_status: Callable[[], int | None], seconds: float) -> Wait:
    """Ask until `ask` returns "" (ready; else it says why not), the process ends, or `seconds` are over."""
    begun = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        status = exit_status()
        # asked after the look at the process: what answers for one that is dead must be somebody else
        last = ask() if status is None else ""
        elapsed = time.monotonic() - begun
        if status is not None:
            return Wait(elapsed, status=status)
        if not last:
            return Wait(elapsed)
        if elapsed >= seconds:
            return Wait(elapsed, late=True, last=last)
        time.sleep(min(pause, max(0.0, seconds - elapsed)))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def service_asker(url: str, health: Health, timeout: float, ca_file: str = "") -> Callable[[], str]:
    """Asks a service of ours for its health: live and ready must answer 2xx or 3xx; without paths `/` below 500.

    `ca_file` vouches for an `https` URL.
    """
    paths = [path for path in (health.live, health.ready) if path]
    address = urlsplit(url)
    tls = _tls_context(ca_file) if address.scheme == "https" else None

    def ask() -> str:
        for path in paths or ["/"]:
            try:
                status = get_status(address.hostname or "", address.port or 80, path, timeout, tls)
            except (OSError, ValueError) as error:
                return f"GET {path}: {error}"
            if status >= (400 if paths else 500):
                return f"GET {path}: {status}"
        return ""

    return ask


def log_asker(log: Path, text: str, since: int = 0) -> Callable[[], str]:
    """Asks a log whether it holds a text beyond its first `since` bytes; what was read is not read again."""
    words = text.encode()
    seen = since

    def ask() -> str:
        nonlocal seen
        with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
            file.seek(seen)
            new = file.read()
            if words in new:
                return ""
            # the text may lie across two reads
            seen += max(0, len(new) - len(words))
        return f"its log does not say {text!r}"

    return ask


def _tls_context(ca_file: str) -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context(cafile=ca_file or None)


def get_status(host: str, port: int, path: str, timeout: float, tls: ssl.SSLContext | None = None) -> int:
    """Status of a GET over HTTP/1.1, without the 40 ms that importing a client takes.

    Raises OSError if nobody answers in time, ValueError if what answers does not speak HTTP.
    """
    end = time.monotonic() + timeout
    with _connected(host, port, timeout, tls) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        line = b""
        while b"\n" not in line and len(line) < _LONGEST_LINE and (more := _received(connection, end)):
            line += more
        # the rest is read, so that a careful service does not log a connection cut by its client
        end, drained = min(end, time.monotonic() + _DRAINED_S), 0
        with contextlib.suppress(OSError):
            while drained < _DRAINED_BYTES and (more := _received(connection, end)):
                drained += len(more)
    words = line.partition(b"\n")[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not _STATUS.fullmatch(words[1]):
        raise ValueError(f"no HTTP answer, but {line[:60]!r}")
    return int(words[1])


def _received(connection: socket.socket, end: float) -> bytes:
    """What came next, b"" at the end. Raises `TimeoutError` once the time is over, however often something comes."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(left)
    return connection.recv(_READ_AT_ONCE)


def _connected(host: str, port: int, timeout: float, tls: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=timeout)
    if tls is None:
        return connection
    try:
        return tls.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Last lines of a log that may still grow; "" if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    return f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
