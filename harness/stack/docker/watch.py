"""The processes that watch containers, seen from where they are started."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from harness.stack.readiness import wait_until

_PROGRAM = Path(__file__).with_name("watcher.py")
_HEED_SECONDS = 5.0


def await_watch(pid: int) -> None:
    """Wait until a watch heeds its signals: one that is ended before that leaves its container behind.

    A watch that ended already, or that does not come to it, is left to what removes containers by label.
    """
    sign = 1 << (signal.SIGQUIT - 1)

    def ping() -> str | None:
        with contextlib.suppress(OSError, StopIteration, IndexError, ValueError):
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            caught = next(line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
            return None if int(caught, 16) & sign else "it heeds no signals yet"
        return None

    wait_until(ping, lambda: None, _HEED_SECONDS)


def docker_program(*words: str) -> tuple[str, ...]:
    """The command that does what `watcher.py` does by those words."""
    return os.path.realpath(sys.executable), "-I", "-S", str(_PROGRAM), *words
