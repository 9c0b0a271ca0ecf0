"""Whether what a service stands on is still there: the supervisor of its stack, its servers, the proxy in front.

Where it is not, a failure says nothing of the service (docs/policy.md#whose-fault-a-failure-is).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.model import Observation, Outcome, StackInfo
from harness.stack.supervisor.client import lost_supervisors
from harness.stack.supervisor.process import is_ending
from harness.stack.supervisor.registry import read_owner

_BLAMES = frozenset({Outcome.FAIL, Outcome.MEASURED})
# a greeting that the server must answer, whatever the credentials
_POSTGRES_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_PROBES = {"postgresql": (5432, _POSTGRES_SSL_REQUEST), "redis": (6379, b"PING\r\n"), "smtp": (25, b"")}
_ALIASES = {"postgres": "postgresql", "valkey": "redis"}


def ground_problem(info: StackInfo, patience_s: float = 2.0) -> str | None:
    """What is gone of the ground that a stack's service stands on, as a sentence; None if all of it is there."""
    if _lost_its_supervisor(info):
        return "the stack's supervisor was ended from outside, and the stack with it"
    if lost_supervisors():
        return "a supervisor of this process was ended from outside, and what it had started with it"
    silent = silent_part(info, patience_s)
    return f"{silent} of the stack does not answer" if silent else None


def doubted(observations: Iterable[Observation], info: StackInfo) -> list[Observation]:
    """Observations as they may count: where the ground is gone, what blames the service, or may, is an error."""
    seen = list(observations)
    if not any(one.outcome in _BLAMES for one in seen):
        return seen
    problem = ground_problem(info)
    if problem is None:
        return seen
    return [
        replace(one, outcome=Outcome.ERROR, detail={**one.detail, "reason": problem}) if one.outcome in _BLAMES else one
        for one in seen
    ]


def silent_part(info: StackInfo, patience_s: float = 2.0) -> str | None:
    """The first part of the stack that does not answer a greeting within `patience_s`; None if all do.

    The supervisor must only live: everything of the stack ends with it, the service too.
    Of the proxy in front no greeting is asked, which would be passed on: it must only take a connection.
    """
    if _lost_its_supervisor(info):
        return "supervisor"
    if info.has_front and not _listens(info.url, patience_s):
        return "proxy in front"
    for name, url in (("database", info.database_url), ("cache", info.redis_url), ("mail server", info.smtp_url)):
        if url and not _answers(url, patience_s):
            return name
    return None


def _lost_its_supervisor(info: StackInfo) -> bool:
    """Whether the stack's supervisor is gone, or ends all that it has, while the stack is used."""
    if not info.owned or info.supervisor_pid is None:
        return False
    owner = read_owner(Path(info.state_dir))
    return owner is None or not owner.alive or (owner.within_sight and is_ending(owner.pid))


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
