"""Containers of one stack: created with docker-py, then watched by a process under the stack's supervisor.

So a container is to the supervisor what a server is on the embedded stack: a child with a log and an exit status, ended
in its turn. Every container is labelled before it runs, so that what outlives its watch is found and removed.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import StackError
from harness.stack.docker.engine import DockerEngine, engine_errors, is_port_conflict
from harness.stack.docker.orphans import OWNER_LABEL, TARGET_LABEL
from harness.stack.docker.watcher import NETWORK_LABEL, STACK_LABEL
from harness.stack.ports import HOST, free_port
from harness.stack.readiness import wait_until
from harness.stack.supervisor.client import Order, Signal, Supervision
from harness.stack.supervisor.process import SUPERVISOR_MARK
from harness.stack.supervisor.registry import OwnerRecord

_PROGRAM = Path(__file__).with_name("watcher.py")
_PORT_TRIES = 3
_PAUSE_SECONDS = 15.0
_HEED_SECONDS = 5.0
_WATCH_SECONDS = 6.0
"""Seconds that a watch gets to end its container beyond the container's own grace."""


class PortTakenError(Exception):
    """The daemon could not publish a port, since somebody listens there; the daemon's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What to run; its name is also its name in the network.

    `argv` takes the place of the image's entrypoint and command, `command` of its command alone.
    """

    name: str
    image: str
    argv: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Absolute path -> content, put there before the start, readable by all inside."""
    folders: tuple[str, ...] = ()
    """Absolute paths of folders, made there before the start, in which all inside may write."""
    user: str = ""
    grace: int = 0
    """Seconds between its stop signal and its kill; 0 kills at once (data that is thrown away)."""
    stage: int = 1


class Containers:
    """Starts and watches the containers of one supervisor, in one network."""

    def __init__(
        self, engine: DockerEngine, supervision: Supervision, owner: OwnerRecord, target: str, logs: Path
    ) -> None:
        self._engine = engine
        self._supervision = supervision
        self._labels = {
            STACK_LABEL: supervision.mark,
            OWNER_LABEL: msgspec.json.encode(owner).decode(),
            TARGET_LABEL: target,
        }
        self._logs = logs
        self._network = ""
        self._known: dict[str, tuple[Container, str]] = {}

    def make_network(self) -> str:
        """Make the stack's own network, removed at the stack's end with all in it; returns its gateway's address."""
        name = f"harness-{self._supervision.mark}"
        self._reap_at_the_end(f"{NETWORK_LABEL}={name}", name)
        with engine_errors("making the stack's network"):
            network = self._engine.client.networks.create(name, driver="bridge", labels=self._labels)
            network.reload()
            gateway = next((entry.get("Gateway") for entry in network.attrs["IPAM"]["Config"]), None)
        if not gateway:
            raise StackError(f"Docker gave network {name} no gateway; its default address pools must be mended")
        self.use_network(name)
        return str(gateway)

    def join_network(self, name: str) -> None:
        """Run containers in another stack's network; only they are removed when this supervisor ends."""
        self._reap_at_the_end(f"{STACK_LABEL}={self._supervision.mark}", "")
        self.use_network(name)

    def use_network(self, name: str) -> None:
        """Run all further containers in that network."""
        self._network = name

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._network

    def run_published(self, container: Container, ports: tuple[int, ...]) -> tuple[int, ...]:
        """Run it with its ports published at free ports of this machine; returns those, in order."""
        last = ""
        for _ in range(_PORT_TRIES):
            chosen: list[int] = []
            for _ in ports:
                chosen.append(free_port(frozenset(chosen)))
            try:
                self.run(container, dict(zip(ports, chosen, strict=True)))
            except PortTakenError as error:
                last = str(error)
                continue
            return tuple(chosen)
        raise StackError(f"no port stayed free for {container.name} in {_PORT_TRIES} tries: {last}")

    def run(self, container: Container, ports: Mapping[int, int]) -> None:
        """Create, start and watch it; `ports` are those inside -> those at 127.0.0.1 of this machine.

        Raises PortTakenError, StackError for what the daemon refuses, GroundError if it does not answer.
        """
        with engine_errors(f"container {container.name}"):
            created = self._create(container, ports)
            if container.files or container.folders:
                created.put_archive("/", _archive_of(container.files, container.folders))
        try:
            with engine_errors(f"container {container.name}"):
                created.start()
        except StackError as error:
            with engine_errors("removing a container that did not start"):
                created.remove(force=True, v=True)
            if is_port_conflict(error.message):
                raise PortTakenError(error.message) from error
            raise
        self._known[container.name] = container, str(created.id)
        self._watch(container.name, "")

    def signal(self, name: str, signal: Signal) -> None:
        """KILL and TERM reach its main process, with which all others end or not; STOP and CONT reach all of them.

        Raises StackError if it has ended.
        """
        container = self._known[name][1]
        with engine_errors(f"container {name}"):
            api = self._engine.client.api
            paused = api.inspect_container(container)["State"]["Paused"]
            match signal:
                case "STOP" if not paused:
                    _pause(api, container)
                case "CONT" if paused:
                    api.unpause(container)
                case "KILL" | "TERM":
                    api.kill(container, signal)

    def halt(self, name: str, seconds: int) -> None:
        """End a container by its own stop signal, killed after `seconds`; it is kept, for `start_again`."""
        with engine_errors(f"container {name}"):
            self._engine.client.api.stop(self._known[name][1], timeout=seconds)

    def start_again(self, name: str) -> None:
        """Start a container that has ended once more: at its ports, with all that it had written."""
        api, container = self._engine.client.api, self._known[name][1]
        with engine_errors(f"container {name}"):
            ended: str = api.inspect_container(container)["State"]["FinishedAt"]
            api.start(container)
        self._watch(name, ended)

    def stop(self, name: str) -> None:
        """End a container and remove it; returns when it is gone."""
        from docker.errors import NotFound

        self._supervision.stop(name)
        with engine_errors(f"container {name}"):
            try:
                # usually its watch has removed it; a watch that was killed has not
                self._engine.client.api.remove_container(self._known[name][1], force=True, v=True)
            except NotFound:
                return

    def _watch(self, name: str, since: str) -> None:
        """Follow a container that was just started; `since` is when its run before that ended."""
        container, known = self._known[name]
        words = ("follow", self._engine.socket, known, str(container.grace), *([since] if since else []))
        pid = self._supervision.spawn(
            Order(
                name=name,
                argv=_watcher_command(*words),
                # like a supervisor, it looks after itself: whoever clears up after a dead stack must not end it
                env={"PATH": os.defpath, SUPERVISOR_MARK: self._supervision.mark},
                log=self._logs / f"{name}.log",
                stage=container.stage,
                grace=container.grace + _WATCH_SECONDS,
                death="QUIT",
            )
        )
        _await_watch(pid)

    def _create(self, container: Container, ports: Mapping[int, int]) -> Any:  # noqa: ANN401 - docker-py has no types
        from docker.types import LogConfig

        client = self._engine.client
        endpoint = client.api.create_endpoint_config(aliases=[container.name])
        return client.containers.create(
            container.image,
            list(container.command) or None,
            entrypoint=list(container.argv) or None,
            name=f"harness-{self._supervision.mark}-{container.name}",
            hostname=container.name,
            environment=dict(container.environment),
            labels={**self._labels, NETWORK_LABEL: self._network},
            ports={f"{inside}/tcp": (HOST, outside) for inside, outside in ports.items()},
            network=self._network,
            networking_config={self._network: endpoint},
            mounts=self._mounts(container.image),
            user=container.user or None,
            # an image's own health check would be one more client, beside those that are measured
            healthcheck={"test": ["NONE"]},
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "64m", "max-file": "2"}),
        )

    def _mounts(self, image: str) -> list[Any]:
        """Volumes that the image declares would carry no label: so each is asked for, with those of its container."""
        from docker.types import Mount

        declared = self._engine.client.images.get(image).attrs["Config"].get("Volumes") or {}
        labels = {**self._labels, NETWORK_LABEL: self._network}
        return [Mount(target=place, source=None, type="volume", labels=labels) for place in sorted(declared)]

    def _reap_at_the_end(self, label: str, network: str) -> None:
        words = ("reap", self._engine.socket, label, *([network] if network else []))
        self._supervision.own_command(_watcher_command(*words))


def _await_watch(pid: int) -> None:
    """Wait until a watch heeds its signals: one that is ended before that leaves its container behind.

    A watch that ended already, or that does not come to it, is left to what removes containers by label.
    """
    sign = 1 << (signal.SIGQUIT - 1)

    def ping() -> str | None:
        with contextlib.suppress(OSError, StopIteration, IndexError, ValueError):
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            caught = next(line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
            return None if int(caught, 16) & sign else "it heeds no signals yet"
        return None

    wait_until(ping, lambda: None, _HEED_SECONDS)


def _watcher_command(*words: str) -> tuple[str, ...]:
    """The command that does what `watcher.py` does by those words."""
    return os.path.realpath(sys.executable), "-I", "-S", str(_PROGRAM), *words


def _pause(api: Any, container: str) -> None:  # noqa: ANN401 - docker-py has no types
    """Pause it, again and again where that fails: on a busy machine processes fork away from the kernel's freezer."""
    from docker.errors import APIError

    last: list[APIError] = []

    def ping() -> str | None:
        try:
            api.pause(container)
        except APIError as error:
            last[:] = [error]
            return str(error)
        return None

    if not wait_until(ping, lambda: None, _PAUSE_SECONDS).ready:
        raise last[0]


def _archive_of(files: Mapping[str, bytes], folders: tuple[str, ...]) -> bytes:
    """A tar of files, of folders that are open to all, and of those above them; docker puts it over the root."""
    content = io.BytesIO()
    above = {str(folder): 0o755 for name in (*files, *folders) for folder in Path(name).parents[:-1]}
    with tarfile.open(fileobj=content, mode="w") as archive:
        for folder, mode in sorted({**above, **dict.fromkeys(folders, 0o1777)}.items()):
            entry = tarfile.TarInfo(folder.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(data), 0o444
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
