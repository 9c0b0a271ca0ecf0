"""The harness's end of the line to a stack's supervisor: orders out, answers and exits in."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import GroundError, StackError
from harness.stack.supervisor.process import (
    MARK,
    ORDERS,
    SUPERVISOR_MARK,
    end_tree,
    is_alive,
    process_stat,
    remove_folders,
    run_commands,
)

PROGRAM = Path(__file__).with_name("process.py")
_ANSWER_SECONDS = 15.0

Signal = Literal["KILL", "TERM", "STOP", "CONT", "HUP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One process to start under the supervisor."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    cwd: str = "/"
    user: int | None = None
    """uid to run as, where we are root; the group is the user's own."""
    group: int | None = None
    stop: Literal["TERM", "INT", "QUIT"] = "TERM"
    death: Literal["KILL", "QUIT"] = "KILL"
    """Signal that the kernel sends it if the supervisor is killed."""
    grace: float = 3.0
    """Seconds between the stop signal and SIGKILL."""
    stage: int = 1
    """Higher stages end first: a service before its servers."""


class RefusedOrderError(StackError):
    """The supervisor could not do what it was told; `reason` is the system's own word for why, where it has one."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


_supervisions: weakref.WeakSet[Supervision] = weakref.WeakSet()


def lost_supervisors() -> tuple[int, ...]:
    """Pids of supervisors that this process started, did not end, and that are gone or end by themselves."""
    return tuple(one.pid for one in tuple(_supervisions) if one.lost)


class Supervision:
    """A running supervisor. Safe to use from several threads; ends with `down`, or with this process."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        with PROGRAM.open("rb") as program:
            # read from a descriptor, by the interpreter's real path: the command line then names neither this
            # package nor its folder, and a `pkill -f` meant for the harness does not hit what clears up after it
            self._process = subprocess.Popen(
                [os.path.realpath(sys.executable), "-I", "-S", f"/dev/fd/{program.fileno()}", mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**environment, SUPERVISOR_MARK: mark},
                start_new_session=True,
                pass_fds=(program.fileno(),),
            )
        stat = process_stat(self._process.pid)
        self._begin(self._process.pid, stat[2] if stat is not None else 0)
        _supervisions.add(self)

    def _begin(self, pid: int, start: int) -> None:
        self.pid = pid
        self.start = start
        self._lock = threading.RLock()
        self._number = 0
        self._rest = b""
        self._replies: dict[int, dict[str, Any]] = {}
        self._exits: dict[int, int] = {}
        self._pids: dict[str, int] = {}
        self._orders: dict[str, Order] = {}
        self._closed = False
        self._ending = False
        self._folders: list[Path] = []
        self._owned: list[int] = []
        self._commands: list[tuple[str, ...]] = []

    def spawn(self, order: Order) -> int:
        """Start a process; returns its pid. Raises StackError if it cannot be executed."""
        answer = self._ask(
            "spawn",
            name=order.name,
            argv=list(order.argv),
            env=dict(order.env),
            log=str(order.log),
            cwd=order.cwd,
            user=order.user,
            group=order.group,
            stop=order.stop,
            death=order.death,
            grace=order.grace,
            stage=order.stage,
        )
        pid: int = answer["pid"]
        self._pids[order.name] = pid
        self._orders[order.name] = order
        return pid

    def start_again(self, name: str) -> int:
        """Start a process that has ended once more, as it was started before; returns its new pid."""
        if self.exit_status(name) is None:
            raise StackError(f"{name} runs: what has not ended cannot be started again")
        return self.spawn(self._orders[name])

    def signal(self, name: str, signal: Signal) -> None:
        """Send a signal to a process of the stack; KILL, STOP and CONT reach all below it too.

        Raises StackError if it has ended.
        """
        self._ask("signal", name=name, signal=signal)

    def exit_status(self, name: str) -> int | None:
        """How the process of that name ended (negative: by that signal); None while it runs.

        Raises GroundError where it is not known, since the supervisor was ended from outside.
        """
        with self._lock:
            self._take(0.0)
            return self._known_exit(name)

    def wait(self, name: str, seconds: float) -> int | None:
        """Like `exit_status`, after waiting up to `seconds` for the end."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while (status := self._known_exit(name)) is None and (left := deadline - time.monotonic()) > 0:
                self._take(left)
            return status

    def _known_exit(self, name: str) -> int | None:
        status = self._exits.get(self._pids[name])
        if status is None and self.lost:
            raise GroundError(self._loss())
        return status

    def _gone(self) -> str:
        """The same, once its end of the line is closed: it may be a moment more until it is no process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        return self._loss()

    def _loss(self) -> str:
        status = self._process.poll()
        how = f"was killed by signal {-status}" if status is not None and status < 0 else "was told to end"
        return f"the supervisor {self.pid} of stack {self.mark} {how}, and the stack ended with it; start again"

    def stop(self, name: str) -> None:
        """End one process; returns when it is gone."""
        self._ask("stop", name=name)

    def succeed(self, name: str, heir: str) -> None:
        """End one process, and let another one have its name; raises RefusedOrderError where there is no such heir."""
        self._ask("succeed", name=name, heir=heir)

    def adopt(self, name: str) -> bool:
        """Take what a process that ended well left running for that process; False if it left nothing."""
        adopted: bool = self._ask("adopt", name=name)["adopted"]
        return adopted

    def own_process(self, pid: int) -> None:
        """End that process and its descendants, too, when the stack ends."""
        self._owned.append(pid)
        self._ask("own_process", pid=pid)

    def own_folder(self, path: Path) -> None:
        """Remove that folder when the stack ends."""
        self._folders.append(path)
        self._ask("own_folder", path=str(path))

    def own_command(self, argv: Sequence[str]) -> None:
        """Run that command when the stack ends."""
        self._commands.append(tuple(argv))
        self._ask("own_command", argv=list(argv))

    def listen(self, folder: Path) -> None:
        """Let other processes of this user join (`JoinedSupervision`), at a socket in a folder that is theirs alone."""
        self._ask("listen", folder=str(folder))

    def detach(self) -> None:
        """Let the stack live on without this process."""
        self._ask("detach")
        self._close()
        # it lives on by intent: without a status, the Popen object would warn of a child that still runs
        self._process.returncode = 0

    def down(self, *, hurried: bool = False) -> None:
        """End everything and wait for it; `hurried` where somebody waits who pressed Ctrl-C: what does not end at once
        is killed.
        """
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(StackError):
                self._send("down", hurried=hurried)
            self._close()
        try:
            self._process.wait(timeout=30.0)
        except subprocess.TimeoutExpired:
            raise StackError(
                f"the supervisor {self.pid} of stack {self.mark} does not end; see what holds it: ps -o pid,stat,args"
            ) from None
        if self._process.returncode != 0:
            self._clear_up()

    def _clear_up(self) -> None:
        """What the supervisor would have done: it was killed, and the kernel ended only its own children."""
        end_tree(self.mark, self._owned)
        run_commands(self._commands)
        remove_folders(map(str, reversed(self._folders)))

    @property
    def pids(self) -> Mapping[str, int]:
        """Pids of all processes started so far, by name."""
        return dict(self._pids)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs (it was not killed)."""
        return not self._closed and self._process.poll() is None

    @property
    def lost(self) -> bool:
        """Whether the supervisor was killed, or ends, and nobody here told it to."""
        return not self._closed and (self._ending or self._process.poll() is not None)

    def _ask(self, do: str, **words: object) -> dict[str, Any]:
        with self._lock:
            number = self._send(do, **words)
            deadline = time.monotonic() + _ANSWER_SECONDS
            while number not in self._replies:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise GroundError(f"the supervisor {self.pid} of stack {self.mark} hangs during {do!r}")
                if not self._take(left):
                    raise GroundError(self._gone())
            answer = self._replies.pop(number)
        if "error" in answer:
            said = answer["error"]
            raise RefusedOrderError(f"{do} {words.get('name', '')}: {said}", reason=answer["reason"] or said)
        return answer

    def _send(self, do: str, **words: object) -> int:
        if self._closed:
            raise StackError(f"stack {self.mark} has ended: {do!r} is impossible")
        self._number += 1
        try:
            self._write(json.dumps({"do": do, "n": self._number, **words}).encode() + b"\n")
        except BrokenPipeError:
            raise GroundError(self._gone()) from None
        return self._number

    def _take(self, seconds: float) -> bool:
        """Read what has come within `seconds`; False once the supervisor closed its end."""
        if self._closed:
            return False
        fd = self._descriptor()
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return True
        data = os.read(fd, 65536)
        if not data:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            words = json.loads(line)
            if "ending" in words:
                self._ending = True
            elif "exited" in words and not self._ending:
                self._exits[words["pid"]] = words["status"]
            elif "moved" in words:
                self._pids[words["moved"]] = words["pid"]
            elif "reply" in words:
                self._replies[words["reply"]] = words
        return True

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _descriptor(self) -> int:
        """Where what it says is read."""
        return self._process.stdout.fileno() if self._process.stdout is not None else -1

    def _close(self) -> None:
        self._closed = True
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class JoinedSupervision(Supervision):
    """A supervisor that another process started, and that goes on when this one leaves."""

    def __init__(self, mark: str, pid: int, start: int, folder: Path, pids: Mapping[str, int]) -> None:
        """`folder` is where it listens, `pids` what it runs already. Raises StackError where nobody takes orders."""
        self.mark = mark
        self._begin(pid, start)
        self._pids.update(pids)
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._socket.connect(f"/proc/self/fd/{descriptor}/{ORDERS}")
            finally:
                os.close(descriptor)
        except OSError as error:
            self._socket.close()
            raise StackError(f"the supervisor {pid} of stack {mark} takes no orders: {error.strerror}") from error

    def down(self, *, hurried: bool = False) -> None:  # noqa: ARG002 - what it joined is not its own to end
        """Leave; the stack lives on."""
        with self._lock:
            if not self._closed:
                self._close()

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs."""
        return not self._closed and is_alive(self.pid, self.start)

    @property
    def lost(self) -> bool:
        """Whether it ended meanwhile."""
        return not self._closed and (self._ending or not is_alive(self.pid, self.start))

    def _gone(self) -> str:
        return self._loss()

    def _loss(self) -> str:
        return f"the supervisor {self.pid} of stack {self.mark} ended, and the stack with it; start again"

    def _write(self, line: bytes) -> None:
        self._socket.sendall(line)

    def _descriptor(self) -> int:
        return self._socket.fileno()

    def _close(self) -> None:
        self._closed = True
        self._socket.close()
