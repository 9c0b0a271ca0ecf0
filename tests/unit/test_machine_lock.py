"""The lock of a machine: alone means alone, nobody starves, and the dead hold nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.machine.lock import MachineLock
from tests.stack_target import eventually

HOLDER = """
import json, sys
from pathlib import Path
from harness.machine.lock import MachineLock

turns = MachineLock(Path(sys.argv[1]))
with getattr(turns, sys.argv[2])() as waited:
    print(json.dumps(waited), flush=True)
    sys.stdin.read()
"""
"""A process that takes a turn, says how long it waited, and holds it until its standard input ends."""


def waits(pid: int, file: Path) -> bool:
    """Does that process wait for the lock on that file (as the kernel tells)?"""
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(words[-3].endswith(f":{file.stat().st_ino}") and int(words[-4]) == pid for words in waiting)


class Holder:
    """That process, seen from here."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._said = threading.Thread(target=self._listen, daemon=True)
        self.waited: float | None = None
        self._said.start()

    def _listen(self) -> None:
        line = self.process.stdout.readline()
        self.waited = json.loads(line) if line else None

    @property
    def holds(self) -> bool:
        return self.waited is not None

    def waits_at(self, folder: Path, name: str) -> bool:
        return waits(self.process.pid, folder / name)

    def let_go(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self._said.join(30)
        self.process.stdin.close()
        self.process.stdout.close()


class Machine:
    """A folder of turns, and the processes that take them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = MachineLock(folder)
        self._holders: list[Holder] = []

    def ask(self, kind: str) -> Holder:
        holder = Holder(self.folder, kind)
        self._holders.append(holder)
        return holder

    def holding(self, kind: str) -> Holder:
        holder = self.ask(kind)
        assert eventually(lambda: holder.holds)
        return holder

    def end(self) -> None:
        for holder in self._holders:
            holder.end()


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    made = Machine(tmp_path / "turns")
    yield made
    made.end()


def test_shared_turns_are_held_together(machine):
    first, second = machine.holding("shared"), machine.holding("shared")
    with machine.lock.shared():
        assert first.process.poll() is None
        assert second.process.poll() is None


@pytest.mark.parametrize(
    ("held", "asked"), [("exclusive", "shared"), ("shared", "exclusive"), ("exclusive", "exclusive")]
)
def test_alone_excludes_everybody_in_other_processes(machine, held, asked):
    holder = machine.holding(held)
    other = machine.ask(asked)
    assert eventually(lambda: other.waits_at(machine.folder, "turn"))
    assert not other.holds
    holder.let_go()
    assert eventually(lambda: other.holds)


def test_the_seconds_spent_waiting_are_told(machine):
    holder = machine.holding("shared")
    other = machine.ask("exclusive")
    assert eventually(lambda: other.waits_at(machine.folder, "turn"))
    begun = time.monotonic()
    assert eventually(lambda: time.monotonic() - begun > 0.2)
    holder.let_go()
    assert eventually(lambda: other.holds)
    assert other.waited > 0.2 > holder.waited


def test_who_wants_to_be_alone_is_not_starved_by_those_who_share(machine):
    """A stream of overlapping shared turns, which without the gate would never leave the machine free."""
    holder = machine.holding("shared")
    alone = machine.ask("exclusive")
    assert eventually(lambda: alone.waits_at(machine.folder, "turn"))
    latecomer = machine.ask("shared")
    assert eventually(lambda: latecomer.waits_at(machine.folder, "gate"))
    assert not latecomer.holds
    holder.let_go()
    assert eventually(lambda: alone.holds)
    assert not latecomer.holds
    alone.let_go()
    assert eventually(lambda: latecomer.holds)


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_a_killed_holder_holds_nothing(machine, kind):
    holder = machine.holding(kind)
    waiting = machine.ask("exclusive")
    assert eventually(lambda: waiting.waits_at(machine.folder, "turn"))
    os.kill(holder.process.pid, signal.SIGKILL)
    assert eventually(lambda: waiting.holds)


def test_a_killed_waiter_blocks_nobody(machine):
    machine.holding("shared")
    waiting = machine.ask("exclusive")
    assert eventually(lambda: waiting.waits_at(machine.folder, "turn"))
    os.kill(waiting.process.pid, signal.SIGKILL)
    assert machine.holding("shared").holds


def test_a_child_does_not_inherit_a_turn(machine):
    with machine.lock.exclusive():
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        assert machine.holding("exclusive").holds
    finally:
        child.communicate(timeout=30)


def test_threads_of_one_process_exclude_each_other_too(machine):
    got = threading.Event()

    def ask() -> None:
        with machine.lock.shared():
            got.set()

    thread = threading.Thread(target=ask)
    with machine.lock.exclusive():
        thread.start()
        assert eventually(lambda: waits(os.getpid(), machine.folder / "turn"))
        assert not got.is_set()
    assert got.wait(10)
    thread.join(10)


@pytest.mark.parametrize(
    ("outer", "inner"), [("shared", "shared"), ("exclusive", "shared"), ("exclusive", "exclusive")]
)
def test_turns_nest_even_while_somebody_waits_to_be_alone(machine, outer, inner):
    def of(kind: str) -> AbstractContextManager[float]:
        return getattr(machine.lock, kind)()

    with of(outer):
        waiting = machine.ask("exclusive")
        assert eventually(lambda: waiting.waits_at(machine.folder, "turn"))
        with of(inner) as waited:
            assert waited == 0.0
        assert not waiting.holds
    assert eventually(lambda: waiting.holds)


def test_alone_within_shared_is_refused_instead_of_waiting_for_itself(machine):
    with machine.lock.shared(), pytest.raises(HarnessError, match="alone by who shares it"), machine.lock.exclusive():
        pass
    with machine.lock.exclusive():
        pass


def test_a_lock_file_that_a_cleaner_removed_is_not_mistaken_for_the_one_in_use(machine):
    """Whoever waits for a file that is gone would otherwise hold a lock that nobody else sees."""
    holder = machine.holding("exclusive")
    waiting = machine.ask("exclusive")
    assert eventually(lambda: waiting.waits_at(machine.folder, "turn"))
    (machine.folder / "turn").unlink()
    (machine.folder / "turn").touch()
    newcomer_blocked = machine.ask("exclusive")
    assert eventually(lambda: newcomer_blocked.waits_at(machine.folder, "gate"))
    holder.let_go()
    assert eventually(lambda: waiting.holds)
    assert not newcomer_blocked.holds
    waiting.let_go()
    assert eventually(lambda: newcomer_blocked.holds)


def test_the_folder_is_open_to_every_user(machine):
    with machine.lock.shared():
        assert machine.folder.stat().st_mode & 0o7777 == 0o1777
        assert (machine.folder / "turn").stat().st_mode & 0o444 == 0o444


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HarnessError, match=r"file.*cannot be opened .*; remove .* and retry"),
        MachineLock(tmp_path / "file").shared(),
    ):
        pass


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "turns").mkdir()
    (tmp_path / "turns" / "gate").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HarnessError, match="gate: cannot be opened"), MachineLock(tmp_path / "turns").shared():
        pass


def test_the_usual_place_does_not_depend_on_who_asks(tmp_path):
    show = [sys.executable, "-c", "from harness.machine.lock import MachineLock; print(MachineLock().folder)"]
    told = {
        subprocess.run(show, env=os.environ | changed, capture_output=True, text=True, timeout=60, check=True).stdout
        for changed in ({}, {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "USER": "another"})
    }
    assert told == {f"{MachineLock().folder}\n"}
