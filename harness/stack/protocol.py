"""What a stack offers, and what a backend must provide for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

from harness.model import Build, Instance, Listener, StackInfo, Worker
from harness.stack.supervisor.client import Signal


class Stack(Protocol):
    """A running target with its servers; a context manager that stops it."""

    @property
    def info(self) -> StackInfo:
        """Endpoints and facts."""

    def start_instance(self, overrides: Mapping[str, str]) -> Instance:
        """Start one more copy of the service on the same data, ready when returned.

        Raises StartupError if it does not get ready, StackError if the service is not ours to start.
        """

    def stop_instance(self, instance: Instance) -> None:
        """End a copy that `start_instance` started."""

    def start_worker(self, overrides: Mapping[str, str]) -> Worker:
        """Start one more worker on the same data; raises as `start_instance` does."""

    def stop_worker(self, worker: Worker) -> None:
        """End a worker that `start_worker` started."""

    def exit_status(self, name: str) -> int | None:
        """How a copy or worker that this object started ended; None while it runs, and for those of others."""

    def own_process(self, pid: int) -> None:
        """End that process and its descendants, too, when the stack ends, however this process ends."""

    def own_folder(self, path: Path) -> None:
        """Remove that folder when the stack ends, however this process ends."""

    def stop(self) -> None:
        """End what this object started; nothing is left. What is only attached lives on."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """Where one copy of the service listens: the port it is told, and the URL at which we reach it."""

    port: int
    url: str
    public: str = ""
    """The URL that the service is told, where that is a proxy's in front of it; "" for its own."""

    @property
    def outside(self) -> int:
        """The port of this machine at which we reach it."""
        return urlsplit(self.url).port or self.port


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The servers of a stack, ready. `values` is what the placeholders mean to the service itself."""

    values: Mapping[str, str] = field(default_factory=dict)
    database_url: str | None = None
    redis_url: str | None = None
    smtp_url: str | None = None
    mailbox_url: str | None = None
    untrusted_url: str | None = None
    """Reaches the service through a peer that it trusts as no proxy, where there is one."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    pids: Mapping[str, int] = field(default_factory=dict)
    prepared: bool = False
    """Whether the database holds what `prepare_cached` makes, kept by an earlier stack."""
    timings: Mapping[str, float] = field(default_factory=dict)


class Backend(Protocol):
    """How processes and servers are run. Everything it starts belongs to its supervisor from its first moment."""

    @property
    def kind(self) -> Literal["embedded", "docker"]:
        """Its name in `--stack`."""

    @property
    def host(self) -> str:
        """The address that the service is told to listen on."""

    @property
    def build(self) -> Build:
        """Which build of the service it starts; known once the servers are up."""

    def start_servers(self, needs: tuple[str, ...]) -> Servers:
        """Start what is needed, all at once, and wait until each answers. Raises StackError."""

    def cache_prepared(self, listen: Listener) -> Mapping[str, int]:
        """Keep the database as it is now for later stacks of the same sources, where the backend can.

        Nothing may be connected. Returns the servers' pids, which may have changed; what was not kept is told as a
        note. Raises StackError if the database does not answer afterwards.
        """

    def choose_endpoint(self, wanted: int | None) -> ServiceEndpoint:
        """A free endpoint for one more copy of the service; raises StackError if the wanted port is taken."""

    def start(
        self, name: str, argv: tuple[str, ...], settings: Mapping[str, str], endpoint: ServiceEndpoint | None
    ) -> int | None:
        """Start a process of the service, with nothing in its environment but a minimal base and `settings`.

        Returns its pid, where it has one here. Raises StackError if it cannot be executed, GroundError if that is not
        the service's fault. One whose port was taken meanwhile counts as ended.
        """

    def exit_status(self, name: str) -> int | None:
        """How that process ended; None while it runs."""

    def exit_status_of_all(self, name: str) -> int | None:
        """How it ended with all that it started: None, too, while what a command like setsid, or one that makes a
        daemon, left running still runs. That is its process from then on."""

    def expect_heirs(self, name: str) -> None:
        """From now on what that process leaves running when it ends well is that process."""

    def wait(self, name: str, seconds: float) -> int | None:
        """Like `exit_status`, after waiting up to `seconds` for the end."""

    def stop(self, name: str) -> None:
        """End that process or server for good; returns when it is gone."""

    def signal(self, name: str, signal: Signal) -> None:
        """Send it a signal; KILL, STOP and CONT reach all below it too. Raises StackError if it has ended."""

    def halt(self, name: str) -> None:
        """End it in its own orderly way, killed if it takes too long; `start_again` brings it back."""

    def start_again(self, name: str) -> int | None:
        """Start what has ended once more, as it was started before, at its port and on its data.

        Returns its new pid, where it has one here. Raises StackError if it runs.
        """

    def identity(self, name: str) -> tuple[str, int]:
        """Host name and pid as that process sees its own: what it may call itself in tables and logs."""

    def pid(self, name: str) -> int | None:
        """Its pid, where it has one here."""

    def processes(self, name: str) -> frozenset[int]:
        """Pids of that process and of all that it started and that live, in whatever session; none for a container."""

    def log(self, name: str) -> Path:
        """File with the output of that process or server."""

    def close(self) -> None:
        """Let go of this process's own connections; what runs is not touched."""
