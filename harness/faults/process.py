"""Processes of a stack killed, ended, frozen, thawed and started again; all through what runs them."""

from __future__ import annotations

import functools
from pathlib import Path

from harness.errors import StackError, StartupError
from harness.model import Instance, Target, Worker
from harness.stack.protocol import Backend
from harness.stack.readiness import TAIL_LINES, Ping, service_problem, tail, wait_until, watch_log

Process = Instance | Worker
_GONE_SECONDS = 15.0
"""Longer than the kernel takes to end what got SIGKILL, and a busy Docker daemon to notice."""


def kill(backend: Backend, name: str) -> None:
    """SIGKILL to a process and all below it; returns when it is gone. Raises StackError if it has ended before."""
    backend.signal(name, "KILL")
    if backend.wait(name, _GONE_SECONDS) is None:
        raise StackError(f"{name} was killed, and is still there after {_GONE_SECONDS:g} s")


def terminate(backend: Backend, name: str, seconds: float) -> int | None:
    """SIGTERM to a process alone; its exit status (negative: ended by that signal), None if it runs on after `seconds`.

    What drains ends by itself, with 0; -15 is what a program gets that leaves the signal to the system.
    """
    backend.signal(name, "TERM")
    return backend.wait(name, seconds)


def freeze(backend: Backend, name: str) -> None:
    """SIGSTOP to a process and all below it: the kernel still accepts connections, and nobody answers."""
    backend.signal(name, "STOP")


def thaw(backend: Backend, name: str) -> None:
    """SIGCONT to a process and all below it; nothing if it has ended."""
    if backend.exit_status(name) is None:
        backend.signal(name, "CONT")


def start_again(backend: Backend, process: Process, target: Target) -> int | None:
    """Start an instance or worker that has ended once more, at its place; returns its new pid once it is ready.

    None where it has none here. Raises StartupError with its log's tail if it exits, or is not ready within the
    profile's `start_timeout_s`.
    """
    name, log = process.name, Path(process.log)
    before = log.stat().st_size if log.is_file() else 0
    pid = backend.start_again(name)
    if isinstance(process, Instance):
        ping: Ping = functools.partial(service_problem, process.url, target.health, target.service.timeout_s)
    else:
        ping = watch_log(log, target.workers.ready, before)
    wait = wait_until(ping, lambda: backend.exit_status(name), target.service.start_timeout_s)
    if wait.ready:
        return pid
    raise StartupError(
        f"{name} {wait.failure('was not ready')} {wait.seconds:.1f} s after it was started again; "
        f"the last {TAIL_LINES} lines of its log follow",
        output=tail(log),
    )
