"""Valkey of a stack: no persistence, a random password, bounded memory; ready is what answers PING."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.stack.ports import HOST, free_port
from harness.stack.readiness import tail, wait_until
from harness.stack.servers.binaries import Account, Program, start_program
from harness.stack.supervisor.client import Order, Supervision

_SECONDS = 10.0
SETTINGS = {
    "bind": HOST,
    "save": '""',
    "appendonly": "no",
    "maxmemory": "256mb",
    # a full cache forgets, instead of refusing writes
    "maxmemory-policy": "allkeys-lru",
    "daemonize": "no",
    # a title is written over the environment, and with it over the stack's mark
    "set-proc-title": "no",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """A Valkey that was started; `finish` waits until it is ready."""

    port: int
    password: str
    log: Path
    supervision: Supervision

    def finish(self) -> str:
        """Its URL, once it answers. Raises StackError with the log's tail if it exits or does not answer."""
        wait = wait_until(
            lambda: ping_problem(self.port, self.password), lambda: self.supervision.exit_status("valkey"), _SECONDS
        )
        if not wait.ready:
            raise StackError(
                f"Valkey {wait.failure()} after {wait.seconds:.1f} s; its log says why", output=tail(self.log)
            )
        return f"redis://:{self.password}@{HOST}:{self.port}/0"


def start_valkey(
    program: Program, folder: Path, log: Path, account: Account | None, supervision: Supervision
) -> Valkey:
    """Start a server with its files in `folder`, at a free port."""
    port, password = free_port(), secrets.token_urlsafe(18)
    # in a file of its own: a command line can be read by every user of the machine
    settings = folder / "valkey.conf"
    settings.touch(mode=0o600)
    words = {**SETTINGS, "port": str(port), "requirepass": password, "dir": f'"{folder}"'}
    settings.write_text("".join(f"{key} {value}\n" for key, value in words.items()), encoding="utf-8")
    if account is not None:
        os.chown(settings, account.uid, account.gid)
    start_program(
        supervision,
        Order(
            name="valkey",
            argv=(str(program.path), str(settings)),
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            log=log,
            user=account.uid if account else None,
            group=account.gid if account else None,
            cwd=str(folder),
        ),
    )
    return Valkey(port=port, password=password, log=log, supervision=supervision)


def ping_problem(port: int, password: str) -> str | None:
    """Why a Valkey at 127.0.0.1 does not answer PING; None if it does."""
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as connection:
            connection.sendall(b"AUTH %b\r\nPING\r\nQUIT\r\n" % password.encode())
            with connection.makefile("rb") as answer:
                lines = [answer.readline(), answer.readline()]
    except OSError as error:
        return str(error) or type(error).__name__
    return None if lines == [b"+OK\r\n", b"+PONG\r\n"] else f"it answers {b' '.join(lines)[:80]!r} to AUTH and PING"
