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

import psycopg

from harness.model import Health, Service, Target
from harness.places import root
from harness.profile import load_target
from harness.stack import launch

IMAGES = {"postgres": "postgres:18-alpine", "valkey": "valkey/valkey:9-alpine"}
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
    found["embedded: Postgres and Valkey"] = max(stack.info.timings["postgres"], stack.info.timings["valkey"])
    url = (stack.info.database_url or "").replace("/app", "/template1").replace("//app:", "//postgres:")
    password = stack.info.secrets["postgres_superuser"]
    with psycopg.connect(url, password=password, autocommit=True) as connection:
        connection.execute("CREATE DATABASE warm TEMPLATE app")
        found["a database from a template"] = seconds(lambda: connection.execute("CREATE DATABASE one TEMPLATE app"))
    found["embedded: stop"] = seconds(stack.stop)
    return found


def dealradar() -> dict[str, float]:
    """The reference service, migrated and seeded, up to its readiness check."""
    begun = time.perf_counter()
    with launch(load_target("dealradar", root())) as stack:
        return {
            "embedded: DealRadar from nothing to ready": time.perf_counter() - begun,
            "  of that, migrate and seed": stack.info.timings["prepare"],
            "  of that, the service's own start": stack.info.timings["service"],
        }


def commands(state: Path) -> dict[str, float]:
    """`harness up` on nothing, `up` on one that runs, `status`, `down`, each with the start of Python."""
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}

    def run(*words: str) -> float:
        line = [sys.executable, "-m", "harness", *words]
        return seconds(lambda: subprocess.run(line, env=environment, check=True, capture_output=True))

    return {
        "harness up": run("up"),
        "harness up, again": run("up"),
        "harness status": run("status"),
        "harness down": run("down"),
    }


def docker() -> dict[str, float]:
    """The same two servers as containers, until each answers its own client."""
    begun = time.perf_counter()
    containers = []
    try:
        for name, words in (("postgres", ["-e", "POSTGRES_PASSWORD=x"]), ("valkey", [])):
            command = ["docker", "run", "-d", "--rm", "-p", "127.0.0.1::5432", *words, IMAGES[name]]
            containers.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        asks = (["psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "SELECT 1"], ["valkey-cli", "ping"])
        for container, ask in zip(containers, asks, strict=True):
            deadline = time.monotonic() + 60
            line = ["docker", "exec", "-e", "PGPASSWORD=x", container, *ask]
            while subprocess.run(line, capture_output=True, check=False).returncode != 0:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{IMAGES} did not answer")
                time.sleep(0.02)
        return {"docker: Postgres and Valkey": time.perf_counter() - begun}
    finally:
        for container in containers:
            subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=False)


def lacks_docker() -> str:
    """Why containers cannot be compared with; "" if they can."""
    if shutil.which("docker") is None:
        return "no docker client"
    for image in IMAGES.values():
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode != 0:
            return f"no image {image} on this machine; docker pull {image}"
    return ""


GOALS = {
    "embedded: Postgres and Valkey": 0.2,
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
    missing = lacks_docker()
    samples: dict[str, list[float]] = {}
    for _ in range(wish.rounds):
        with tempfile.TemporaryDirectory() as name:
            parts = [embedded(Path(name)), dealradar(), commands(Path(name)), {} if missing else docker()]
        for part in parts:
            for line, value in part.items():
                samples.setdefault(line, []).append(value)
    if wish.json:
        print(json.dumps({"rounds": wish.rounds, "seconds": samples, "docker": missing or "compared"}))
        return
    for line, values in samples.items():
        goal = f"goal {GOALS[line]:g} s" if line in GOALS else ""
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"{line:<46} {statistics.median(values):7.3f} s  ({spread})  {goal}")
    if missing:
        print(f"docker: not compared ({missing})")


if __name__ == "__main__":
    main()
