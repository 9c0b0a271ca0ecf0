"""The parent of all servers of one stack, a small program of its own; it outlives the harness and clears up after it.

Runs as `python -I -S <this file>` with the standard library alone, in a session of its own, and obeys JSON lines on its
standard input; each line has a number `n` and gets one answer `{"reply": n, …}`. When the input ends, or the process
that started it dies, without a `detach` before: everything that the stack owns is ended and removed.
Others of the same user may join with the same orders, over a socket in a folder that is theirs alone (`listen`); that
they leave ends nothing.

The guarantee rests on four things, each of which covers what another cannot see:
children are in this process's own tree (PR_SET_CHILD_SUBREAPER brings orphans back to it); each child is killed by the
kernel if this process dies (PR_SET_PDEATHSIG); whatever carries the stack's mark in its environment is found in /proc;
and a process that the harness started beside the stack can be entrusted to it by `own_process`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MARK = "HARNESS_STACK"
"""Environment variable of everything that a stack runs; its value is the stack's id."""
PART_MARK = "HARNESS_PART"
"""Environment variable of one process of a stack and of all that it starts: the stack's id, and its name in there."""
SUPERVISOR_MARK = "HARNESS_SUPERVISOR"
"""Environment variable of a supervisor: it looks after itself and is never ended by another one."""

ORDERS = "orders"
"""The socket in a stack's state folder at which its supervisor takes orders of others than who started it."""

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_ENDING = b"ending"
"""What a supervisor is called from the moment on at which it ends what it has."""
_ORPHANED_GRACE, _HURRIED_GRACE = 1.0, 0.4
"""Seconds a server gets to end by itself when nobody is left to wait for it, and when somebody waits who pressed
Ctrl-C: all of it has to be over in two."""
_COMMAND_SECONDS = 8.0
_AGAIN_SECONDS = 0.05
_SAY_SECONDS = 1.0
"""For how long whoever joined is waited for to read what is said; one that does not is let go."""
_LOOKS, _LOOK_SECONDS = 3, 0.01


def process_stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, parent's pid and start time (clock ticks since boot) of a process; None if there is none.

    It is `Z` only when the last thread has ended.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib is slow to import, and this runs often
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state, threads = fields[0].decode(), int(fields[17])
    # a first thread that has ended is a zombie while others run, and these still hold the process's sockets
    return "S" if state == "Z" and threads > 1 else state, int(fields[1]), int(fields[19])


def is_alive(pid: int, start: int | None = None) -> bool:
    """Whether the process runs (a zombie does not) and, with `start`, is still the same one and not a recycled pid."""
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX" and (start is None or stat[2] == start)


def is_ending(pid: int) -> bool:
    """Whether that supervisor ends its stack: what is gone of it then has not failed."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:  # noqa: PTH123
            return file.read().strip() == _ENDING
    except OSError:
        return True


def _parents() -> dict[int, int]:
    """All living processes, each with its parent's pid."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())  # noqa: PTH208
    return {pid: stat[1] for pid in pids if (stat := process_stat(pid)) is not None and stat[0] not in "ZX"}


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


def owned_by(mark: str, roots: Iterable[int], *parts: str) -> set[int]:
    """Living processes that carry `mark` or descend from `roots`; other supervisors and all below them are left out.

    With `parts`, those alone that the stack's processes of these names made: a wrapper such as dumb-init or setsid
    gives the server a session of its own, and one that ends without it leaves it to the supervisor.
    """
    parents = _parents()
    signs = {f"{PART_MARK}={mark}/{part}".encode() for part in parts} or {f"{MARK}={mark}".encode()}
    other = f"{SUPERVISOR_MARK}=".encode()
    found, foreign = set(roots) & parents.keys(), set()
    for pid in parents:
        environment = _environment(pid)
        if any(word.startswith(other) for word in environment):
            foreign.add(pid)
        elif not signs.isdisjoint(environment):
            found.add(pid)
    return {pid for pid in parents if _descends(pid, parents, found, foreign)} - {os.getpid()}


def _descends(pid: int, parents: dict[int, int], ancestors: set[int], barriers: set[int]) -> bool:
    below = False
    seen: set[int] = set()
    while pid in parents and pid not in seen:
        if pid in barriers and pid != os.getpid():
            return below
        below = below or pid in ancestors
        seen.add(pid)
        pid = parents[pid]
    return below


def end_tree(mark: str, roots: Iterable[int], *parts: str) -> set[int]:
    """Freeze all that `owned_by` finds until nothing new appears, so that nothing can fork away, then kill it.

    Returns who was killed.
    """
    roots = set(roots)
    frozen: set[int] = set()
    for _ in range(50):
        new = owned_by(mark, roots | frozen, *parts) - frozen
        if not new:
            break
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        frozen |= new
    for pid in frozen:
        _signal(pid, signal.SIGKILL)
    return frozen


def signal_tree(mark: str, root: int, part: str, number: int) -> None:
    """Signal a process of the stack and all that it made, until nothing new appears."""
    reached: set[int] = set()
    for _ in range(50):
        new = owned_by(mark, reached | {root}, part) - reached
        if not new:
            return
        # the root first: it is the one that makes others
        for pid in sorted(new, key=lambda each: each != root):
            _signal(pid, number)
        reached |= new


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _remove_folder(path: str) -> None:
    """Remove a folder whose files may still be written for a moment by dying processes."""
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
        time.sleep(0.02)


def run_commands(commands: Iterable[Sequence[str]]) -> None:
    """Run what clears up beside processes and folders; one that fails keeps no other from its turn."""
    for command in commands:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                command, timeout=_COMMAND_SECONDS, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )


def remove_folders(folders: Iterable[str]) -> None:
    """Remove a stack's folders, and the shared memory of a Postgres whose data lay there."""
    for folder in folders:
        for place in (folder, f"{folder}/postgres"):
            _remove_shared_memory(place)
        _remove_folder(folder)


def _remove_shared_memory(folder: str) -> None:
    """Remove the System V segment that a killed Postgres left; its id is in `postmaster.pid` in its data folder."""
    try:
        with open(f"{folder}/postmaster.pid", encoding="ascii") as file:  # noqa: PTH123
            words = file.read().splitlines()[6].split()
    except (OSError, IndexError, UnicodeDecodeError):
        return
    remove = 0
    ctypes.CDLL(None).shmctl(int(words[1]), remove, None)


class Child:
    """One process of the stack, as asked for by `spawn`."""

    def __init__(self, order: dict[str, Any], process: subprocess.Popen[bytes]) -> None:
        self.name: str = order["name"]
        self.process = process
        self.pid = process.pid
        self.stop_signal = signal.Signals[f"SIG{order.get('stop', 'TERM')}"]
        self.grace = float(order.get("grace", 3.0))
        self.stage = int(order.get("stage", 1))
        self.status: int | None = None
        self.stopping = False


def _lives(child: Child) -> bool:
    return child.status is None


class Supervisor:
    """State of one stack, and what each order does to it."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.children: dict[str, Child] = {}
        self.owned: dict[int, int] = {}
        self.handing_over: set[str] = set()
        self.folders: list[str] = []
        self.commands: list[list[str]] = []
        self.parent = os.getppid()
        self.parent_fd = _open_process(self.parent)
        self.detached = False
        self.ended = False
        self.most_grace = float("inf")
        self.listener: socket.socket | None = None
        self.joined: dict[socket.socket, bytes] = {}
        """Whoever joined, with what of a line has come from there so far."""
        self.wake, wake_end = os.pipe()
        for fd in (self.wake, wake_end):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self._asked_to_end)
        os.set_blocking(1, False)
        self.prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
        if self.prctl is not None:
            self.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _asked_to_end(self, *_: object) -> None:
        self.ended = True

    def serve(self) -> None:
        """Obey orders until the stack is to end."""
        rest = b""
        while not self.ended:
            ready = select.select(self._inputs(), [], [])[0]
            self._drain()
            self._reap()
            if self.parent_fd in ready:
                self._end_soon(_ORPHANED_GRACE)
            elif 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    self._end_soon(_ORPHANED_GRACE)
                rest = self._obey_lines(rest + data, None)
            for other in ready:
                if other is self.listener:
                    self._let_join()
                elif isinstance(other, socket.socket):
                    self._hear(other)

    def _inputs(self) -> list[int | socket.socket]:
        inputs: list[int | socket.socket] = [self.wake, *self.joined]
        if not self.detached:
            inputs += [0, *([self.parent_fd] if self.parent_fd else [])]
        if self.listener is not None:
            inputs.append(self.listener)
        return inputs

    def _let_join(self) -> None:
        if self.listener is None:
            return
        with contextlib.suppress(OSError):
            other = self.listener.accept()[0]
            other.settimeout(_SAY_SECONDS)
            self.joined[other] = b""

    def _hear(self, other: socket.socket) -> None:
        try:
            data = other.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._let_leave(other)
        elif other in self.joined:
            rest = self._obey_lines(self.joined[other] + data, other)
            if other in self.joined:
                self.joined[other] = rest

    def _let_leave(self, other: socket.socket) -> None:
        self.joined.pop(other, None)
        other.close()

    def _obey_lines(self, data: bytes, asker: socket.socket | None) -> bytes:
        """Do what the whole lines order; returns the beginning of the next one."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._obey(json.loads(line), asker)
        return rest

    def _obey(self, order: dict[str, Any], asker: socket.socket | None) -> None:
        try:
            answer = getattr(self, f"do_{order['do']}")(order)
        except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}", "reason": getattr(error, "strerror", None)}
        self._answer({"reply": order["n"], **(answer or {})}, asker)
        if order["do"] == "detach":
            self._let_go()

    def _say(self, words: dict[str, Any]) -> None:
        """Tell everybody."""
        for asker in (None, *self.joined):
            self._answer(words, asker)

    def _answer(self, words: dict[str, Any], asker: socket.socket | None) -> None:
        line = json.dumps(words).encode() + b"\n"
        if asker is None:
            # a full or closed pipe must never hold the supervisor up: the harness asks again or is gone
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(1, line)
            return
        try:
            asker.sendall(line)
        except OSError:
            self._let_leave(asker)

    # --- orders

    def do_spawn(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start one process, its output in a file, in a session of its own."""
        with open(order["log"], "ab", buffering=0) as log:  # noqa: PTH123
            user, supervisor, prctl = order.get("user"), os.getpid(), self.prctl
            death = signal.Signals[f"SIG{order.get('death', 'KILL')}"]

            def die_with_supervisor() -> None:
                if prctl is not None:
                    prctl(_PR_SET_PDEATHSIG, death, 0, 0, 0)
                    if os.getppid() != supervisor:
                        os._exit(1)

            process = subprocess.Popen(
                order["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=order.get("cwd", "/"),
                env={**order.get("env", {}), MARK: self.mark, PART_MARK: f"{self.mark}/{order['name']}"},
                start_new_session=True,
                user=user,
                group=order.get("group"),
                extra_groups=None if user is None else [],
                preexec_fn=die_with_supervisor,  # noqa: PLW1509 - one thread
            )
        child = Child(order, process)
        self.children[child.name] = child
        return {"pid": child.pid}

    def do_stop(self, order: dict[str, Any]) -> None:
        """End one process of ours and all that it started; returns when they are gone."""
        child = self.children[order["name"]]
        self._stop([child], child.grace)

    def do_succeed(self, order: dict[str, Any]) -> None:
        """End one process of ours, and let another one, the heir, have its name from now on."""
        heir, name = self.children[order["heir"]], order["name"]
        if name in self.children:
            self._stop([self.children[name]], self.children[name].grace)
        self.children[name] = self.children.pop(heir.name)
        heir.name = name
        self._say({"moved": name, "pid": heir.pid})

    def do_signal(self, order: dict[str, Any]) -> None:
        """Send a signal to one process of ours, and to all below it if it is one that cannot be passed on."""
        child = self.children[order["name"]]
        if child.status is not None:
            raise ValueError(f"it has ended with {child.status}")
        number = signal.Signals[f"SIG{order['signal']}"]
        if number == signal.SIGKILL:
            # frozen first, so that nothing forks away meanwhile
            signal_tree(self.mark, child.pid, child.name, signal.SIGSTOP)
        if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            signal_tree(self.mark, child.pid, child.name, number)
        else:
            _signal(child.pid, number)

    def do_adopt(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take what a process that has ended well left running for that process, now and after each further start."""
        self.handing_over.add(order["name"])
        child = self.children[order["name"]]
        return {"adopted": child.status == 0 and self._adopt(child)}

    def do_own_process(self, order: dict[str, Any]) -> None:
        """Answer for a process that somebody else started."""
        stat = process_stat(order["pid"])
        if stat is not None:
            self.owned[order["pid"]] = stat[2]

    def do_own_folder(self, order: dict[str, Any]) -> None:
        """Remove a folder at the end; it need not exist yet."""
        self.folders.append(order["path"])

    def do_own_command(self, order: dict[str, Any]) -> None:
        """Run a command at the end."""
        self.commands.append(order["argv"])

    def do_listen(self, order: dict[str, Any]) -> None:
        """Let others of this user join, at a socket in a folder of theirs."""
        folder = os.open(order["folder"], os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.listener = socket.socket(socket.AF_UNIX)
            # a socket's path is at most 107 bytes long, and a folder's may be longer
            self.listener.bind(f"/proc/self/fd/{folder}/{ORDERS}")
            self.listener.listen()
            self.listener.settimeout(0.0)
        finally:
            os.close(folder)

    def do_detach(self, order: dict[str, Any]) -> None:
        """Live on without the harness, until a signal says to end."""

    def do_down(self, order: dict[str, Any]) -> None:
        """End everything."""
        self._end_soon(_HURRIED_GRACE if order.get("hurried") else self.most_grace)

    # --- ends

    def _end_soon(self, most_grace: float) -> None:
        self.ended = True
        self.most_grace = min(self.most_grace, most_grace)

    def _let_go(self) -> None:
        self.detached = True
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.wake, 512):
                pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.pid == pid and child.status is None:
                    child.status = os.waitstatus_to_exitcode(status)
                    child.process.returncode = child.status
                    if child.status == 0 and self._has_heirs(child):
                        continue
                    self._say({"exited": child.name, "pid": pid, "status": child.status})

    def _has_heirs(self, child: Child) -> bool:
        # of one that is being stopped nothing is to live on
        return child.name in self.handing_over and not child.stopping and self._adopt(child)

    def _adopt(self, child: Child) -> bool:
        """Let the eldest of what a child left be that child; False if it left nothing."""
        for _ in range(_LOOKS):
            heirs = sorted(owned_by(self.mark, (), child.name) & self._own_tree())
            if heirs:
                child.pid, child.status = heirs[0], None
                self._say({"moved": child.name, "pid": child.pid})
                return True
            # one that becomes a daemon forks and ends while it is looked for
            time.sleep(_LOOK_SECONDS)
        return False

    def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self._drain()
            self._reap()
            left = deadline - time.monotonic()
            if done() or left <= 0:
                return
            select.select([self.wake], [], [], left)

    def _stop(self, children: list[Child], grace: float, *, again: bool = False) -> None:
        alive = [*filter(_lives, children)]
        for child in alive:
            child.stopping = True
        # seen while their parents live: whoever has neither its parent nor its environment is not found afterwards
        below = self._started_by(children)

        def all_ended() -> bool:
            return not any(map(_lives, alive))

        for child in alive:
            _signal(child.pid, child.stop_signal)
            _signal(child.pid, signal.SIGCONT)
        if again:
            self._wait(all_ended, _AGAIN_SECONDS)
            for child in filter(_lives, alive):
                _signal(child.pid, child.stop_signal)
        self._wait(all_ended, grace)
        for child in alive:
            # the group too: a server's helpers must not live on when it is gone
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        # and what left the group
        left = [pid for pid, start in below.items() if is_alive(pid, start)]
        gone = end_tree(self.mark, left, *(child.name for child in children))
        self._wait(lambda: all_ended() and not any(map(is_alive, gone)), 2.0)

    def _started_by(self, children: list[Child]) -> dict[int, int]:
        """Processes below children, each with its start; the children themselves are ended by whoever asks."""
        alive = [child.pid for child in filter(_lives, children)]
        # of all at once: reading what every process carries takes longer than ending them
        found = owned_by(self.mark, alive, *(child.name for child in children)) - {child.pid for child in children}
        return {pid: stat[2] for pid in found if (stat := process_stat(pid)) is not None}

    def end(self) -> None:
        """Leave nothing behind: services first, then their servers, then all else that is ours."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        # said first, here and to all who look: how a child ends from now on is no fault of its own
        self._say({"ending": True})
        if self.prctl is not None:
            self.prctl(_PR_SET_NAME, _ENDING, 0, 0, 0)
        foreign = [pid for pid, start in self.owned.items() if is_alive(pid, start)]
        if foreign:
            end_tree(self.mark, foreign)
        for stage in sorted({child.stage for child in self.children.values()}, reverse=True):
            self._end_stage(stage)
        end_tree(self.mark, self._own_tree())
        self._wait(lambda: not self._own_tree(), 3.0)
        run_commands(self.commands)
        remove_folders(reversed(self.folders))

    def _end_stage(self, stage: int) -> None:
        group = [child for child in self.children.values() if child.stage == stage]
        longest = max(child.grace for child in group)
        # no request is left to be saved: a service that drains is told a second time, which cuts that short
        self._stop(group, min(longest, self.most_grace), again=stage > 1)

    def _own_tree(self) -> set[int]:
        return {pid for pid, parent in _parents().items() if parent == os.getpid()}


def _open_process(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return 0  # an old kernel: the end of the input still tells


def main() -> None:
    """Serve one stack; the only argument is its id."""
    supervisor = Supervisor(sys.argv[1])
    try:
        supervisor.serve()
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
