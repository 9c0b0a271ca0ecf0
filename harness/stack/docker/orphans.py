"""What dead stacks left in Docker: found by their labels, and removed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from harness.machine.decoding import Reader
from harness.stack.docker.engine import DockerEngine, engine_errors
from harness.stack.supervisor.registry import OwnerRecord

_OWNER = Reader(OwnerRecord)
OWNER_LABEL, TARGET_LABEL = "harness.keeper", "harness.target"


@dataclass(frozen=True, slots=True)
class DeadThing:
    """A container, network or volume whose stack's supervisor is gone."""

    kind: Literal["container", "network", "volume"]
    thing: Any
    """docker-py's object; that package has no types."""
    labels: Mapping[str, str]


def sweep_docker(engine: DockerEngine) -> None:
    """Remove containers, networks and volumes of stacks whose supervisor was killed together with all its watches."""
    from docker.errors import APIError

    with engine_errors("removing what dead stacks left"):
        for dead in dead_things(engine):
            # refused where another process removes it at the same moment
            with contextlib.suppress(APIError):
                _remove(dead)


def dead_things(engine: DockerEngine) -> list[DeadThing]:
    """All of that; containers first, so that their networks and volumes can be removed."""
    labelled = {"label": OWNER_LABEL}
    with engine_errors("looking for what dead stacks left"):
        client = engine.client
        found = [
            *(DeadThing("container", one, one.labels) for one in _containers(client, labelled)),
            *(
                DeadThing("network", one, one.attrs.get("Labels") or {})
                for one in client.networks.list(filters=labelled)
            ),
            *(DeadThing("volume", one, one.attrs.get("Labels") or {}) for one in client.volumes.list(filters=labelled)),
        ]
    return [dead for dead in found if _is_dead(dead.labels)]


def _containers(client: Any, labelled: Mapping[str, str]) -> list[Any]:  # noqa: ANN401 - docker-py has no types
    # one that goes away between the list and the look at it is no error
    found: list[Any] = client.containers.list(all=True, filters=labelled, ignore_removed=True)
    return found


def _remove(dead: DeadThing) -> None:
    """Remove it however it is; a container with its unnamed volumes."""
    if dead.kind == "container":
        dead.thing.remove(force=True, v=True)
    else:
        dead.thing.remove()


def _is_dead(labels: Mapping[str, str]) -> bool:
    try:
        owner = _OWNER.json(labels[OWNER_LABEL])
    except (KeyError, msgspec.MsgspecError):
        return False
    return not owner.alive
