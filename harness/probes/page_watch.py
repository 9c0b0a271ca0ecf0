"""What a page may take of this machine: memory, processors, windows. One that wants more is ended: that is a finding.

A browser bounds the heap of a page's scripts at gigabytes, and neither its buffers nor its windows; and a script that
does not let go answers nobody who asks the page, for ever. So the processes that render pages are watched while a test
has a page open.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

MOST_BYTES = 500 * 2**20
"""Memory of one process that renders pages; the heaviest of usual pages take half of it."""
MOST_CPU_S = 20.0
"""Seconds of processors that one such process may use during a test; pages take one or two, axe-core a few more."""
MOST_WINDOWS = 20
"""Windows that one context may open during a test."""
MOST_EVENTS, MOST_SAID = 5000, 16 * 2**20
"""Requests and lines of the console during a test, and characters of the latter: each comes to this process."""

_PAUSE_S = 0.02
_LOOKS_A_WALK = 5
"""The tree of processes is walked once in so many looks: it costs more than to read a process's memory."""
_PROC = Path("/proc")


class PageWatch:
    """Watches the browsers below this process; `on_end` is told why pages were ended. A context manager."""

    def __init__(
        self, on_end: Callable[[str], None], most_bytes: int = MOST_BYTES, most_cpu_s: float = MOST_CPU_S
    ) -> None:
        self._on_end = on_end
        self._most_bytes = most_bytes
        self._most_cpu_s = most_cpu_s
        self._ended = False
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
        looks = 0
        known: tuple[int, ...] = ()
        begun: dict[int, float] = {}
        while not self._over.wait(_PAUSE_S):
            if looks % _LOOKS_A_WALK == 0:
                known = tuple(_renderers(os.getpid()))
                used = {pid: _cpu_s(pid) for pid in known}
                # one may have served another test before
                begun = {pid: begun.get(pid, seconds) for pid, seconds in used.items()}
                if any(seconds - begun[pid] > self._most_cpu_s for pid, seconds in used.items()):
                    self._end(f"the page kept a processor busy for {self._most_cpu_s:g} s, and was ended")
            looks += 1
            if any(_memory(pid) > self._most_bytes for pid in known):
                self._end(f"the page took more than {self._most_bytes // 2**20} MB of memory, and was ended")

    def _end(self, why: str) -> None:
        for pid in _renderers(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not self._ended:
            self._ended = True
            self._on_end(why)

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


def _renderers(parent: int) -> Iterator[int]:
    """Processes below that one which render pages."""
    for pid in _children(parent):
        if b"--type=renderer" in _words(pid):
            yield pid
        else:
            yield from _renderers(pid)


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
