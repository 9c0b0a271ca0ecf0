"""Waiting for a process to answer: polled with growing pauses against a monotonic deadline, raced with its end.

A function that is named for a problem returns what the problem is, and None where there is none.
"""

from __future__ import annotations

import contextlib
import functools
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

Ping = Callable[[], str | None]
"""Asks once: why something is not ready; None if it is."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How a wait ended: ready, exited with a status, or too late with a problem."""

    seconds: float
    status: int | None = None
    """How the process ended, if it did."""
    problem: str | None = None
    """Why it was not ready at the last try, if time ran out."""

    @property
    def ready(self) -> bool:
        """Whether it answered in time."""
        return self.status is None and self.problem is None

    def failure(self, still: str = "does not answer") -> str:
        """What went wrong, as the end of a sentence about the process: how it ended, or what it `still` does."""
        return describe_exit(self.status) if self.status is not None else f"{still} ({self.problem})"


def wait_until(ping: Ping, exit_status: Callable[[], int | None], seconds: float) -> Wait:
    """Ask until it is ready, the process ends, or `seconds` are over."""
    begun = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        status = exit_status()
        # asked after the look at the process: what answers for one that is dead must be somebody else
        problem = ping() if status is None else None
        elapsed = time.monotonic() - begun
        if status is not None:
            return Wait(elapsed, status=status)
        if problem is None:
            return Wait(elapsed)
        if elapsed >= seconds:
            return Wait(elapsed, problem=problem)
        time.sleep(min(pause, max(0.0, seconds - elapsed)))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def service_problem(url: str, health: Health, timeout: float, ca_file: str = "") -> str | None:
    """Why a service of ours is not well: live and ready must answer 2xx or 3xx; without paths `/` below 500.

    `ca_file` vouches for an `https` URL.
    """
    named = [path for path in (health.live, health.ready) if path]
    paths, wrong_from = (named, 400) if named else (["/"], 500)
    address = urlsplit(url)
    tls = _tls_context(ca_file) if address.scheme == "https" else None
    for path in paths:
        try:
            status = get_status(address.hostname or "", address.port or 80, path, timeout, tls)
        except (OSError, ValueError) as error:
            return f"GET {path}: {error}"
        if status >= wrong_from:
            return f"GET {path}: {status}"
    return None


def page_problem(host: str, port: int, path: str, timeout: float = 2.0) -> str | None:
    """Why a program of ours does not answer 200 there."""
    try:
        status = get_status(host, port, path, timeout)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"it answers {status}"


def watch_log(log: Path, text: str, since: int = 0) -> Ping:
    """Asks a log whether it holds a text beyond its first `since` bytes; what was read is not read again."""
    words = text.encode()
    seen = since

    def ping() -> str | None:
        nonlocal seen
        with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
            file.seek(seen)
            new = file.read()
            if words in new:
                return None
            # the text may lie across two reads
            seen += max(0, len(new) - len(words))
        return f"its log does not say {text!r}"

    return ping


@functools.cache
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


def describe_exit(status: int) -> str:
    """An exit status in words."""
    return f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
