"""What a process took of its own time: others that want the same processors must not fail a test of how quick it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def waited_s(pid: int) -> float:
    """Seconds that one of its threads was ready to run and did not, at most; 0 where the kernel does not say."""
    return max(_waits(Path(f"/proc/{pid}/task")), default=0.0)


def _waits(tasks: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, IndexError):
        for task in tasks.iterdir():
            yield int((task / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
