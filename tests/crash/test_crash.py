"""Nothing of a stack is left ten seconds after whoever held it was killed, at whatever moment, by whatever signal.

`CRASHES=100 pytest tests/crash` kills as many launches as that, and as many gates in storms; `CRASH_SEED` repeats a
series.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import doctor
from harness.cli.main import run_command
from harness.stack import launch, orphans
from harness.stack.supervisor.process import is_alive, owned_by
from harness.stack.supervisor.registry import sweep
from tests.stack_target import eventually, folders_of, listens, marked_processes, small_target

HOLDER = Path(__file__).with_name("holder.py")
ROOT = HOLDER.parents[2]
CRASHES = int(os.environ.get("CRASHES", "8"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or secrets.randbelow(2**32)
LATEST_MOMENT = 1.5
"""Seconds after its start at which a holder is killed at the latest; a launch takes about one."""


class Holder:
    """A running `holder.py`, in a process group of its own."""

    def __init__(self, folder: Path, what: str) -> None:
        self.mark = secrets.token_hex(6)
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(HOLDER), self.mark, str(folder), what],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def told(self) -> dict[str, Any]:
        """What it says when its stack is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read() if self.process.stderr else ""
        return json.loads(line)

    def kill(self) -> None:
        """Kill it, and nothing else."""
        self.process.kill()
        self.process.wait()

    def nothing_left(self) -> bool:
        """Whether no process and no folder of its stack is there."""
        return not marked_processes(self.mark) and not folders_of(self.mark)

    def close(self) -> None:
        """End it, whatever the test found, and close its pipes."""
        self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """Makes a holder; ends it after the test."""
    made: list[Holder] = []

    def make(what: str) -> Holder:
        made.append(Holder(tmp_path / str(len(made)), what))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ports_of(told: dict[str, Any]) -> list[int]:
    urls = (told[key] for key in ("url", "database_url", "redis_url", "smtp_url", "mailbox_url"))
    return [int(url.rpartition(":")[2].split("/")[0]) for url in urls if url]


@pytest.mark.timeout(0)  # each kill has a deadline of its own
def test_killed_at_any_moment_of_a_launch(holder: Any) -> None:
    moments = random.Random(SEED)  # noqa: S311 - moments, not secrets
    for number in range(CRASHES):
        victim = holder("stack")
        # not a wait for something: the moment is what is tried
        moment = moments.uniform(0.05, LATEST_MOMENT)
        time.sleep(moment)
        victim.kill()
        assert eventually(victim.nothing_left), (
            f"crash {number} of seed {SEED}, after {moment:.3f} s: "
            f"{marked_processes(victim.mark)} {folders_of(victim.mark)}"
        )


def test_killed_while_the_stack_runs(holder: Any) -> None:
    victim = holder("stack")
    ports = ports_of(victim.told())
    assert len(ports) == 5
    assert all(listens(port) for port in ports)
    # supervisor, mail sink, valkey, postgres, service and its two children, at least
    assert len(marked_processes(victim.mark)) >= 7
    victim.kill()
    assert eventually(victim.nothing_left)
    assert not any(listens(port) for port in ports)


def test_killed_with_its_whole_process_group(holder: Any) -> None:
    victim = holder("small")
    victim.told()
    os.killpg(victim.process.pid, signal.SIGKILL)
    assert eventually(victim.nothing_left)


def test_a_kill_by_name_does_not_hit_the_supervisor(holder: Any) -> None:
    victim = holder("small")
    command = Path(f"/proc/{victim.told()['supervisor']}/cmdline").read_bytes().lower()
    assert b"harness" not in command
    assert b"pytest" not in command


def test_a_forked_child_that_holds_the_pipes_delays_nothing(holder: Any) -> None:
    victim = holder("fork")
    child = victim.told()["child"]
    victim.kill()
    try:
        assert eventually(victim.nothing_left)
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_was_entrusted_ends_with_all_its_descendants(holder: Any) -> None:
    victim = holder("pytest")
    tree = victim.told()["tree"]
    family = owned_by("nothing", [tree])
    assert len(family) == 3
    victim.kill()
    assert eventually(lambda: not any(is_alive(pid) for pid in family))
    assert eventually(victim.nothing_left)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_the_stack(holder: Any, number: signal.Signals) -> None:
    victim = holder("small")
    os.kill(victim.told()["supervisor"], number)
    assert eventually(victim.nothing_left)


def test_a_killed_supervisor_takes_its_servers_with_it(holder: Any) -> None:
    victim = holder("stack")
    told = victim.told()
    os.kill(told["supervisor"], signal.SIGKILL)
    assert eventually(lambda: not any(listens(port) for port in ports_of(told)))


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder where no other process of this machine sweeps; `tmp_path` is made first, outside of it."""
    assert tmp_path.exists()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield
    monkeypatch.undo()


@pytest.mark.usefixtures("own_temporary_folder")
def test_what_a_killed_supervisor_and_its_holder_left_is_swept_by_the_next_launch(holder: Any) -> None:
    victim = holder("small")
    told = victim.told()
    # the holder first, stopped: else it would clear up by itself
    victim.process.send_signal(signal.SIGSTOP)
    os.kill(told["supervisor"], signal.SIGKILL)
    victim.kill()
    assert eventually(lambda: not is_alive(told["supervisor"]))
    assert folders_of(victim.mark)
    # two children of the service in sessions of their own are out of the kernel's reach
    assert eventually(lambda: len(marked_processes(victim.mark)) == 2)
    assert sweep() == (victim.mark,)
    # what was killed may be dying yet
    assert eventually(victim.nothing_left)


@pytest.mark.usefixtures("own_temporary_folder")
def test_the_doctor_shows_what_was_left_takes_it_when_asked_and_lets_the_living_be(
    holder: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    victim, living = holder("stack"), holder("small")
    told, ports = victim.told(), ports_of(living.told())
    victim.process.send_signal(signal.SIGSTOP)
    os.kill(told["supervisor"], signal.SIGKILL)
    victim.kill()
    scratch = Path(tempfile.gettempdir(), f"harness-tests-{victim.mark}")
    scratch.mkdir()
    os.utime(scratch, (0, 0))
    # the servers end with their supervisor; two children of the service, in sessions of their own, do not
    assert eventually(lambda: len(marked_processes(victim.mark)) == 2)
    # other tests beside this one leave things, too, and look for them
    ours = (victim.mark, living.mark)
    found = orphans.find_orphans
    monkeypatch.setattr(
        doctor, "find_orphans", lambda: tuple(one for one in found() if one.mark in ours or one.name == str(scratch))
    )
    assert run_command(["doctor"]) == 0
    assert "harness doctor --reap" in capsys.readouterr().out
    assert len(marked_processes(victim.mark)) == 2
    assert run_command(["doctor", "--reap", "--json"]) == 0
    left = json.loads(capsys.readouterr().out)["left"]
    assert {one["mark"] for one in left} == {victim.mark, ""}
    assert all(one["reaped"] for one in left)
    assert sorted(one["kind"] for one in left) == ["folder"] * (len(left) - 2) + ["process"] * 2
    # what was killed may be dying yet
    assert eventually(victim.nothing_left)
    assert not scratch.exists()
    assert folders_of(living.mark)
    assert all(listens(port) for port in ports)


@pytest.mark.usefixtures("own_temporary_folder")
def test_a_stack_inside_an_entrusted_process_clears_up_by_itself(holder: Any, tmp_path: Path) -> None:
    inner = holder("small")
    inner.told()
    (tmp_path / "outer").mkdir()
    with launch(small_target(tmp_path / "outer")) as outer:
        outer.own_process(inner.process.pid)
    # its holder was killed with the outer stack; its supervisor was not, or its folder would still be there
    assert inner.process.wait(timeout=10) == -signal.SIGKILL
    assert eventually(inner.nothing_left)


def test_an_entrusted_command_runs_at_the_end(tmp_path: Path) -> None:
    with launch(small_target(tmp_path)) as stack:
        stack.supervision.own_command(["touch", str(tmp_path / "ended")])
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()
