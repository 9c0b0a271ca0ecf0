"""What DealRadar's cache brings and costs: `python benchmarks/service_cache.py [--rounds N] [--seconds S] [--json]`.

Each round asks the same paths of four servers in turns, in an order of chance: the service, a second instance of it
with its cache off, and a bare ASGI application under the same uvicorn that sends the same headers and body after one
GET of that body from the same Valkey, or two, with redis-py as it comes. Requests a second, closed loop, from a process
of its own; and processor time a request, which other work on the machine disturbs less. The ratios are of one round
each: median, smallest and greatest over the rounds. Goals: cached at least 10 times uncached, at least 0.7 of the bare
application that makes as many round trips (one). Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import redis

from harness.config import load_target
from harness.machine.bundle import root
from harness.stack import launch

PATHS = ("/api/reviews", "/api/deals")
CONNECTIONS = 16
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "100000000", "CACHE_TTL_SECONDS": "86400"}
BARE = """\
import json, os
import redis.asyncio
told = json.loads(os.environ["HEADERS"])
HEADERS = {path: [(name.encode(), value.encode()) for name, value in headers] for path, headers in told.items()}
client = redis.asyncio.Redis.from_url(os.environ["VALKEY"])
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    for _ in range(int(os.environ["TRIPS"])):
        body = await client.get("bench:" + scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS[scope["path"]]})
    await send({"type": "http.response.body", "body": body})
"""


@dataclass(frozen=True)
class Server:
    """Who is asked."""

    url: str
    pid: int


@dataclass(frozen=True)
class Measured:
    """Requests a second, and microseconds of processor time for each of them."""

    rate: float
    cost: float


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has the answer."""

    def __init__(self, request: bytes, seen: Counter[str]) -> None:
        self.request, self.seen, self.buffer = request, seen, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        if len(body) == int(headers[b"content-length"]):
            self.buffer = b""
            self.seen[f"{head[9:12].decode()} {headers.get(b'x-cache', b'').decode()}"] += 1
            self.transport.write(self.request)


async def ask(url: str, seconds: float) -> None:
    """Print what was seen, and in how many seconds."""
    parts, seen = urlsplit(url), Counter[str]()
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    loop, begun = asyncio.get_running_loop(), time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: Asker(request, seen), parts.hostname, parts.port))[0]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    print(json.dumps({"seen": seen, "seconds": time.perf_counter() - begun}))
    for transport in opened:
        transport.abort()


def measure(server: Server, path: str, seconds: float, expected: str) -> Measured:
    """Load one server. Raises RuntimeError if it gave anything but the answers that are meant."""
    words = [sys.executable, __file__, "--ask", server.url + path, "--seconds", str(seconds)]
    before = sum(psutil.Process(server.pid).cpu_times()[:2])
    said = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    spent = sum(psutil.Process(server.pid).cpu_times()[:2]) - before
    if set(said["seen"]) != {f"200 {expected}"}:
        raise RuntimeError(f"{server.url}{path} answered {said['seen']}")
    count = sum(said["seen"].values())
    return Measured(count / said["seconds"], spent / count * 1e6)


def start_bare(folder: Path, settings: dict[str, str]) -> tuple[subprocess.Popen[bytes], Server]:
    """The bare application, answering."""
    (folder / "bare.py").write_text(BARE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        sys.executable,
        "-m",
        "uvicorn",
        "bare:app",
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(words, cwd=folder, env={**os.environ, **settings})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}{PATHS[0]}", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return process, Server(f"http://127.0.0.1:{port}", process.pid)
    process.kill()
    raise RuntimeError("the bare application does not answer")


def one_round(servers: dict[str, Server], path: str, seconds: float) -> dict[str, Measured]:
    """Each server once, in an order of chance."""
    expected = {"cached": "hit", "uncached": "bypass"}
    names = random.sample(list(servers), len(servers))
    return {name: measure(servers[name], path, seconds, expected.get(name, "")) for name in names}


def lines(path: str, rounds: list[dict[str, Measured]]) -> dict[str, list[float]]:
    """What is told of a path: for each line the median, the smallest and the greatest value."""
    found: dict[str, list[float]] = {}
    for name in rounds[0]:
        found[f"{path} {name}: requests/s"] = [each[name].rate for each in rounds]
        found[f"{path} {name}: us of processor a request"] = [each[name].cost for each in rounds]
    for other in rounds[0]:
        if other != "cached":
            found[f"{path} cached / {other}: requests/s"] = [each["cached"].rate / each[other].rate for each in rounds]
            found[f"{path} cached / {other}: requests by processor time"] = [
                each[other].cost / each["cached"].cost for each in rounds
            ]
    return {name: [statistics.median(values), min(values), max(values)] for name, values in found.items()}


def run(rounds: int, seconds: float) -> dict[str, list[float]]:
    """All rounds on servers of our own."""
    target = load_target(str(root() / "profiles/dealradar.toml"), root())
    bare = []
    with (
        tempfile.TemporaryDirectory() as folder,
        launch(target, overrides=UNLIMITED, workers=0) as stack,
    ):
        valkey, own = stack.info.redis_url or "", stack.info.instances[0]
        uncached = stack.start_instance({**UNLIMITED, **target.cache.off})
        answers = {path: [httpx.get(own.url + path, trust_env=False) for _ in range(2)][1] for path in PATHS}
        with redis.Redis.from_url(valkey) as client:
            for path, answer in answers.items():
                client.set(f"bench:{path}", answer.content)
        headers = {
            path: [header for header in answer.headers.multi_items() if header[0] not in {"date", "x-cache"}]
            for path, answer in answers.items()
        }
        settings = {"VALKEY": valkey, "HEADERS": json.dumps(headers)}
        try:
            servers = {"cached": Server(own.url, own.pid), "uncached": Server(uncached.url, uncached.pid)}
            for trips, name in ((1, "bare, one round trip"), (2, "bare, two round trips")):
                process, servers[name] = start_bare(Path(folder), {**settings, "TRIPS": str(trips)})
                bare.append(process)
            found: dict[str, list[float]] = {}
            for path in PATHS:
                found |= lines(path, [one_round(servers, path, seconds) for _ in range(rounds)])
            return found
        finally:
            for process in bare:
                process.kill()
                process.wait()


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ask", metavar="URL", help="load one URL (what this program starts itself for)")
    words = parser.parse_args()
    if words.ask:
        import uvloop

        uvloop.run(ask(words.ask, words.seconds))
        return
    found = run(words.rounds, words.seconds)
    if words.json:
        print(json.dumps(found, indent=1))
        return
    for name, (median, low, high) in found.items():
        digits = 2 if " / " in name else 0
        print(f"{median:9.{digits}f}  {low:9.{digits}f} to {high:9.{digits}f}  {name}")


if __name__ == "__main__":
    main()
