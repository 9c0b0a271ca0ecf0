"""How long a stack takes: `python benchmarks/stack.py [--rounds N] [--json]`.

Rounds are interleaved, so that a busy minute of the machine hits every line alike. Each line is the median over the
rounds with the smallest and the greatest value; the goal is beside it. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from harness.config import load_target
from harness.machine.bundle import root
from harness.model import Health, Service, StackInfo, Target
from harness.stack import launch
from harness.stack.servers.postgres import COPY_OF_PREPARED

IMAGES = {
    "postgres": ("postgres:18", "postgres:18-alpine", "harness/postgres:local"),
    "valkey": ("valkey/valkey:9", "valkey/valkey:9-alpine", "harness/valkey:local"),
}
SERVERS, DOCKER = "embedded: Postgres and Valkey", "docker: Postgres and Valkey"
CONTAINERS = "testcontainers: Postgres and Valkey"
SERVICE = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def seconds(action: Callable[[], object]) -> float:
    """Time of one call."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def embedded(folder: Path) -> dict[str, float]:
    """Both servers and a service that does nothing, their end, and a database of one's own from a template."""
    (folder / "service.py").write_text(SERVICE)
    service = Service(command=("python", "service.py"), cwd=str(folder), needs=("postgres", "valkey"))
    begun = time.perf_counter()
    stack = launch(Target(name="bench", source="", service=service, health=Health(ready="/")))
    found = {"embedded: Postgres, Valkey, small service": time.perf_counter() - begun}
    found[SERVERS] = max(stack.info.timings["postgres"], stack.info.timings["valkey"])
    port = urlsplit(stack.info.database_url or "").port
    url = f"postgresql://postgres:{stack.info.secrets['postgres_superuser']}@127.0.0.1:{port}/template1"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE warm {COPY_OF_PREPARED}")
    found["a database from a template"] = seconds(lambda: database(url, "one"))
    found["embedded: stop"] = seconds(stack.stop)
    return found


def database(url: str, name: str) -> None:
    """A database as `own_database` makes it, the connection included."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {COPY_OF_PREPARED}")


def dealradar(profile: Path) -> dict[str, float]:
    """The reference service, migrated and seeded, up to its readiness check: its data made, then kept from before."""
    # sources that nothing is kept for
    (profile.parents[1] / "service" / "benchmark.txt").write_text(secrets.token_hex(8))
    target = load_target(str(profile), root())
    begun = time.perf_counter()
    with launch(target):
        anew = time.perf_counter() - begun
    begun = time.perf_counter()
    with launch(target) as stack:
        whole = time.perf_counter() - begun
        parts = urlsplit(stack.info.database_url or "")
        url = f"postgresql://postgres:{stack.info.secrets['postgres_superuser']}@127.0.0.1:{parts.port}/template1"
        return {
            "embedded: DealRadar from nothing to ready": whole,
            "  a database of a test's own, seeded": seconds(lambda: database(url, "one")),
            "  the same, after a change of its sources": anew,
            "  of that with data kept, seed": stack.info.timings["prepare"],
            "  of that, the service's own start": stack.info.timings["service"],
        }


def commands(profile: Path, state: Path) -> dict[str, float]:
    """`harness up` on nothing, `up` on one that runs, `status`, `down`, each with the start of Python."""
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}

    def run(*words: str) -> float:
        line = [sys.executable, "-m", "harness", *words]
        return seconds(lambda: subprocess.run(line, env=environment, check=True, capture_output=True))

    up = ("up", "--target", str(profile))
    try:
        found = {"harness up": run(*up), "harness up, again": run(*up), "harness status": run("status")}
    finally:
        down = run("down")
    return {**found, "harness down": down}


class Enough(Exception):  # noqa: N818 - no error: the servers are ready, and more is not wanted
    """Ends a launch before anything of the service is started."""


def docker(images: dict[str, str]) -> dict[str, float]:
    """The same two servers by the Docker backend, until each answers a client on this machine."""
    found: dict[str, float] = {}

    def enough(info: StackInfo) -> None:
        found[DOCKER] = max(info.timings["postgres"], info.timings["valkey"])
        raise Enough

    service = Service(command=("true",), needs=("postgres", "valkey"), image=images["valkey"])
    with contextlib.suppress(Enough):
        launch(Target(name="bench", source="", service=service), backend="docker", before_service=enough)
    return found


def testcontainers(images: dict[str, str]) -> dict[str, float]:
    """The same two servers by testcontainers, as its documentation starts them, without its reaper."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer
    from testcontainers.core.config import testcontainers_config

    # an image of its own, which is not needed here: the blocks below end both
    testcontainers_config.ryuk_disabled = True
    begun = time.perf_counter()
    with PostgresContainer(images["postgres"]), RedisContainer(images["valkey"]):
        return {CONTAINERS: time.perf_counter() - begun}


def one_test(folder: Path) -> dict[str, float]:
    """What is done a hundred times a day: one test again, beside a stack that is up, from Enter to the result."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["XDG_STATE_HOME"] = str(folder / "state")
    up = [sys.executable, "-m", "harness", "up"]
    again = [sys.executable, "-m", "pytest", "-q", "suites/e2e", "-k", "test_it_lives"]

    def run(*words: str) -> None:
        subprocess.run(words, cwd=root(), env=environment, check=True, capture_output=True)

    try:
        run(*up)
        run(*again)
        return {"pytest suites/e2e -k one_test, again": seconds(lambda: run(*again))}
    finally:
        run(sys.executable, "-m", "harness", "down")


def images_here() -> dict[str, str]:
    """For each server the first image of its candidates that this machine has; empty if one is missing."""
    found = {}
    for part, candidates in IMAGES.items():
        for image in candidates if shutil.which("docker") else ():
            if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0:
                found[part] = image
                break
    return found if found.keys() == IMAGES.keys() else {}


def has_testcontainers() -> bool:
    """Whether that package is installed; nothing of the project needs it."""
    return importlib.util.find_spec("testcontainers") is not None


NEEDED = {
    DOCKER: f"a Docker daemon and one image of each line: {IMAGES}",
    CONTAINERS: "the same, and `pip install testcontainers` (4.15 or later)",
}
GOALS = {
    SERVERS: 0.2,
    "embedded: stop": 0.5,
    "a database from a template": 0.025,
    "  a database of a test's own, seeded": 0.025,
    "embedded: DealRadar from nothing to ready": 1.2,
    "harness up, again": 0.2,
    "pytest suites/e2e -k one_test, again": 1.5,
    "harness down": 0.5,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    images = images_here()
    samples: dict[str, list[float]] = {}
    for _ in range(wish.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # a copy: a file that somebody edits meanwhile would be another build
            shutil.copytree(root() / "service", folder / "service")
            shutil.copytree(root() / "profiles", folder / "profiles")
            profile = folder / "profiles" / "dealradar.toml"
            parts = [
                embedded(folder),
                dealradar(profile),
                commands(profile, folder / "state"),
                one_test(folder),
                docker(images) if images else {},
                testcontainers(images) if images and has_testcontainers() else {},
            ]
        for part in parts:
            for line, value in part.items():
                samples.setdefault(line, []).append(value)
    if wish.json:
        print(json.dumps({"rounds": wish.rounds, "seconds": samples, "images": images}))
        return
    for line, values in samples.items():
        goal = f"goal {GOALS[line]:g} s" if line in GOALS else ""
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"{line:<46} {statistics.median(values):7.3f} s  ({spread})  {goal}")
    for line in (DOCKER, CONTAINERS):
        if line not in samples:
            print(f"{line}: not compared; it takes {NEEDED[line]}")
            continue
        ratios = [theirs / ours for theirs, ours in zip(samples[line], samples[SERVERS], strict=True)]
        print(f"{line}: {statistics.median(ratios):.1f} times embedded ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
