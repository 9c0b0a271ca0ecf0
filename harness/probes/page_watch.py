"""What a page may take of this machine: memory, processors, windows. One that wants more is ended: that is a finding.

A browser bounds the heap of a page's scripts at gigabytes, and neither its buffers nor its windows; and a script that
does not let go answers nobody who asks the page, for ever. So the browser's processes are watched while a test has a
page open. It is the whole browser that is ended: what a page has asked for and said by then waits in the browser, and
would fill Playwright's driver and this process for as long again.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

MOST_BYTES = 400 * 2**20
"""Memory that one process of the browser, or its driver, may take during a test; the heaviest usual pages take less
than two thirds of it. What it takes until it is ended comes on top: hundreds of megabytes on a busy machine."""
MOST_CPU_S = 20.0
"""Seconds of processors that one such process may use during a test; pages take one or two, axe-core a few more."""
MOST_WINDOWS = 20
"""Windows that one context may open during a test."""
MOST_EVENTS, MOST_SAID = 5000, 16 * 2**20
"""Requests and lines of the console during a test, and characters of the latter: each comes to this process."""

_PAUSE_S, _PAUSE_OF_LARGE_S = 0.02, 0.002
"""Between two looks; the second while a process has taken half of what it may."""
_LOOKS_A_WALK = 5
"""The tree of processes is walked once in so many looks: it costs more than to read a process's memory."""
_PROC = Path("/proc")
_IS_DRIVEN = b"--remote-debugging-pipe"
"""On the command line of a browser's own process, and of none of its helpers."""


class _Browser(NamedTuple):
    """A browser's own process, and the program that drives it."""

    driver: int
    pid: int


class _Use(NamedTuple):
    """What a process has of this machine."""

    cpu_s: float = 0.0
    memory: int = 0


_NOTHING = _Use()


class PageWatch:
    """Watches the browsers below this process; `on_end` is told why they were ended. A context manager.

    `most_s` is the time until its end: what asks a page may have no time-out of its own.
    """

    def __init__(
        self,
        on_end: Callable[[str], None],
        most_bytes: int = MOST_BYTES,
        most_cpu_s: float = MOST_CPU_S,
        most_s: float = math.inf,
    ) -> None:
        self._on_end = on_end
        self._most_bytes = most_bytes
        self._most_cpu_s = most_cpu_s
        self._most_s = most_s
        self.ended = False
        """Whether the browsers were ended: what is asked of one raises an error from then on."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="page-watch", daemon=True)
        self._windows = self._events = self._said = 0

    def count_window(self, _page: object) -> None:
        """A window was opened (a listener for a context's event `page`)."""
        self._windows += 1
        if self._windows > MOST_WINDOWS:
            self._end(f"the page opened more than {MOST_WINDOWS} windows, and was ended")

    def count_event(self, said: str = "") -> None:
        """A page asked for something, or said something."""
        self._events += 1
        self._said += len(said)
        if self._events > MOST_EVENTS or self._said > MOST_SAID:
            self._end("the page asked and said without end, and was ended")

    def _look(self) -> None:
        known = _known()
        # what is there already may have served another test
        begun = {pid: _Use(_cpu_s(pid), _memory(pid)) for pid in known}
        pause_s, end = _PAUSE_S, time.monotonic() + self._most_s
        for look in count():
            if self.ended or self._over.wait(pause_s):
                return
            if time.monotonic() > end:
                self._end(f"the page took more than {self._most_s:g} s, and was ended")
            if look % _LOOKS_A_WALK == 0:
                known = _known()
                if any(_cpu_s(pid) - begun.get(pid, _NOTHING).cpu_s > self._most_cpu_s for pid in known):
                    self._end(f"the page kept a processor busy for {self._most_cpu_s:g} s, and was ended")
            most = max((_memory(pid) - begun.get(pid, _NOTHING).memory for pid in known), default=0)
            pause_s = _PAUSE_OF_LARGE_S if most > self._most_bytes / 2 else _PAUSE_S
            if most > self._most_bytes:
                self._end(f"the page took more than {self._most_bytes // 2**20} MB of memory, and was ended")

    def _end(self, why: str) -> None:
        if self.ended:
            return
        self.ended = True
        self._on_end(why)
        for one in _browsers(os.getpid()):
            for pid in (one.pid, *_below(one.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        if _PROC.is_dir():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()


def _known() -> tuple[int, ...]:
    """All processes of the browsers, and their drivers: what a page says waits there when this process is slower."""
    return tuple(pid for one in _browsers(os.getpid()) for pid in (one.driver, one.pid, *_below(one.pid)))


def _browsers(parent: int) -> Iterator[_Browser]:
    """The browsers below that process: those that Playwright's driver speaks to."""
    for pid in _children(parent):
        if _IS_DRIVEN in _words(pid):
            yield _Browser(parent, pid)
        else:
            yield from _browsers(pid)


def _below(parent: int) -> Iterator[int]:
    """All processes below that one."""
    for pid in _children(parent):
        yield pid
        yield from _below(pid)


def _children(pid: int) -> Iterator[int]:
    # each thread of a process has children of its own
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                yield from map(int, (thread / "children").read_bytes().split())


def _words(pid: int) -> tuple[bytes, ...]:
    with suppress(OSError):
        # Chromium's helpers write their command line anew, with blanks between the words
        return tuple((_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").split())
    return ()


def _memory(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _cpu_s(pid: int) -> float:
    """Seconds of processors that a process has used."""
    with suppress(OSError, IndexError, ValueError):
        user, system = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0
