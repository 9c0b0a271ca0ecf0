"""The servers of a stack stopped, and started again at the same port on the same data."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import StackError
from harness.model import StackInfo
from harness.stack.protocol import Backend
from harness.stack.readiness import page_problem, tail, wait_until
from harness.stack.servers.pgwire import query_problem
from harness.stack.servers.valkey import ping_problem

SERVERS = ("postgres", "valkey", "smtp")
_SECONDS = 15.0


def stop_server(backend: Backend, name: str) -> None:
    """End a server in its own orderly way; connections to it are cut, its port refuses. Valkey forgets its keys."""
    backend.halt(name)


def start_server(backend: Backend, info: StackInfo, name: str) -> int | None:
    """Start a server that has ended once more; returns its new pid, where it has one, once it answers.

    Raises StackError with its log's tail if it does not.
    """
    pid = backend.start_again(name)
    wait = wait_until(lambda: server_problem(info, name), lambda: backend.exit_status(name), _SECONDS)
    if wait.ready:
        return pid
    log = info.logs.get(name, "")
    raise StackError(f"{name} {wait.failure()} {wait.seconds:.1f} s after it was started again", output=tail(Path(log)))


def server_problem(info: StackInfo, name: str) -> str | None:
    """Why a server of the stack does not answer; None if it does."""
    parts = urlsplit({"postgres": info.database_url, "valkey": info.redis_url, "smtp": info.mailbox_url}[name] or "")
    port, user, password = parts.port or 0, parts.username or "", parts.password or ""
    match name:
        case "postgres":
            return query_problem(port, user, password, parts.path.removeprefix("/"))
        case "valkey":
            return ping_problem(port, password)
        case _:
            return page_problem(parts.hostname or "", port, f"{parts.path}/messages")
