"""What a person reads where a stack in containers cannot be had: one line and the way out, status 4, nothing left."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.machine.bundle import root
from harness.stack.docker.orphans import TARGET_LABEL
from tests.docker_target import DOCKERFILE, PROGRAM

PROFILE = """\
schema = 1
name = "{name}"

[service]
cwd = "."
container_port = 8123
timeout_s = 2
start_timeout_s = {seconds}
{image}

[service.env]
{env}

[health]
live = "/live"
ready = "/ready"
"""
BUILT = 'command = ["python3", "/srv/service.py"]\ndockerfile = "Dockerfile"'


@dataclass
class Place:
    """A folder with a profile and its service; what it is called is in the labels of all that it starts."""

    folder: Path
    name: str
    environment: dict[str, str]

    def describe(self, *, env: str = "", seconds: int = 60, image: str = BUILT) -> None:
        (self.folder / "small.toml").write_text(PROFILE.format(name=self.name, env=env, seconds=seconds, image=image))
        (self.folder / "service.py").write_text(PROGRAM)
        (self.folder / "Dockerfile").write_text(DOCKERFILE)

    def run(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        given = ["--out", str(self.folder / "out")] if command == "gate" else ["--name", self.name]
        return subprocess.run(
            [sys.executable, "-m", "harness", command, "--stack", "docker", "--target", "small.toml", *given, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    environment = {**os.environ, "PYTHONPATH": str(root()), "XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    made = Place(tmp_path, f"docked-{secrets.token_hex(3)}", environment)
    made.describe()
    return made


def failed(ran: subprocess.CompletedProcess[str], says: str) -> list[str]:
    """The lines on standard error, from the one that says what is wrong; that must be the one line of its kind."""
    assert "Traceback" not in ran.stderr
    lines = ran.stderr.splitlines()
    (found,) = [number for number, line in enumerate(lines) if re.search(says, line)]
    return lines[found:]


def left(engine: Any, place: Place) -> list[str]:
    labelled, api = {"label": f"{TARGET_LABEL}={place.name}"}, engine.client.api
    volumes = api.volumes(filters=labelled)["Volumes"] or ()
    found = (*api.containers(all=True, filters=labelled), *api.networks(filters=labelled), *volumes)
    return [str(one) for one in found]


@pytest.mark.parametrize("command", ["up", "gate"])
def test_without_a_daemon(place: Place, command: str) -> None:
    place.environment["DOCKER_HOST"] = f"unix://{place.folder}/none"
    ran = place.run(command)
    assert ran.returncode == 4
    failed(ran, f"no Docker daemon: {place.folder}/none does not exist; install and start Docker")


@pytest.mark.parametrize("command", ["up", "gate"])
def test_without_the_package_that_speaks_with_it(place: Place, command: str) -> None:
    shadow = place.folder / "shadow" / "docker"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('not installed')\n")
    place.environment["PYTHONPATH"] = f"{shadow.parent}{os.pathsep}{root()}"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(place.folder / "daemon.sock"))
        daemon.listen()
        place.environment["DOCKER_HOST"] = f"unix://{place.folder}/daemon.sock"
        ran = place.run(command)
    assert ran.returncode == 4
    failed(ran, r"package docker is not installed; install it: (make setup|pip install)")


@pytest.mark.parametrize("command", ["up", "gate"])
def test_with_neither_image_nor_dockerfile(place: Place, command: str) -> None:
    place.describe(image='command = ["python3", "service.py"]')
    ran = place.run(command)
    assert ran.returncode == 2
    failed(ran, r"the docker backend needs service.image or service.dockerfile")


@pytest.mark.parametrize(
    ("change", "says", "status", "further"),
    [
        ({"env": 'FAIL = "7"'}, r"the service exited with status 7 after \d+\.\d s", (4, 1), "the service begins"),
        (
            {"env": 'SICK = "1"', "seconds": 2},
            r"the service was not ready after \d+\.\d s \(GET /ready: 503\)",
            (4, 1),
            "the service begins",
        ),
        ({"image": 'image = "127.0.0.1:9/mine:1"'}, r"service.image: image 127.0.0.1:9/mine:1 is not here", (4, 4), ""),
    ],
    ids=["exits at once", "never ready", "no image"],
)
@pytest.mark.parametrize("command", ["up", "gate"])
def test_what_does_not_start(
    engine: Any, place: Place, command: str, change: dict[str, Any], says: str, status: tuple[int, int], further: str
) -> None:
    place.describe(**change)
    ran = place.run(command, *(["--only", "e2e"] if command == "gate" else []))
    assert ran.returncode == status[command == "gate"], ran.stderr
    if ran.returncode == 4:
        assert further in "\n".join(failed(ran, says)[1:])
    else:
        kept = (place.folder / "out" / "latest" / "evidence.jsonl").read_text()
        assert re.search(says, kept)
        assert further in kept + "".join(log.read_text() for log in (place.folder / "out").glob("runs/*/logs/*.log"))
    assert left(engine, place) == []


@pytest.mark.parametrize("spoil", ["port", "build"])
def test_what_cannot_be_done(engine: Any, place: Place, spoil: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        if spoil == "build":
            (place.folder / "Dockerfile").write_text(f"{DOCKERFILE}RUN echo before; false\n")
        ran = place.run("up", *(["--port", str(port)] if spoil == "port" else []))
    assert ran.returncode == 4, ran.stderr
    says = {"port": f"port {port} on 127.0.0.1 is in use", "build": r"building .* from Dockerfile failed"}[spoil]
    lines = failed(ran, says)
    assert spoil == "port" or "before" in "\n".join(lines[1:])
    assert left(engine, place) == []


def test_it_works_where_nothing_is_wrong(engine: Any, place: Place) -> None:
    ran = place.run("up")
    try:
        assert ran.returncode == 0, ran.stderr
        assert left(engine, place)
    finally:
        words = [sys.executable, "-m", "harness", "down", "--name", place.name]
        down: Callable[..., Any] = subprocess.run
        down(words, env=place.environment, cwd=place.folder, check=True, capture_output=True, timeout=120)
    assert left(engine, place) == []
