"""The Docker daemon of this machine: found, asked, and its refusals put into one line."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import GroundError, StackError
from harness.machine.extras import install_line

_SECONDS = 60.0
"""Within which the daemon must answer a request; removing and starting containers on a busy machine is slow."""
_FIRST_SECONDS = 10.0
"""Within which it must say that it is there: one that hangs is a finding, not a wait."""
_HINT = "or use --stack embedded; `harness doctor` says what this machine lacks"


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A daemon that answers."""

    client: Any
    """docker-py's client; that package has no types."""
    socket: str
    """Path of the daemon's Unix socket."""

    def close(self) -> None:
        """Close the connections that the client keeps open for its next request."""
        self.client.close()


def connect_engine(seconds: float = _SECONDS) -> DockerEngine:
    """The daemon that DOCKER_HOST names, else the one at a usual place. Raises StackError if none answers.

    `seconds` is how long it has for an answer, to this and to all that it is asked later.
    """
    path = _socket_path()
    _try_socket(path)
    try:
        import docker
    except ImportError as error:
        raise StackError(f"package docker is not installed; install it: {install_line('docker')}") from error
    with engine_errors("the Docker daemon"):
        client = docker.DockerClient(base_url=f"unix://{path}", version="auto", timeout=min(seconds, _FIRST_SECONDS))
        client.ping()
        client.api.timeout = seconds
    return DockerEngine(client, path)


@contextlib.contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Put docker-py's errors, and those of the library below it, into one line that begins with `what`.

    Raises StackError for what the daemon refuses, GroundError if the daemon does not answer.
    """
    import requests
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise StackError(f"{what}: {refusal(error)}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise GroundError(
            f"{what}: the Docker daemon does not answer ({_one_line(error)})", mend="see its log"
        ) from error


def refusal(error: Exception) -> str:
    """The daemon's own words for an error that it answered with."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())[:400]


def is_port_conflict(text: str) -> bool:
    """Whether the daemon refused to start a container since its port is taken."""
    return re.search(r"port is already allocated|address already in use", text) is not None


def _socket_path() -> str:
    named = os.environ.get("DOCKER_HOST", "")
    if named.startswith("unix://"):
        return named.removeprefix("unix://")
    if named:
        raise StackError(
            f"DOCKER_HOST is {named}: containers' ports must be on this machine, so only a unix:// socket will do"
        )
    usual = [Path("/var/run/docker.sock"), Path.home() / ".docker" / "run" / "docker.sock"]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        usual.insert(1, Path(runtime, "docker.sock"))
    return str(next((path for path in usual if path.exists()), usual[0]))


def _try_socket(path: str) -> None:
    """Tell apart, before docker-py wraps it, why a daemon cannot be reached."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5.0)
            probe.connect(path)
    except FileNotFoundError as error:
        raise StackError(
            f"no Docker daemon: {path} does not exist", mend=f"install and start Docker, {_HINT}"
        ) from error
    except PermissionError as error:
        raise StackError(
            f"the Docker daemon at {path} does not let this user in", mend=f"add the user to its group, {_HINT}"
        ) from error
    except OSError as error:
        raise StackError(
            f"no Docker daemon answers at {path} ({_one_line(error)})",
            mend=f"start it (systemctl start docker), {_HINT}",
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
