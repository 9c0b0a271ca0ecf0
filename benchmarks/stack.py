"""How long a stack takes: `python benchmarks/stack.py [--rounds N] [--json]`.

Rounds are interleaved, so that a busy minute of the machine hits every line alike. Each line is the median over the
rounds with the smallest and the greatest value; the goal is beside it. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
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
import redis

from harness.model import Health, Service, Target
from harness.places import root
from harness.profile import load_target
from harness.stack import launch

IMAGES = {
    "postgres": ("postgres:18", "postgres:18-alpine", "harness/postgres:local"),
    "valkey": ("valkey/valkey:9", "valkey/valkey:9-alpine", "harness/valkey:local"),
}
SERVERS, DOCKER = "embedded: Postgres and Valkey", "docker: Postgres and Valkey"
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
        connection.execute("CREATE DATABASE warm TEMPLATE app")
        found["a database from a template"] = seconds(lambda: connection.execute("CREATE DATABASE one TEMPLATE app"))
    found["embedded: stop"] = seconds(stack.stop)
    return found


def dealradar(profile: Path) -> dict[str, float]:
    """The reference service, migrated and seeded, up to its readiness check."""
    begun = time.perf_counter()
    with launch(load_target(str(profile), root())) as stack:
        return {
            "embedded: DealRadar from nothing to ready": time.perf_counter() - begun,
            "  of that, migrate and seed": stack.info.timings["prepare"],
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


def docker(images: dict[str, str]) -> dict[str, float]:
    """The same two servers as containers, until each answers a client on this machine."""
    begun = time.perf_counter()
    containers = {}
    try:
        for part, port, words in (("postgres", 5432, ["-e", "POSTGRES_PASSWORD=x"]), ("valkey", 6379, [])):
            line = ["docker", "run", "-d", "--rm", "-p", f"127.0.0.1::{port}", *words, images[part]]
            containers[part] = subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()
        ports = {}
        for part, container in containers.items():
            told = subprocess.run(["docker", "port", container], check=True, capture_output=True, text=True).stdout
            ports[part] = int(told.split()[-1].rpartition(":")[2])
        until(lambda: psycopg.connect(f"postgresql://postgres:x@127.0.0.1:{ports['postgres']}").close())
        client = redis.Redis(port=ports["valkey"], retry=None)
        until(client.ping)
        client.close()
        return {DOCKER: time.perf_counter() - begun}
    finally:
        for container in containers.values():
            subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=False)


def until(ask: Callable[[], object]) -> None:
    """Ask until there is an answer, for a minute."""
    deadline = time.monotonic() + 60
    while True:
        try:
            ask()
        except (psycopg.OperationalError, redis.RedisError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def images_here() -> dict[str, str]:
    """For each server the first image of its candidates that this machine has; empty if one is missing."""
    found = {}
    for part, candidates in IMAGES.items():
        for image in candidates if shutil.which("docker") else ():
            if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0:
                found[part] = image
                break
    return found if found.keys() == IMAGES.keys() else {}


GOALS = {
    SERVERS: 0.2,
    "embedded: stop": 0.5,
    "a database from a template": 0.025,
    "embedded: DealRadar from nothing to ready": 2.0,
    "harness up, again": 0.3,
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
                docker(images) if images else {},
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
    if images:
        ratios = [theirs / ours for theirs, ours in zip(samples[DOCKER], samples[SERVERS], strict=True)]
        print(f"docker takes {statistics.median(ratios):.1f} times as long ({min(ratios):.1f} to {max(ratios):.1f})")
    else:
        print(f"docker: not compared; it takes one image of each line: {IMAGES}")


if __name__ == "__main__":
    main()
