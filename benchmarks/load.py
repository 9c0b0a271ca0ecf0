"""What the load generator costs and what it sees: `python benchmarks/load.py [--rounds N] [--rate N] [--json]`.

Three questions, each put to the project's own user class and to Locust's usual way, in turns, on this machine:
processor time a request (against FastHttpUser at the same rate), the p99 of a server that stalls 0.5 s of every 5 s
(against `constant_throughput`, which waits for its answers), and how late a due time is met (a timerfd against the
event loop's timer). Median over the rounds. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.load import ALL, LoadPlan, Request, Stage, run_load

SERVER = """\
import asyncio, sys, time
stalls, begun = sys.argv[1] == "stall", time.monotonic()
class Answers(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        phase = (time.monotonic() - begun) % 5
        if stalls and 1 <= phase < 1.5: time.sleep(1.5 - phase)
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok" * data.count(b"\\r\\n\\r\\n"))
async def main():
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

CLOSED = """\
import locust, gevent, json, sys, time
from locust import FastHttpUser, constant_throughput, task
from locust.env import Environment
url, rate, seconds, users = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
class Visitor(FastHttpUser):
    host = url
    wait_time = constant_throughput(rate / users)
    @task
    def visit(self): self.client.get("/")
environment = Environment(user_classes=[Visitor])
runner = environment.create_local_runner()
runner.start(users, spawn_rate=users)
cpu = time.process_time()
gevent.sleep(seconds)
cpu = time.process_time() - cpu
total = environment.stats.total
print(json.dumps({"count": total.num_requests, "cpu": cpu, "p99": total.get_response_time_percentile(0.99)}))
runner.quit()
"""

ALARMS = """\
import gevent, json, statistics, time
from harness.load.users import _LoopTimer, open_alarm
def lateness(alarm):
    late = []
    for number in range(300):
        moment = time.monotonic() + 0.0031
        alarm.wait_until(moment)
        late.append(time.monotonic() - moment)
    return statistics.median(late) * 1e6
print(json.dumps([lateness(open_alarm()), lateness(_LoopTimer())]))
"""


@contextmanager
def serving(habit: str) -> Iterator[str]:
    """A server that answers at once, or stalls; its URL."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, habit], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{(process.stdout.readline() if process.stdout else '').strip()}"
    finally:
        process.kill()
        process.communicate()


def python(program: str, *words: str) -> object:
    """What a program of its own prints, as JSON (Locust patches whatever process it is in)."""
    done = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def open_loop(url: str, rate: float, seconds: float) -> dict[str, float]:
    """This project's generator, without its canary, so that one thing is compared."""
    stages = (Stage(rate=rate, seconds=seconds),)
    plan = LoadPlan(url=url, requests=(Request(path="/"),), stages=stages, canary=False, lateness_limit_s=60)
    with tempfile.TemporaryDirectory() as folder:
        result = run_load(plan, folder=Path(folder))
    cpu = result.generator.cpu_share * seconds
    return {"us": cpu / result.generator.sent * 1e6, "p99": result.endpoints[ALL].latency["p99"].value}


def closed_loop(url: str, rate: float, seconds: float) -> dict[str, float]:
    """Locust's FastHttpUser with `constant_throughput`."""
    # one user for each 50 requests a second: what waits for a stalled server is one request of each
    said = python(CLOSED, url, str(rate), str(seconds), str(round(rate / 50)))
    if not isinstance(said, dict):
        raise TypeError(said)
    return {"us": said["cpu"] / said["count"] * 1e6, "p99": float(said["p99"])}


def one_round(rate: float) -> dict[str, float]:
    """Each question once."""
    found: dict[str, float] = {}
    ways: dict[str, Callable[[str, float, float], dict[str, float]]] = {
        "open loop (ours)": open_loop,
        "closed loop (FastHttpUser)": closed_loop,
    }
    with serving("prompt") as url:
        for name, send in ways.items():
            found[f"CPU a request, us: {name}"] = send(url, rate, 4.0)["us"]
    for name, send in ways.items():
        with serving("stall") as url:
            found[f"p99 of a server that stalls, ms: {name}"] = send(url, 200.0, 10.0)["p99"]
    late = python(ALARMS)
    if isinstance(late, list):
        found["a due time is met late by, us: timerfd"] = late[0]
        found["a due time is met late by, us: event loop's timer"] = late[1]
    return found


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    rounds = [one_round(words.rate) for _ in range(words.rounds)]
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    if words.json:
        print(json.dumps({name: round(value, 1) for name, value in medians.items()}, indent=1))
        return
    for name, value in medians.items():
        print(f"{value:8.1f}  {name}")


if __name__ == "__main__":
    main()
