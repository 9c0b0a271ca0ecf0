"""Locust's process: `python -m harness.load.process PLAN.json OUT.npz [--canary URL OUT.npz] [--part I/N]`.

Reads a plan, sends it, writes the samples. Speaks JSON lines on standard output (`ready`, `started`, `second`,
`finished`); obeys lines on standard input (`start MOMENT`, `end`), and dies at once when that ends: whoever started it
is gone. Only this process imports Locust and gevent; pytest and the harness never do.
"""

from __future__ import annotations

# Locust patches the standard library when it is imported: before everything else
import locust  # noqa: F401  # isort: skip

import argparse
import gc
import json
import math
import os
import resource
import sys
import time
from pathlib import Path

import gevent
from gevent.event import AsyncResult, Event
from locust import User
from locust.env import Environment

from harness.load.connections import ConnectionPool
from harness.load.plan import LoadPlan, Request, Stage, client_addresses, read_plan
from harness.load.schedule import draw_schedule
from harness.load.users import ArrivalLog, ScheduleUser


def say(event: str, **facts: float | None) -> None:
    """One line of the protocol."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Orders:
    """What comes in on standard input."""

    def __init__(self) -> None:
        self.start: AsyncResult = AsyncResult()
        self.end = Event()
        self._text = b""
        self._watcher = gevent.get_hub().loop.io(0, 1)
        self._watcher.start(self._read)

    def _read(self) -> None:
        data = os.read(0, 4096)
        if not data:
            os._exit(1)
        *lines, self._text = (self._text + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "start":
                self.start.set(float(rest))
            elif word == "end":
                self.end.set()


def schedule_user(name: str, plan: LoadPlan, *, part: int, parts: int, go: Event, ending: Event) -> type[ScheduleUser]:
    """The user class that sends this part of a plan."""
    addresses = client_addresses(plan)
    pool = ConnectionPool(plan.url, plan.timeout_s, plan.ca_file)
    heads = [pool.request_bytes(request.method, request.path, request.headers) for request in plan.requests]
    if plan.address == "x-forwarded-for":
        endings = tuple(f"x-forwarded-for: {address}\r\n\r\n".encode() for address in addresses)
    else:
        endings = (b"\r\n",)
    attributes = {
        "log": ArrivalLog(draw_schedule(plan).share(part, parts)),
        "pool": pool,
        "names": tuple(request.name for request in plan.requests),
        "payloads": tuple(tuple(head + ending for ending in endings) for head in heads),
        "sources": addresses if plan.address == "source" else (),
        "limit": max(1, plan.in_flight_limit // parts),
        "go": go,
        "ending": ending,
        "abstract": False,
    }
    return type(name, (ScheduleUser,), attributes)


def canary_plan(plan: LoadPlan, url: str) -> LoadPlan:
    """A slow, even trickle to the canary for as long as the load lasts."""
    return LoadPlan(
        url=url,
        requests=(Request(path="/"),),
        stages=(Stage(rate=plan.canary_rate, seconds=plan.seconds),),
        timeout_s=max(plan.timeout_s, plan.canary_pause_s * 10),
        arrivals="uniform",
    )


def raise_file_limit() -> None:
    """A connection is a file: use all that the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def report_second(user: type[ScheduleUser], second: int) -> None:
    """Say how far the schedule is, and how late and how slow the last second was."""
    log = user.log
    late, recent = log.late, log.recent
    log.late, log.recent = [], []
    say(
        "second",
        t=second,
        reached=log.reached,
        finished=log.finished,
        failed=log.failed,
        dropped=log.dropped,
        in_flight=log.in_flight,
        late_ms=_quantile_ms(late, 0.99),
        p95_ms=_quantile_ms(recent, 0.95),
    )


def _quantile_ms(seconds: list[float], q: float) -> float | None:
    """A quantile without numpy, whose first call takes 40 ms: the generator would be late by as much."""
    return round(sorted(seconds)[math.ceil(q * len(seconds)) - 1] * 1000, 3) if seconds else None


def report(user: type[ScheduleUser]) -> None:
    """Report each second until the greenlet is killed."""
    second = 0
    while True:
        second += 1
        gevent.sleep(max(0.0, user.zero + second - time.monotonic()))
        report_second(user, second)


def run(plan: LoadPlan, out: Path, canary: tuple[str, Path] | None, *, part: int, parts: int) -> None:
    """Send the plan (or this worker's part of it) and write the samples. Raises what a user crashed with."""
    orders, go = Orders(), Event()
    users = [schedule_user("Load", plan, part=part, parts=parts, go=go, ending=orders.end)]
    if canary is not None:
        trickle = canary_plan(plan, canary[0])
        users.append(schedule_user("Canary", trickle, part=0, parts=1, go=go, ending=orders.end))
    environment = Environment(user_classes=list[type[User]](users), catch_exceptions=False)
    runner = environment.create_local_runner()
    runner.start(len(users), spawn_rate=len(users))
    while runner.user_count < len(users):
        gevent.sleep(0.005)
    # the collector's pauses would be lateness: what is made from here on holds no cycles
    gc.collect()
    gc.freeze()
    gc.disable()
    say("ready", arrivals=len(users[0].log.schedule))
    begin = orders.start.get()
    for user in users:
        user.zero = begin
    cpu, wall = time.process_time(), time.monotonic()
    say("started", at=begin)
    go.set()
    reporter = gevent.spawn(report, users[0])
    greenlets = list(runner.user_greenlets)
    gevent.joinall(greenlets)
    reporter.kill()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    runner.quit()
    for user in users:
        if user.crash is not None:
            raise user.crash
    for user, path in zip(users, (out, canary[1] if canary else out), strict=False):
        user.log.samples().save(path)
    load = users[0]
    say(
        "finished",
        reached=load.log.reached,
        connections=load.pool.connections,
        reconnects=load.pool.reconnects,
        cpu_share=round(cpu / wall, 3) if wall else None,
    )


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m harness.load.process")
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--canary", nargs=2, metavar=("URL", "OUT"))
    parser.add_argument("--part", default="0/1")
    words = parser.parse_args()
    part, _, parts = words.part.partition("/")
    canary = (words.canary[0], Path(words.canary[1])) if words.canary else None
    raise_file_limit()
    run(read_plan(words.plan), words.out, canary, part=int(part), parts=int(parts))


if __name__ == "__main__":
    main()
