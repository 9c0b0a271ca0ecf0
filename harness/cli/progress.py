"""Live progress on standard error: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.model import Listener, Progress


class Plain:
    """A line for each phase that begins or ends; counts would only fill a log."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, happened: Progress) -> None:
        """Print what changed."""
        if happened.text == "running":
            return
        elapsed = time.monotonic() - self._begun
        sys.stderr.write(f"{elapsed:6.1f} s  {happened.phase}: {happened.text}\n")
        sys.stderr.flush()


class Terminal:
    """The current phase with its counts, in place."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._begun = time.monotonic()

    def __call__(self, happened: Progress) -> None:
        """Show the event."""
        parts = [f"{time.monotonic() - self._begun:5.1f} s", happened.phase]
        if happened.text != "running":
            parts.append(happened.text)
        if happened.done is not None:
            parts.append(f"{happened.done}/{happened.total}" if happened.total else f"{happened.done} observations")
        if happened.rate is not None:
            parts.append(f"{happened.rate:.0f} requests/s")
        self._live.update(Text("  ".join(parts), overflow="ellipsis", no_wrap=True))


@contextmanager
def showing() -> Iterator[Listener]:
    """Something that shows progress for as long as the context lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Plain()
        return
    with Live(console=console, transient=True, refresh_per_second=8) as live:
        yield Terminal(live)
