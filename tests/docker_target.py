"""A service in a container that is small enough to start often, and how to look for what a Docker stack left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StackError
from harness.model import ClientIdentity, Health, Service, Target
from harness.stack.docker.engine import connect_engine
from harness.stack.docker.watcher import NETWORK_LABEL
from tests.stack_target import folders_of

PROGRAM = """\
import http.server, json, os, sys, time

print("the service begins", file=sys.stderr, flush=True)
if "FAIL" in os.environ:
    sys.exit(int(os.environ["FAIL"]))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 503 if self.path == "/ready" and "SICK" in os.environ else 200
        body = json.dumps({"peer": self.client_address[0], "env": dict(os.environ)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = """\
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY service.py /srv/
VOLUME /srv/kept
USER 10001
CMD ["python3", "/srv/service.py"]
"""

RELAY = """\
import asyncio, os, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass

async def relay(reader, writer):
    there, back = await asyncio.open_unix_connection(sys.argv[2])
    await asyncio.gather(copy(reader, back), copy(there, writer))
    back.close()
    writer.close()

async def main():
    if os.path.lexists(sys.argv[1]):
        os.unlink(sys.argv[1])
    server = await asyncio.start_unix_server(relay, sys.argv[1])
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def this_engine() -> Iterator[Any]:
    """The daemon of this machine. Without one the test is skipped, but where CI is set it fails.

    There, what was not tested must not look as if it was (DOCKER_GATE=0 says that it is meant).
    """
    try:
        found = connect_engine()
    except StackError as error:
        if os.environ.get("CI") and os.environ.get("DOCKER_GATE") != "0":
            pytest.fail(f"Docker is part of what CI tests: {error.message}")
        pytest.skip(error.message)
    yield found
    found.close()


def target_in(folder: Path, *, needs: tuple[str, ...] = (), trusts: bool = False, **service: Any) -> Target:
    """A profile of a small service with a Dockerfile in `folder`."""
    (folder / "service.py").write_text(PROGRAM)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    words = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "smtp": "SMTP_URL"}
    places = {"postgres": "{database_url}", "valkey": "{redis_url}", "smtp": "{smtp_url}"}
    env = {words[need]: places[need] for need in needs} | {"TRUSTED": "{proxy}"} | service.pop("env", {})
    given = {"timeout_s": 5.0, "start_timeout_s": 60.0, "container_port": 8123, "dockerfile": "Dockerfile", **service}
    return Target(
        name="small",
        source=str(folder / "small.toml"),
        service=Service(cwd=str(folder), needs=needs, env=env, **given),
        health=Health(live="/live", ready="/ready"),
        clients=ClientIdentity(address="x-forwarded-for" if trusts else "none"),
    )


class Relay:
    """A socket that leads to the daemon until it is cut: then the daemon is gone for whoever came this way."""

    def __init__(self, folder: Path, daemon: str) -> None:
        self.path = folder / "relay.sock"
        self._daemon = daemon
        self._process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Lead there, for the first time or again."""
        words = [sys.executable, "-c", RELAY, str(self.path), self._daemon]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def cut(self) -> None:
        """End all connections; new ones are refused."""
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
        self._process = None


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def left_of(engine: Any, mark: str) -> list[str]:
    """Containers, networks, volumes and folders of a stack that are still there."""
    api, labelled = engine.client.api, {"label": f"{NETWORK_LABEL}=harness-{mark}"}
    containers = api.containers(all=True, filters=labelled)
    volumes = api.volumes(filters=labelled)["Volumes"] or ()
    networks = api.networks(names=[f"harness-{mark}"])
    return [str(thing) for thing in (*containers, *volumes, *networks, *folders_of(mark))]


def open_sockets() -> set[str]:
    """Sockets that this process has open, but for the names by which it keeps ports for itself."""
    claims = {
        columns[6]
        for columns in map(str.split, Path("/proc/net/unix").read_text().splitlines())
        if columns[-1].startswith("@harness-port-")
    }
    links = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return {link for link in links if link.startswith("socket:") and link[len("socket:[") : -1] not in claims}
