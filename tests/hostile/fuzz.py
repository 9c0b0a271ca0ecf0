"""Tries commands on servers of the grammar: `python -m tests.hostile.fuzz 300 --seed 1`; prints what went wrong.

Each command must end within `MOST_S` with a documented status, no process of it larger than `MOST_MB`, without a
traceback, a crashed session, a connection to another host, or a question for another host's name.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.hostile.grammar import server
from tests.hostile.network import LoneNetwork, can_be_alone, lone_network
from tests.own_time import waited_s

MOST_S = 60.0
MOST_MB = 700
COMMANDS = {
    "preflight": ("preflight", "--url", "{url}", "--out", "{out}"),
    "init": ("init", "{url}", "--out", "{out}/profile.toml"),
    "e2e": ("run", "e2e", "--url", "{url}", "--out", "{out}"),
    "security": ("run", "security", "--url", "{url}", "--active", "--out", "{out}"),
    "gate": ("gate", "--url", "{url}", "--only", "e2e", "--out", "{out}"),
}
_STATUSES = frozenset({0, 1, 2, 3, 4})
_CRASHES = ("Traceback (most recent call last)", "INTERNALERROR", "suite.crashed", "worker.crashed")
_TARGETS_OWN = ("leaks", "errors.")


@dataclass(slots=True)
class Tried:
    """How one command ended on one server."""

    number: int
    name: str
    command: str
    status: int | None = None
    seconds: float = 0.0
    """Of its own: without the moments in which one of its processes waited for a processor that others had."""
    waited: float = 0.0
    megabytes: int = 0
    problems: list[str] = field(default_factory=list)


def try_command(number: int, seed: int, command: str) -> Tried:
    """Serve the server, run the command on it, and look at what both left."""
    tried = Tried(number, server(number, seed).name, command)
    with (
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        lone_network(Path(folder), alone=can_be_alone()) as network,
        _served(number, seed, Path(folder), network) as (port, said),
    ):
        url, out = f"http://127.0.0.1:{port}", Path(folder) / "out"
        out.mkdir()
        words = [*network.words, sys.executable, "-m", "harness"]
        words += [word.format(url=url, out=out) for word in COMMANDS[command]]
        with (Path(folder) / "output").open("wb") as output:
            _watch(words, network, output, tried)
        text = (Path(folder) / "output").read_text(errors="replace")
        text += "".join(file.read_text(errors="replace") for file in out.glob("**/evidence.jsonl"))
        tried.problems += [f"{sign!r}" for sign in _CRASHES if sign in _without_quotes(text)]
        tried.problems += network.foreign()
        if "FOREIGN" in said.read_text(errors="replace"):
            tried.problems.append("connected to another host")
    if tried.status is not None and tried.status not in _STATUSES:
        tried.problems.append(f"exit status {tried.status}")
    return tried


def _without_quotes(text: str) -> str:
    """What the command says, without what the server said of a traceback of its own."""
    return text.replace("Traceback (most recent call last):Traceback", "")


@contextmanager
def _served(number: int, seed: int, folder: Path, network: LoneNetwork) -> Iterator[tuple[int, Path]]:
    said = folder / "served"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*network.words, sys.executable, "-m", "tests.hostile.serve", str(number), str(seed)],
            stdout=output,
            stderr=output,
        )
    try:
        while not (line := said.read_text(errors="replace").partition("\n"))[1]:
            if process.poll() is not None:
                raise RuntimeError(f"server {number} did not start: {line[0]}")
            time.sleep(0.02)
        yield int(line[0]), said
    finally:
        process.kill()
        process.wait()


def _watch(words: list[str], network: LoneNetwork, output: object, tried: Tried) -> None:
    begun = time.monotonic()
    process = psutil.Popen(
        words,
        env={**os.environ, **network.settings},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    before, looked = dict[int, float](), begun
    while process.poll() is None:
        seen = _all_of(process)
        tried.megabytes = max([tried.megabytes, *(_megabytes(each) for each in seen)])
        # one after another may be who is waited for: a gate for its pytest, that for a worker, that for a browser
        waits = {each.pid: waited_s(each.pid) for each in seen}
        now = time.monotonic()
        most = max((waited - before.get(pid, 0.0) for pid, waited in waits.items()), default=0.0)
        tried.waited += min(now - looked, max(0.0, most))
        tried.seconds = now - begun - tried.waited
        before, looked = waits, now
        if tried.seconds > MOST_S or tried.megabytes > MOST_MB:
            what = "time" if tried.seconds > MOST_S else "memory"
            tried.problems.append(f"too much {what}")
            for each in seen:
                _kill(each)
        time.sleep(0.05)
    tried.status = None if tried.problems else process.wait()


def _all_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _megabytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss // 2**20)
    except psutil.Error:
        return 0


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error:
        return


def main() -> int:
    """Exit status 1 if anything went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("count", type=int)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--start", type=int, default=0)
    options.add_argument("--command", choices=sorted(COMMANDS), action="append")
    options.add_argument("--jobs", type=int, default=1, help="how many are tried at one time")
    given = options.parse_args()
    commands = given.command or sorted(COMMANDS)
    wrong, longest, largest = 0, 0.0, 0
    with ThreadPoolExecutor(given.jobs) as jobs:
        numbers = range(given.start, given.start + given.count)
        for tried in jobs.map(
            lambda number: try_command(number, given.seed, commands[number % len(commands)]), numbers
        ):
            wrong += bool(tried.problems)
            longest, largest = max(longest, tried.seconds), max(largest, tried.megabytes)
            shown = "; ".join(tried.problems) or "ok"
            figures = f"{tried.status!s:>4} {tried.seconds:5.1f} s (+{tried.waited:4.1f}) {tried.megabytes:4d} MB"
            sys.stdout.write(f"{tried.number:4d} {tried.command:9} {figures}  {shown:30}  {tried.name}\n")
            sys.stdout.flush()
    held = "packets" if can_be_alone() else "calls"
    sys.stdout.write(
        f"{given.count} servers, {wrong} wrong; longest {longest:.1f} s, largest {largest} MB; {held} recorded\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
