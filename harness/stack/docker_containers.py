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
from harness.stack.docker_engine import Engine, engine_errors, is_port_conflict
from harness.stack.docker_program import NETWORK_LABEL
from harness.stack.ports import HOST, free_port
from harness.stack.readiness import wait_until
from harness.stack.state import Keeper
from harness.stack.supervision import Order, Supervision
from harness.stack.supervisor import SUPERVISOR_MARK

STACK_LABEL, KEEPER_LABEL, TARGET_LABEL = "harness.stack", "harness.keeper", "harness.target"
_PROGRAM = Path(__file__).with_name("docker_program.py")
_PORT_TRIES = 3
_WATCH_SECONDS = 6.0
"""Seconds that a watch gets to end its container beyond the container's own grace."""
_HEED_SECONDS = 5.0


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
    memory_folder: str = ""
    """A folder that lies in memory."""
    user: str = ""
    grace: int = 0
    """Seconds between its stop signal and its kill; 0 kills at once (data that is thrown away)."""
    stage: int = 1


class Containers:
    """Starts and watches the containers of one supervisor, in one network."""

    def __init__(self, engine: Engine, supervision: Supervision, keeper: Keeper, target: str, logs: Path) -> None:
        self._engine = engine
        self._supervision = supervision
        self._labels = {
            STACK_LABEL: supervision.mark,
            KEEPER_LABEL: msgspec.json.encode(keeper).decode(),
            TARGET_LABEL: target,
        }
        self._logs = logs
        self._network = ""
        self._ids: dict[str, str] = {}

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
            if container.files:
                created.put_archive("/", _archive(container.files))
        try:
            with engine_errors(f"container {container.name}"):
                created.start()
        except StackError as error:
            with engine_errors("removing a container that did not start"):
                _remove(created)
            if is_port_conflict(error.message):
                raise PortTakenError(error.message) from error
            raise
        self._ids[container.name] = str(created.id)
        pid = self._supervision.spawn(
            Order(
                name=container.name,
                argv=(*_python(), "follow", self._engine.socket, str(created.id), str(container.grace)),
                # like a supervisor, it looks after itself: whoever clears up after a dead stack must not end it
                env={"PATH": os.defpath, SUPERVISOR_MARK: self._supervision.mark},
                log=self._logs / f"{container.name}.log",
                stage=container.stage,
                grace=container.grace + _WATCH_SECONDS,
                death="QUIT",
            )
        )
        _await_watch(pid)

    def stop(self, name: str) -> None:
        """End a container; returns when it is gone."""
        from docker.errors import NotFound

        self._supervision.stop(name)
        with engine_errors(f"container {name}"):
            try:
                # usually its watch has removed it; a watch that was killed has not
                self._engine.client.api.remove_container(self._ids[name], force=True, v=True)
            except NotFound:
                return

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
            tmpfs={container.memory_folder: "mode=1777"} if container.memory_folder else None,
            user=container.user or None,
            # an image's own health check would be one more client, beside those that are measured
            healthcheck={"test": ["NONE"]},
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "64m", "max-file": "2"}),
        )

    def _reap_at_the_end(self, label: str, network: str) -> None:
        self._supervision.own_command((*_python(), "reap", self._engine.socket, label, *([network] if network else [])))


def sweep_docker(engine: Engine) -> None:
    """Remove containers and networks of stacks whose supervisor was killed together with all its watches."""
    from docker.errors import APIError

    with engine_errors("removing what dead stacks left"):
        for thing, _ in dead_things(engine):
            # refused where another process removes it at the same moment
            with contextlib.suppress(APIError):
                _remove(thing)


def dead_things(engine: Engine) -> list[tuple[Any, Mapping[str, str]]]:
    """Those containers and networks, with their labels; containers first, so that their network can be removed."""
    with engine_errors("looking for what dead stacks left"):
        client = engine.client
        found = [
            *client.containers.list(all=True, filters={"label": KEEPER_LABEL}, ignore_removed=True),
            *client.networks.list(filters={"label": KEEPER_LABEL}),
        ]
        labelled = [
            (thing, thing.attrs.get("Labels") or thing.attrs.get("Config", {}).get("Labels") or {}) for thing in found
        ]
    return [(thing, labels) for thing, labels in labelled if _is_dead(labels)]


def _remove(thing: Any) -> None:  # noqa: ANN401 - docker-py has no types
    """Remove a network, or a container however it is, with its unnamed volumes."""
    if hasattr(thing, "kill"):
        thing.remove(force=True, v=True)
    else:
        thing.remove()


def _is_dead(labels: Mapping[str, str]) -> bool:
    try:
        keeper = msgspec.json.decode(labels[KEEPER_LABEL], type=Keeper)
    except (KeyError, msgspec.MsgspecError):
        return False
    return not keeper.alive


def _await_watch(pid: int) -> None:
    """Wait until a watch heeds its signals: one that is ended before that leaves its container behind.

    A watch that ended already, or that does not come to it, is left to what removes containers by label.
    """
    sign = 1 << (signal.SIGQUIT - 1)

    def ask() -> str:
        with contextlib.suppress(OSError, StopIteration, IndexError, ValueError):
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            caught = next(line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
            return "" if int(caught, 16) & sign else "it heeds no signals yet"
        return ""

    wait_until(ask, lambda: None, _HEED_SECONDS)


def _python() -> tuple[str, ...]:
    return os.path.realpath(sys.executable), "-I", "-S", str(_PROGRAM)


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of files and the folders above them; docker puts it over the container's root."""
    content = io.BytesIO()
    folders: set[str] = set()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            for folder in reversed(Path(name).parents[:-1]):
                if str(folder) not in folders:
                    folders.add(str(folder))
                    entry = tarfile.TarInfo(str(folder).lstrip("/"))
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(data), 0o444
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
