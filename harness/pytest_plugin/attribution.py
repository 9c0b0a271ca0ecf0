"""Whose fault a failure is: the target's (`fail`) or ours (`error`) (docs/policy.md#whose-fault-a-failure-is)."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from harness.errors import HarnessError, StartupError
from harness.model import Outcome, StackInfo
from harness.probes.http import ServiceUnavailable
from harness.stack.liveness import supervisor_lives

_OWN_TIMEOUT = re.compile(r"^Timeout \(>?\d")

# a greeting that the server must answer, whatever the credentials
_POSTGRES_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_PROBES = {"postgresql": (5432, _POSTGRES_SSL_REQUEST), "redis": (6379, b"PING\r\n"), "smtp": (25, b"")}
_ALIASES = {"postgres": "postgresql", "valkey": "redis"}


def outcome_of(error: BaseException, info: StackInfo) -> tuple[Outcome, str]:
    """`fail` if the target is to blame, else `error`; and a reason where the message alone would not tell.

    `info` names the parts that must answer for a failure to be the target's.
    """
    if isinstance(error, StartupError):
        silent = silent_part(info)
        why = "a copy of the service, or a worker, did not start"
        return (Outcome.ERROR, f"{silent} of the stack does not answer") if silent else (Outcome.FAIL, why)
    if isinstance(error, HarnessError):
        return Outcome.ERROR, "the harness failed"
    if isinstance(error, pytest.fail.Exception) and _OWN_TIMEOUT.match(str(error)):
        return Outcome.ERROR, "the test's own time-out"
    if isinstance(error, (ServiceUnavailable, AssertionError, pytest.fail.Exception)) or _is_browser_error(error):
        silent = silent_part(info)
        return (Outcome.ERROR, f"{silent} of the stack does not answer") if silent else (Outcome.FAIL, "")
    return Outcome.ERROR, "the test itself crashed"


def without_servers(info: StackInfo) -> StackInfo:
    """The stack as a test that breaks it on purpose sees it: a dead server is what it is about, no excuse."""
    return replace(info, database_url=None, redis_url=None, smtp_url=None)


def silent_part(info: StackInfo, patience_s: float = 2.0) -> str | None:
    """The first part of the stack that does not answer a greeting within `patience_s`; None if all do.

    The supervisor must only live: everything of the stack ends with it, the service too.
    Of the proxy in front no greeting is asked, which would be passed on: it must only take a connection.
    """
    if not supervisor_lives(info):
        return "supervisor"
    if info.has_front and not _listens(info.url, patience_s):
        return "proxy in front"
    for name, url in (("database", info.database_url), ("cache", info.redis_url), ("mail server", info.smtp_url)):
        if url and not _answers(url, patience_s):
            return name
    return None


def _answers(url: str, patience_s: float) -> bool:
    """Whether the server answers; true as well where it cannot be asked (a socket's path, TLS, another protocol)."""
    parts = urlsplit(url)
    known = _PROBES.get(_ALIASES.get(parts.scheme, parts.scheme))
    if known is None or parts.hostname is None:
        return True
    port, greeting = known
    try:
        with socket.create_connection((parts.hostname, parts.port or port), patience_s) as connection:
            connection.settimeout(patience_s)
            if greeting:
                connection.sendall(greeting)
            return connection.recv(1) != b""
    except OSError:
        return False


def _listens(url: str, patience_s: float) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), patience_s).close()
    except OSError:
        return False
    return True


def _is_browser_error(error: BaseException) -> bool:
    """A page that did not load, or an element that never came; a browser that crashed is ours."""
    kind = type(error)
    if not kind.__module__.startswith("playwright."):
        return False
    return kind.__name__ == "TimeoutError" or any(sign in str(error) for sign in ("net::ERR_", "Download is starting"))
