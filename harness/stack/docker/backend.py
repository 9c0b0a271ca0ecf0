"""The docker backend: the service and its servers as containers in a network of their own, by docker-py.

Nothing of it needs the docker client. The trusted proxy of simulated clients is the network's gateway: whatever comes
through a published port reaches the service from there.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import GroundError, StackError
from harness.machine.decoding import Reader
from harness.model import Build, Listener, Target
from harness.stack.docker.containers import Container, Containers, PortTakenError
from harness.stack.docker.engine import connect_engine
from harness.stack.docker.images import service_image
from harness.stack.docker.orphans import sweep_docker
from harness.stack.docker.servers import (
    StartedServer,
    await_ready,
    start_mail,
    start_peer,
    start_postgres,
    start_valkey,
)
from harness.stack.docker.watcher import DAEMON_LOST
from harness.stack.ports import HOST, free_port, hold, is_free, occupied
from harness.stack.protocol import Servers, ServiceEndpoint
from harness.stack.supervisor.client import Signal, Supervision
from harness.stack.supervisor.registry import Folders, make_owner_record

_RECIPE_FILE = "docker.json"
_DRAIN_SECONDS = 3
_NOT_STARTED = 125
"""Exit status of what the daemon did not start, as the docker client has it."""
_HALT_SECONDS = 10
_SIGNALLED, _LAST_SIGNAL = 128, 64
"""An exit status that is above this by the number of a signal says that it was ended by that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecipe:
    """What it takes to start another copy of the service in a stack's network; kept beside the stack."""

    network: str
    image: str
    image_id: str


_RECIPE = Reader(ContainerRecipe)


class DockerBackend:
    """Runs one stack's containers, or further copies of the service of a stack that is up."""

    kind: Literal["docker"] = "docker"
    host = "0.0.0.0"  # noqa: S104 - inside a container; only 127.0.0.1 of this machine leads to it

    def __init__(self, supervision: Supervision, folders: Folders, target: Target) -> None:
        self._supervision = supervision
        self._target = target
        self._state = folders.state
        self._logs = folders.state / "logs"
        self._ports: set[int] = set()
        self._held: dict[int, socket.socket] = {}
        self._unstarted: set[str] = set()
        self._engine = connect_engine()
        sweep_docker(self._engine)
        owner = make_owner_record(supervision.mark, supervision.pid, supervision.start, (), "")
        self._containers = Containers(self._engine, supervision, owner, target.name, self._logs)
        self._recipe: ContainerRecipe | None = None
        file = self._state / _RECIPE_FILE
        if file.is_file():
            self._recipe = _RECIPE.json(file.read_bytes())
            self._containers.join_network(self._recipe.network)

    @property
    def build(self) -> Build:
        """The image that is started."""
        return Build(kind="image", id=self._known().image_id)

    def start_servers(self, needs: tuple[str, ...]) -> Servers:
        """Find or build the service's image, then start all that is needed before waiting for any."""
        image, image_id = service_image(self._engine, self._target)
        begun = time.monotonic()
        gateway = self._containers.make_network()
        self._recipe = ContainerRecipe(network=self._containers.network, image=image, image_id=image_id)
        (self._state / _RECIPE_FILE).write_bytes(msgspec.json.encode(self._recipe))
        started, timings = self._start_all(needs, begun)
        found = {server.name: server for server in started}
        values = {"proxy": f"{gateway}/32"}
        words = {"postgres": "database_url", "valkey": "redis_url", "smtp": "smtp_url"}
        values |= {word: found[name].inside for name, word in words.items() if name in found}
        outside = {name: server.outside for name, server in found.items()}
        return Servers(
            values=values,
            database_url=outside.get("postgres"),
            redis_url=outside.get("valkey"),
            smtp_url=outside.get("smtp"),
            mailbox_url=found["smtp"].extra if "smtp" in found else None,
            untrusted_url=outside.get("peer"),
            secrets=_secrets_of(found),
            timings=timings,
        )

    def cache_prepared(self, listen: Listener) -> Mapping[str, int]:  # noqa: ARG002
        """Not here: `prepare_cached` runs for every stack."""
        return {}

    def choose_endpoint(self, wanted: int | None) -> ServiceEndpoint:
        """Inside always the profile's port; here the wanted one if it is free, else one at random."""
        if wanted is not None and not is_free(wanted):
            raise occupied(wanted)
        port = wanted if wanted is not None else free_port(frozenset(self._ports))
        self._ports.add(port)
        if (held := hold(port)) is not None:
            # until its container starts, which is after all that prepares for it
            self._held[port] = held
        return ServiceEndpoint(self._target.service.container_port, f"http://{HOST}:{port}")

    def start(
        self, name: str, argv: tuple[str, ...], settings: Mapping[str, str], endpoint: ServiceEndpoint | None
    ) -> None:
        """Start it from the service's image, whose own command runs where the profile has none."""
        container = Container(
            name=name,
            image=self._known().image,
            argv=argv,
            environment=settings,
            grace=_DRAIN_SECONDS,
            stage=2,
        )
        if endpoint is not None and (held := self._held.pop(endpoint.outside, None)) is not None:
            held.close()
        try:
            self._containers.run(container, {endpoint.port: endpoint.outside} if endpoint else {})
        except PortTakenError as error:
            self._unstarted.add(name)
            self.log(name).write_text(f"{error}\n", encoding="utf-8")

    def exit_status(self, name: str) -> int | None:
        """How its container ended; None while it runs. Raises GroundError if the daemon let go of it."""
        return _NOT_STARTED if name in self._unstarted else _as_process(name, self._supervision.exit_status(name))

    def exit_status_of_all(self, name: str) -> int | None:
        """A container ends as a whole."""
        return self.exit_status(name)

    def expect_heirs(self, name: str) -> None:
        """Nothing lives on after the first process of a container."""

    def wait(self, name: str, seconds: float) -> int | None:
        """The same, waiting up to `seconds`."""
        return _NOT_STARTED if name in self._unstarted else _as_process(name, self._supervision.wait(name, seconds))

    def stop(self, name: str) -> None:
        """Stop its container and remove it."""
        if name not in self._unstarted:
            self._containers.stop(name)

    def signal(self, name: str, signal: Signal) -> None:
        """By the daemon: STOP and CONT pause and resume the whole container."""
        if (status := self.exit_status(name)) is not None:
            raise StackError(f"signal {name}: it has ended with {status}")
        self._containers.signal(name, signal)

    def halt(self, name: str) -> None:
        """Stop its container, which is kept with all that it wrote."""
        self._containers.halt(name, _HALT_SECONDS)
        self._supervision.wait(name, _HALT_SECONDS)

    def start_again(self, name: str) -> None:
        """Start the same container."""
        if self.exit_status(name) is None:
            raise StackError(f"{name} runs: what has not ended cannot be started again")
        self._containers.start_again(name)

    def identity(self, name: str) -> tuple[str, int]:
        """The container's name in the network, and the first process in it."""
        return name, 1

    def pid(self, name: str) -> None:
        """None here: it is in its container."""

    def processes(self, name: str) -> frozenset[int]:  # noqa: ARG002
        """The daemon's, and gone with their container."""
        return frozenset()

    def log(self, name: str) -> Path:
        """Its file under the state folder."""
        return self._logs / f"{name}.log"

    def close(self) -> None:
        """Close the connections to the daemon, and let go of ports that nobody came to use."""
        for held in self._held.values():
            held.close()
        self._held.clear()
        self._engine.close()

    def _start_all(self, needs: tuple[str, ...], begun: float) -> tuple[list[StartedServer], dict[str, float]]:
        engine, containers = self._engine, self._containers
        starts: list[Callable[[], StartedServer]] = []
        if "postgres" in needs:
            starts.append(lambda: start_postgres(engine, containers))
        if "valkey" in needs:
            starts.append(lambda: start_valkey(engine, containers))
        if "smtp" in needs:
            starts.append(lambda: start_mail(engine, containers))
        if self._target.clients.address == "x-forwarded-for":
            port = self._target.service.container_port
            starts.append(lambda: start_peer(engine, containers, "service-1", port))
        if not starts:
            return [], {}
        timings: dict[str, float] = {}

        def start(do: Callable[[], StartedServer]) -> StartedServer:
            server = do()
            await_ready(server, self.exit_status, self.log(server.name))
            timings[server.name] = time.monotonic() - begun
            return server

        with ThreadPoolExecutor(len(starts)) as pool:
            started = list(pool.map(start, starts))
        timings.pop("peer", None)
        return started, timings

    def _known(self) -> ContainerRecipe:
        if self._recipe is None:
            raise StackError(f"{self._state / _RECIPE_FILE} is missing; start the stack again")
        return self._recipe


def _secrets_of(found: Mapping[str, StartedServer]) -> dict[str, str]:
    secrets = {"postgres_superuser": found["postgres"].extra} if "postgres" in found else {}
    return secrets | ({"mailbox_token": found["smtp"].extra.rpartition("/")[2]} if "smtp" in found else {})


def _as_process(name: str, status: int | None) -> int | None:
    """A watch's exit status as a process has it: negative where a signal ended the container."""
    if status == -DAEMON_LOST:
        raise GroundError(f"the Docker daemon let go of container {name}: it was stopped or restarted; see its log")
    if status is not None and _SIGNALLED < status <= _SIGNALLED + _LAST_SIGNAL:
        return _SIGNALLED - status
    return status
