"""A stack to break: its processes and servers by name, faults on them, and all of it whole again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StackError, UsageError
from harness.faults import process as processes
from harness.faults.events import FaultLog
from harness.faults.mail import MAIL, Mailbox
from harness.faults.process import Process
from harness.faults.servers import SERVERS, start_server, stop_server
from harness.model import Instance, StackInfo, Target, Worker
from harness.probes.address import SHARED_ADDRESSES
from harness.probes.http import Permit, RecordingClient
from harness.probes.login import log_in
from harness.stack.protocol import Backend
from harness.stack.readiness import service_problem, wait_until
from harness.stack.running import RunningStack
from harness.stack.servers.clients import connect_cache

if TYPE_CHECKING:
    import psycopg
    import redis

Part = Process | str
"""An instance, a worker, or the name of a server: `postgres`, `valkey`, `smtp`."""
TERMINATE_SECONDS = 15.0


@dataclass
class RigClients:
    """Clients of single instances, each with an address of its own, one login a role; `learn` is told each token."""

    target: Target
    info: Callable[[], StackInfo]
    permit: Permit | None
    learn: Callable[[Sequence[str]], None]
    made: list[RecordingClient] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)

    def make(self, instance: Instance, role: str | None, headers: Mapping[str, str]) -> RecordingClient:
        """A client of that instance. Raises UsageError for a role that the profile does not have."""
        sent = dict(headers)
        if role is not None:
            sent["Authorization"] = f"Bearer {self._token(role, instance)}"
        mode = self.target.clients.address
        client = RecordingClient(
            instance.url,
            timeout_s=self.target.service.timeout_s,
            address_mode=mode,
            address=SHARED_ADDRESSES.fresh(mode),
            permit=self.permit,
            headers=sent,
        )
        self.made.append(client)
        return client

    def close(self) -> None:
        """Close all of them."""
        for client in self.made:
            client.close()

    def _token(self, role: str, instance: Instance) -> str:
        if role not in self.target.auth.roles:
            raise UsageError(f"the profile has no [auth.roles.{role}]")
        if role not in self._tokens:
            self._tokens[role] = log_in(self.target, replace(self.info(), url=instance.url), role)
            self.learn([self._tokens[role]])
        return self._tokens[role]


class Rig:
    """Faults on a stack whose processes or containers this process started; it is ended by whoever started it.

    Instances and workers keep their name and place when they are started again; their pid, where they have one here, is
    a new one then.
    """

    def __init__(
        self,
        target: Target,
        stack: RunningStack,
        *,
        permit: Permit | None = None,
        learn: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        """`permit` is asked before each request of a client; `learn` is told tokens, so that no file shows them."""
        self.target = target
        self.faults = FaultLog()
        self.begun = self.faults.clock()
        """The monotonic moment at which the rig was up."""
        self.clients = RigClients(target, lambda: self.info, permit, learn)
        self._stack = stack
        self._own: list[Process] = [*stack.info.instances, *stack.info.workers]
        self._more: list[Process] = []
        self._pids: dict[str, int | None] = {}
        self._mailbox: Mailbox | None = None
        self._doubtful: set[str] = set()
        """Workers that may hang since a fault: they live, and nobody can ask them whether they work."""

    @property
    def info(self) -> StackInfo:
        """Addresses and facts of the rig's own stack."""
        return self._stack.info

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All copies of the service, those that are broken now among them."""
        return tuple(self._now(one) for one in (*self._own, *self._more) if isinstance(one, Instance))

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All workers, those that are broken now among them."""
        return tuple(self._now(one) for one in (*self._own, *self._more) if isinstance(one, Worker))

    # --- what it looks like from outside

    def client(
        self, instance: Instance | None = None, *, role: str | None = None, headers: Mapping[str, str] | None = None
    ) -> RecordingClient:
        """A client with an address of its own, of that instance (the first if none is given), logged in if asked for.

        One login a role: ask before the fault where the login itself would not work during it.
        """
        return self.clients.make(instance or self.instances[0], role, headers or {})

    def database(self) -> psycopg.Connection[Any]:
        """A new connection in autocommit, with the service's own rights; close it."""
        import psycopg

        return psycopg.connect(self._known("postgres", self.info.database_url), autocommit=True, connect_timeout=5)

    def cache(self) -> redis.Redis:
        """A new client of the cache server that does not retry: a dead server is a finding, not a wait; close it."""
        return connect_cache(self._known("valkey", self.info.redis_url))

    @property
    def mailbox(self) -> Mailbox:
        """What the mail server got, and how it answers."""
        if self._mailbox is None:
            self._mailbox = Mailbox(self._known("smtp", self.info.mailbox_url), self.faults)
        return self._mailbox

    def logs(self, part: Part) -> str:
        """All that a process or server has written so far."""
        path = Path(self.info.logs[_name(part)])
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def exit_status(self, part: Part) -> int | None:
        """How it ended (negative: by that signal); None while it runs, frozen or not."""
        return self._backend.exit_status(_name(part))

    def identity(self, process: Process) -> tuple[str, int]:
        """Host name and pid as a process sees its own: what it may call itself in tables and logs."""
        return self._backend.identity(process.name)

    # --- more of it

    def start_instance(self, env: Mapping[str, str] | None = None) -> Instance:
        """One more copy of the service, ready; ended by `mend`. Raises StartupError if it does not get ready."""
        instance = self._stack.start_instance(env or {})
        self._more.append(instance)
        return instance

    def start_worker(self, env: Mapping[str, str] | None = None) -> Worker:
        """One more worker, at work; ended by `mend`. Raises StartupError if it ends at once."""
        worker = self._stack.start_worker(env or {})
        self._more.append(worker)
        return worker

    # --- faults

    def kill(self, part: Part) -> None:
        """SIGKILL, to all below it too; returns when it is gone."""
        self._begin("kill", part)
        processes.kill(self._backend, _name(part))

    def terminate(self, part: Part, seconds: float = TERMINATE_SECONDS) -> int | None:
        """SIGTERM; the exit status, None if it still runs after `seconds`. Raises UsageError for what is frozen."""
        if self.faults.open.get(_name(part)) == "freeze":
            raise UsageError(f"{_name(part)} is frozen, and hears no SIGTERM; thaw it first")
        self._begin("terminate", part)
        return processes.terminate(self._backend, _name(part), seconds)

    def freeze(self, part: Part) -> None:
        """SIGSTOP: it accepts connections, and answers nothing, until `thaw`."""
        self._begin("freeze", part)
        processes.freeze(self._backend, _name(part))

    def thaw(self, part: Part) -> None:
        """End a `freeze`."""
        processes.thaw(self._backend, _name(part))
        self.faults.end(_name(part))

    def stop(self, server: str) -> None:
        """End a server in its own orderly way, its port refuses; `start` brings it back with its data."""
        name = _server(server)
        # its helpers must hear that it ends: what stays frozen would hold its data
        processes.thaw(self._backend, name)
        self._begin("stop", name)
        stop_server(self._backend, name)

    def start(self, part: Part) -> None:
        """Start again, at its port and on its data, what was killed, terminated or stopped; returns once it is ready.

        Raises StartupError if the service or a worker does not come back, StackError if a server does not.
        """
        name = _name(part)
        if isinstance(part, str):
            self._pids[name] = start_server(self._backend, self.info, _server(part))
        else:
            self._pids[name] = processes.start_again(self._backend, part, self.target)
        self._doubtful.discard(name)
        self.faults.end(name)

    # --- whole again

    def mend(self) -> None:
        """Make the rig as it was: servers run, its own instances and workers too, and what was added is ended.

        An instance that does not get well by itself is started again; so is a worker to which, or to a server, a fault
        was done: it may live and hang. Raises StartupError, StackError where that fails.
        """
        self._thaw_all()
        for server in SERVERS:
            if server in self.info.timings and self.exit_status(server) is not None:
                self.start(server)
        if MAIL in self.faults.open:
            self._doubt(MAIL)
            self.mailbox.normal()
        for one in self._more:
            self._backend.stop(one.name)
            self.faults.end(one.name, "it was started for one test")
        self._more.clear()
        for one in self._own:
            if self.exit_status(one) is None and not self._well(one):
                self.kill(one)
            if self.exit_status(one) is not None:
                self.start(one)
            self.faults.end(one.name)

    def let_go(self) -> None:
        """Thaw what is frozen, so that nothing waits for it, and close clients. The stack is about to end."""
        self._thaw_all()
        for part in self.faults.open:
            self.faults.end(part, "the stack ends")
        self.clients.close()
        if self._mailbox is not None:
            self._mailbox.close()

    @property
    def _backend(self) -> Backend:
        return self._stack.backend

    def _thaw_all(self) -> None:
        for part, fault in self.faults.open.items():
            if fault == "freeze":
                self.thaw(part)

    def _begin(self, fault: str, part: Part) -> None:
        self._doubt(_name(part))
        self.faults.begin(fault, _name(part))

    def _doubt(self, name: str) -> None:
        everywhere = name in (*SERVERS, MAIL)
        workers = {one.name for one in self._own if isinstance(one, Worker)}
        self._doubtful |= workers if everywhere else workers & {name}

    def _well(self, one: Process) -> bool:
        if not isinstance(one, Instance):
            return one.name not in self._doubtful
        timeout = self.target.service.timeout_s
        return wait_until(
            lambda: service_problem(one.url, self.target.health, timeout), lambda: self.exit_status(one), timeout
        ).ready

    def _now(self, one: Any) -> Any:  # noqa: ANN401 - an Instance gives an Instance, a Worker a Worker
        return replace(one, pid=self._pids[one.name]) if one.name in self._pids else one

    def _known(self, server: str, url: str | None) -> str:
        if url is None:
            raise StackError(f"{self.target.name} has no {server}: [service] needs does not name it")
        return url


def _name(part: Part) -> str:
    return part if isinstance(part, str) else part.name


def _server(name: str) -> str:
    if name not in SERVERS:
        raise UsageError(f"no server {name!r}; servers: {', '.join(SERVERS)}")
    return name
