"""Kill gates at random moments and look for what they left: `python -m tests.crash.storm 100`.

`--seed N` repeats a series, `--stack docker` takes containers. Each gate is one of a small service with its servers,
two test processes and a report, in a temporary folder of its own, and is killed with SIGKILL. Twelve seconds later no
process, file, memory segment, container or network of it may be there. With `--command up` it is `harness up` that is
killed: either nothing is left of it, or the stack is up, well, and gone after `harness down`.

With `--victims any` it is one of all the processes that are ours, of a kind drawn at random: the gate, a supervisor,
pytest, a worker, a server; or the gate and its supervisors together, for which the next command clears up. A gate that
lives must then end with INCONCLUSIVE or 4: what we lost ourselves is never the service's fault.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from harness.stack.docker.engine import DockerEngine, connect_engine
from harness.stack.docker.watcher import STACK_LABEL
from harness.stack.supervisor.process import is_alive
from tests.gate_target import Small, make_small
from tests.stack_target import eventually

SUITE = """\
import pytest

@pytest.mark.check("own.answers")
@pytest.mark.parametrize("number", range(20))
def test_answers(client, number):
    assert client.get("/").status_code == 200
"""
SERVICE = (
    'needs = ["postgres", "valkey", "smtp"]',
    'env = { DATABASE_URL = "{database_url}", REDIS_URL = "{redis_url}", SMTP_URL = "{smtp_url}" }',
    'prepare_cached = [["python3", "-c", "print(1)"]]',
    'dockerfile = "Dockerfile"',
    "container_port = 8123",
)
DOCKERFILE = """\
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY service.py /srv/
WORKDIR /srv
USER 10001
CMD ["python3", "/srv/service.py"]
"""
_SOON = 5.0
_FIRST_MOMENT = 0.05
Command = Literal["gate", "up"]
Victims = Literal["gate", "any"]
_CLEAN_SECONDS = 12.0
_END_SECONDS = 60.0
_UNDISTURBED_SECONDS = 300.0
_MISSES = 20
"""Gates in a row that may have ended before they were to be killed: there is no progress then."""
_TOGETHER = "gate and supervisors"
_KINDS = {
    "supervisor": "/dev/fd/",
    "pytest": " -m pytest ",
    "worker": "exec(eval(",
    "postgres": "postgres",
    "valkey": "valkey-server",
    "smtp": "mail_server.py",
    "gate": " -m harness gate ",
}
"""What the command line of each kind of ours has in it."""
_NOT_OURS = ("service.py", "print(1)")
_MARK = re.compile(rb"HARNESS_(?:STACK|SUPERVISOR)=([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Kill:
    """One gate that was killed: when, in which phase, how long until nothing was left, and what was left anyway."""

    moment: float
    phase: str
    seconds: float
    left: tuple[str, ...]
    wrong: str = ""
    """What a gate that lived said that it must not say, or that it did not end."""


@dataclass
class Gate:
    """A gate, or an `up`, that can be killed, and all that is known to be its own."""

    small: Small
    scratch: Path
    cache: Path
    """What is made once is made there."""
    command: Command
    backend: str
    engine: DockerEngine | None
    marks: set[str] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)

    @property
    def log(self) -> Path:
        """What it says on its standard error."""
        return self.small.folder / "said.txt"

    def start(self) -> subprocess.Popen[str]:
        """Begin it."""
        aimed = [*self.small.aimed, "-n", "2"] if self.command == "gate" else ["--target", str(self.small.profile)]
        words = [self.command, *aimed, "--stack", self.backend]
        with self.log.open("w") as log:
            return self.small.start(*words, env=self._environment, stdout=subprocess.DEVNULL, stderr=log)

    def is_up(self) -> bool:
        """Whether a stack stays that answers and is well."""
        asked = self.small.harness("status", "--json", env=self._environment)
        return json.loads(asked.stdout)["backend"] is not None and asked.stderr == ""

    def down(self) -> None:
        """End what stays, or clear up what is left of it. Raises RuntimeError where that fails."""
        ended = self.small.harness("down", env=self._environment)
        if ended.returncode != 0:
            raise RuntimeError(f"harness down: {ended.stderr}")

    @property
    def _environment(self) -> dict[str, str]:
        folders = {
            "TMPDIR": self.scratch,
            "XDG_CACHE_HOME": self.cache,
            "XDG_STATE_HOME": self.small.folder.parent / "state",
        }
        return {name: str(folder) for name, folder in folders.items()}

    def left(self) -> tuple[str, ...]:
        """Whatever there is of it, in words."""
        commands = self._look()
        found = [f"process {pid}: {command}" for pid, command in commands.items()]
        found += [f"file {path}" for path in self.scratch.iterdir()]
        found += [f"folder {path}" for path in (self.small.folder.parent / "state").glob("harness/stacks/[!.]*")]
        # what is kept has no dot in its name, what is being made has one
        found += [f"folder {path}" for path in self.cache.glob("harness/prepared-*.*/")]
        shared = [Path(place, f"harness-{mark}") for place in ("/dev/shm", "/var/tmp") for mark in self.marks]  # noqa: S108
        found += [f"folder {path}" for path in shared if path.exists()]
        found += [f"segment {number}" for number, pid in _segments() if pid in self.pids and not is_alive(pid)]
        if self.engine is not None:
            for mark in self.marks:
                words = {"filters": {"label": f"{STACK_LABEL}={mark}"}}
                found += [f"container {one['Names']}" for one in self.engine.client.api.containers(all=True, **words)]
                found += [f"network {one['Name']}" for one in self.engine.client.api.networks(**words)]
        return tuple(found)

    def parts(self) -> dict[str, list[int]]:
        """Its living processes that are ours, by kind."""
        found: dict[str, list[int]] = {}
        for pid, command in self._look().items():
            kind = next((kind for kind, sign in _KINDS.items() if sign in f"{command} "), None)
            if kind is not None and not any(sign in command for sign in _NOT_OURS):
                found.setdefault(kind, []).append(pid)
        return found

    def reap(self) -> None:
        """Do what the next command does about what was left by a supervisor that was killed with its gate."""
        self.small.harness("doctor", "--reap", env=self._environment)

    def _look(self) -> dict[int, str]:
        """Its living processes; learns the marks of its stacks from them, and remembers all pids."""
        token = f"SMALL_TOKEN={self.small.token}".encode()
        folder = str(self.small.folder.parent).encode()
        seen = {pid: (environment, command) for pid, environment, command in _processes()}
        for environment, _ in seen.values():
            if token in environment:
                self.marks |= {mark.decode() for mark in _MARK.findall(environment)}
        marks = [mark.encode() for mark in self.marks]
        ours = {
            pid: command.replace(b"\0", b" ").decode(errors="replace")
            for pid, (environment, command) in seen.items()
            if token in environment
            or folder in command
            or any(mark in environment or mark in command for mark in marks)
        }
        self.pids |= ours.keys()
        return ours


Gates = Callable[[], contextlib.AbstractContextManager[Gate]]


def storm(
    kills: int, seed: int, backend: str = "embedded", command: Command = "gate", victims: Victims = "gate"
) -> Iterator[Kill]:
    """Kill that many gates, one after the other. Raises RuntimeError if an undisturbed one does not do its work."""
    engine = connect_engine() if backend == "docker" else None
    moments = random.Random(seed)  # noqa: S311 - moments, not secrets
    cache = Path(tempfile.mkdtemp(prefix="storm-cache-"))
    cache.chmod(0o711)
    gates = partial(_gate, cache, command, backend, engine)
    try:
        # the first one makes what is made once
        _undisturbed(gates)
        longest = _undisturbed(gates)
        done = missed = 0
        while done < kills:
            if missed == _MISSES:
                raise RuntimeError(f"{missed} gates in a row ended before their moment, within {longest:.1f} s")
            moment = moments.uniform(_FIRST_MOMENT, longest)
            kill = _one(moment, gates) if victims == "gate" else _one_part(moment, gates, moments)
            missed += 1
            if kill is not None:
                done, missed = done + 1, 0
                yield kill
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        if engine is not None:
            engine.close()


@contextlib.contextmanager
def _gate(cache: Path, command: Command, backend: str, engine: DockerEngine | None) -> Iterator[Gate]:
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    scratch = folder / "tmp"
    scratch.mkdir()
    for place in (folder, scratch):
        place.chmod(0o711)
    small = make_small(folder / "small", *SERVICE)
    profile = re.sub(r"^(database|cache|mail) = .*\n", "", small.profile.read_text(), flags=re.MULTILINE)
    small.profile.write_text(profile)
    small.suite(SUITE)
    (small.folder / "Dockerfile").write_text(DOCKERFILE)
    # sources that no data is kept for
    (small.folder / "source.txt").write_text(secrets.token_hex(8))
    if backend == "docker":
        program = small.folder / "service.py"
        program.write_text(program.read_text().replace('"127.0.0.1"', '"0.0.0.0"'))
    try:
        yield Gate(small, scratch, cache, command, backend, engine)
    finally:
        small.end()
        shutil.rmtree(folder, ignore_errors=True)


def _undisturbed(gates: Gates) -> float:
    """How long one takes that is let alone."""
    with gates() as gate:
        begun = time.monotonic()
        status = gate.start().wait(_UNDISTURBED_SECONDS)
        seconds = time.monotonic() - begun
        if gate.command == "up":
            if status != 0 or not gate.is_up():
                raise RuntimeError(f"an undisturbed up ended with {status}: {gate.log.read_text()}")
            gate.down()
        # a gate that is narrowed by --only, and has nothing else held against it
        elif status != 3:
            raise RuntimeError(f"an undisturbed gate ended with {status}: {gate.log.read_text()}")
        if gate.left():
            raise RuntimeError(f"an undisturbed {gate.command} left {gate.left()}")
    return seconds


def _one(moment: float, gates: Gates) -> Kill | None:
    """Kill one at that moment; None if it had ended by then."""
    with gates() as gate:
        process = gate.start()
        # not a wait for something: the moment is what is tried
        time.sleep(moment)
        if process.poll() is not None:
            if gate.command == "up":
                gate.down()
            return None
        # held for as long as it takes to see which processes are its own
        process.send_signal(signal.SIGSTOP)
        gate.left()
        process.kill()
        process.wait()
        killed = time.monotonic()
        # what had let its stack go by then is no more to be waited for
        stays = (
            not eventually(lambda: not gate.left(), _SOON if gate.command == "up" else _CLEAN_SECONDS)
            and gate.command == "up"
        )
        if stays and gate.is_up():
            gate.down()
            killed = time.monotonic()
        eventually(lambda: not gate.left(), _CLEAN_SECONDS)
        seconds = time.monotonic() - killed
        return Kill(moment, "up" if stays else _phase(gate.log), seconds, gate.left())


def _one_part(moment: float, gates: Gates, chance: random.Random) -> Kill | None:
    """Kill one of its processes at that moment, of a kind drawn at random; None if it had ended by then."""
    with gates() as gate:
        process = gate.start()
        # not a wait for something: the moment is what is tried
        time.sleep(moment)
        parts = gate.parts()
        if process.poll() is not None or not parts:
            process.wait(_END_SECONDS)
            return None
        kind = chance.choice([*sorted(parts), _TOGETHER])
        doomed = [chance.choice(sorted(parts[kind]))] if kind in parts else [process.pid, *parts.get("supervisor", ())]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed, wrong = time.monotonic(), ""
        try:
            status = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            wrong, status = f"the gate did not end within {_END_SECONDS:g} s", 0
        if kind not in ("gate", _TOGETHER):
            # it had something to do yet
            killed = time.monotonic()
            said = gate.log.read_text()
            if not wrong and (status not in (3, 4) or "Traceback" in said):
                wrong = f"the gate ended with {status}: {said}"
        if kind == _TOGETHER:
            gate.reap()
        eventually(lambda: not gate.left(), _CLEAN_SECONDS)
        return Kill(moment, kind, time.monotonic() - killed, gate.left(), wrong)


def _phase(log: Path) -> str:
    said = log.read_text().splitlines()
    return re.sub(r"^ *[0-9.]+ s +|: (begun|ended|starting).*", "", said[-1]).strip() if said else "start"


def _processes() -> Iterator[tuple[int, bytes, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                yield int(entry.name), (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()


def _segments() -> Iterator[tuple[int, int]]:
    """System V segments of this machine: id and creator's pid."""
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
            words = line.split()
            yield int(words[1]), int(words[4])


def _told(kills: list[Kill], seed: int) -> Mapping[str, object]:
    clean = [kill for kill in kills if not kill.left]
    return {
        "wrong": f"{sum(1 for kill in kills if kill.wrong)} of {len(kills)}",
        "nothing left": f"{len(clean)} of {len(kills)}",
        "seed": seed,
        "slowest": f"{max(kill.seconds for kill in kills):.2f} s",
        "moments": f"{min(kill.moment for kill in kills):.2f} to {max(kill.moment for kill in kills):.2f} s",
        "killed in": ", ".join(f"{phase} {count}" for phase, count in Counter(k.phase for k in kills).most_common()),
    }


def main() -> int:
    """Do what the command line says; 1 if anything was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, help="how many gates to kill")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a series")
    parser.add_argument("--command", choices=("gate", "up"), default="gate")
    parser.add_argument("--stack", choices=("embedded", "docker"), default="embedded")
    parser.add_argument("--victims", choices=("gate", "any"), default="gate")
    given = parser.parse_args()
    kills: list[Kill] = []
    for kill in storm(given.kills, given.seed, given.stack, given.command, given.victims):
        kills.append(kill)
        if kill.wrong:
            sys.stdout.write(f"killed after {kill.moment:.3f} s ({kill.phase}): {kill.wrong}\n")
        if kill.left:
            sys.stdout.write(f"killed after {kill.moment:.3f} s ({kill.phase}), left: {'; '.join(kill.left)}\n")
            sys.stdout.flush()
    for word, value in _told(kills, given.seed).items():
        sys.stdout.write(f"{word}: {value}\n")
    return 1 if any(kill.left or kill.wrong for kill in kills) else 0


if __name__ == "__main__":
    sys.exit(main())
