"""A stack of ours, whatever its backend: the service's commands on top of servers, and the end of it all."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from harness.errors import GroundError, StackError, StartupError
from harness.model import Instance, StackInfo, Target, Worker
from harness.stack.copies import PortLostError, StartingCopy, await_ready
from harness.stack.ports import occupied
from harness.stack.protocol import Backend, ServiceEndpoint
from harness.stack.readiness import TAIL_LINES, describe_exit, tail, wait_until, watch_log
from harness.stack.settings import PlaceholderValues, service_settings
from harness.stack.supervisor.client import Supervision
from harness.stack.supervisor.process import MARK
from harness.stack.supervisor.registry import write_info

_PREPARE_SECONDS = 600.0
_PORT_TRIES = 3


class RunningStack:
    """The `Stack` of a target whose processes are ours to start.

    `open_backend` is called when a process is first needed: what is only attached to another one's stack starts no
    supervisor until then; `mark` parts the names of its processes from the other's. The first copy of the service is
    `info.instances[0]`.
    """

    def __init__(
        self,
        target: Target,
        info: StackInfo,
        placeholders: PlaceholderValues,
        open_backend: Callable[[], tuple[Supervision, Backend]],
        *,
        mark: str = "",
    ) -> None:
        self._target = target
        self._info = info
        self._placeholders = placeholders
        self._open_backend = open_backend
        self._opened: tuple[Supervision, Backend] | None = None
        self._mark = f"-{mark}" if mark else ""
        self._counts = {"service": 0, "worker": 0}
        self._started: set[str] = set()
        self._lock = threading.Lock()

    @property
    def info(self) -> StackInfo:
        """Endpoints and facts."""
        return self._info

    @property
    def supervision(self) -> Supervision:
        """The supervisor of what this object starts."""
        return self._open()[0]

    @property
    def backend(self) -> Backend:
        """What runs its processes and servers."""
        return self._open()[1]

    def start_instance(self, overrides: Mapping[str, str]) -> Instance:
        """One more copy of the service on the same data."""
        return self.start_copies({**self._info.overrides, **overrides}, (None,))[0]

    def stop_instance(self, instance: Instance) -> None:
        """End a copy that this object started."""
        self._end(instance.name, f"{instance.url} is no instance")

    def start_worker(self, overrides: Mapping[str, str]) -> Worker:
        """One more worker on the same data."""
        return self.await_worker(self.begin_worker(overrides))

    def stop_worker(self, worker: Worker) -> None:
        """End a worker that this object started."""
        self._end(worker.name, f"{worker.name} is no worker")

    def exit_status(self, name: str) -> int | None:
        """How a copy or worker that this object started ended; None while it runs, and for those of others."""
        with self._lock:
            ours = name in self._started
        return self._open()[1].exit_status(name) if ours else None

    def own_process(self, pid: int) -> None:
        """Entrust a process to the supervisor."""
        self._open()[0].own_process(pid)

    def own_folder(self, path: Path) -> None:
        """Entrust a folder to the supervisor."""
        self._open()[0].own_folder(path)

    def stop(self, *, hurried: bool = False) -> None:
        """End what this object started, in whatever state it is; `hurried` as the supervision's end."""
        with self._lock:
            opened, self._opened = self._opened, None
            self._open_backend = _has_ended
        if opened is not None:
            try:
                opened[0].down(hurried=hurried)
            finally:
                opened[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop(hurried=KeyboardInterrupt in error)

    # --- the service's commands

    def update(self, **facts: object) -> None:
        """Change facts of `info`, on disk too."""
        self._info = replace(self._info, **facts)  # type: ignore[arg-type]
        write_info(self._info)

    def prepare(self, key: str, commands: Sequence[tuple[str, ...]], settings: Mapping[str, str]) -> None:
        """Run the profile's `prepare` commands, or those of another key, in turn.

        Raises StartupError for one that fails.
        """
        backend = self._open()[1]
        for number, template in enumerate(commands, 1):
            name = f"{key.replace('_', '-')}-{number}"
            argv = self._placeholders.fill_command(template, f"service.{key}")
            self._start(name, argv, settings, None)
            status = backend.wait(name, _PREPARE_SECONDS)
            if status != 0:
                how = f"ran over {_PREPARE_SECONDS:.0f} s" if status is None else describe_exit(status)
                raise StartupError(f"{key}: `{shlex.join(argv)}` {how}", output=tail(backend.log(name)))
            # a container that ended would be kept for another start
            backend.stop(name)

    def begin_worker(self, overrides: Mapping[str, str]) -> Worker:
        """Start a worker with the settings of the first copy of the service; `await_worker` says whether it works."""
        name = self._next_name("worker")
        settings = {key: value for key, value in self._info.settings.items() if key != MARK}
        pid = self._start(name, self._worker_argv(), {**settings, **overrides}, None)
        self._remember(name, pid)
        with self._lock:
            self._started.add(name)
        return Worker(name=name, pid=pid, log=str(self._open()[1].log(name)))

    def await_worker(self, worker: Worker) -> Worker:
        """Wait until its log says that it works, if the profile names the text; it must live in any case.

        Raises StartupError if it ended, or did not say so within the service's `start_timeout_s`.
        """
        backend, ready = self._open()[1], self._target.workers.ready
        log = Path(worker.log)
        ping = watch_log(log, ready) if ready else lambda: None
        wait = wait_until(ping, lambda: backend.exit_status_of_all(worker.name), self._target.service.start_timeout_s)
        if wait.ready:
            pid = backend.pid(worker.name)
            self._remember(worker.name, pid)
            return replace(worker, pid=pid, ready_bytes=log.stat().st_size if ready else worker.ready_bytes)
        raise StartupError(
            f"worker `{shlex.join(self._worker_argv())}` {wait.failure('is not ready')} after {wait.seconds:.1f} s; "
            f"the last {TAIL_LINES} lines of its log follow",
            output=tail(log),
        )

    def start_copies(
        self,
        overrides: Mapping[str, str],
        wanted: Sequence[ServiceEndpoint | None],
        *,
        public: str = "",
        meanwhile: Callable[[tuple[str, ...]], None] | None = None,
    ) -> tuple[Instance, ...]:
        """Start a copy at each wanted endpoint, or (None) at one of its own choice; returns them ready.

        `public` is the URL that they are told; without one each is told its own. All begin before any is waited for;
        `meanwhile` is called in between, with their URLs. A port that somebody took between its choice and its use is
        given up for another; where it was wanted, that is a StackError, and no fault of the service.
        """
        begun = [
            (self._begin_copy(self._next_name("service"), overrides, endpoint, public), endpoint) for endpoint in wanted
        ]
        if meanwhile is not None:
            meanwhile(tuple(copy.endpoint.url for copy, _ in begun))
        return tuple(self._await_copy(copy, overrides, endpoint, public) for copy, endpoint in begun)

    def _begin_copy(
        self, name: str, overrides: Mapping[str, str], wanted: ServiceEndpoint | None, public: str
    ) -> StartingCopy:
        endpoint = replace(wanted or self._open()[1].choose_endpoint(None), public=public)
        argv = self._placeholders.at(endpoint).fill_command(self._target.service.command, "service.command")
        begun = time.monotonic()
        self._start(name, argv, service_settings(self._target, self._placeholders, endpoint, overrides), endpoint)
        return StartingCopy(name=name, endpoint=endpoint, argv=argv, begun=begun)

    def _await_copy(
        self, first: StartingCopy, overrides: Mapping[str, str], wanted: ServiceEndpoint | None, public: str
    ) -> Instance:
        copy = first
        for attempt in range(2, _PORT_TRIES + 2):
            try:
                await_ready(copy, self._target, self._open()[1])
            except PortLostError:
                if wanted is not None:
                    raise occupied(wanted.outside) from None
                if attempt <= _PORT_TRIES:
                    copy = self._begin_copy(f"{first.name}-try-{attempt}", overrides, None, public)
                continue
            pid = self._open()[1].pid(copy.name)
            self._remember(copy.name, pid)
            with self._lock:
                self._started.add(copy.name)
            log = self._open()[1].log(copy.name)
            size = log.stat().st_size if log.exists() else None
            return Instance(url=copy.endpoint.url, pid=pid, log=str(log), name=copy.name, ready_bytes=size)
        raise StackError(f"no port stayed free in {_PORT_TRIES} tries; end what takes them")

    def _worker_argv(self) -> tuple[str, ...]:
        placeholders = self._placeholders.at(ServiceEndpoint(int(self._info.settings["PORT"]), self._info.url))
        return placeholders.fill_command(self._target.workers.command, "workers.command")

    def _next_name(self, kind: str) -> str:
        with self._lock:
            self._counts[kind] += 1
            return f"{kind}{self._mark}-{self._counts[kind]}"

    def _end(self, name: str, what: str) -> None:
        with self._lock:
            if name not in self._started:
                raise StackError(f"{what} that this process started; stop it where it was started")
            self._started.remove(name)
        self._open()[1].stop(name)

    def _start(
        self, name: str, argv: tuple[str, ...], settings: Mapping[str, str], endpoint: ServiceEndpoint | None
    ) -> int | None:
        try:
            return self._open()[1].start(name, argv, settings, endpoint)
        except GroundError:
            raise
        except StackError as error:
            if not self._open()[0].alive:
                raise
            raise StartupError(
                f"`{shlex.join(argv)}` cannot be started in {self._target.service.cwd}: {error}"
            ) from error

    def _remember(self, name: str, pid: int | None) -> None:
        with self._lock:
            log = str(self._open()[1].log(name))
            pids = {**self._info.pids, name: pid} if pid is not None else self._info.pids
            self._info = replace(self._info, pids=pids, logs={**self._info.logs, name: log})

    def _open(self) -> tuple[Supervision, Backend]:
        if self._opened is None:
            self._opened = self._open_backend()
        return self._opened


def marked(mark: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as a process of the stack has them, with the mark by which the supervisor finds it."""
    return {**settings, MARK: mark}


def timed(begun: float) -> float:
    """Seconds since `begun`."""
    return time.monotonic() - begun


def _has_ended() -> tuple[Supervision, Backend]:
    raise StackError("the stack was stopped; start another one")
