"""Live progress on standard error: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from harness.cli.console import Console
from harness.cli.terminal import write_progress
from harness.model import Listener, Progress

_BEFORE_TESTS = frozenset({"stack up", "stack", "note"})
"""Phases that end with the stack up. An error of theirs must be the first line (DESIGN 4.1)."""


class Plain:
    """A line for each phase that begins or ends; counts would only fill a log.

    What happens until the stack is up is held back until then: if it never is, the error says all that matters.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._held: list[str] | None = []

    def __call__(self, happened: Progress) -> None:
        """Print what changed."""
        if happened.text == "running":
            return
        if happened.phase not in _BEFORE_TESTS:
            self.release()
        line = f"{time.monotonic() - self._begun:6.1f} s  {happened.phase}: {happened.text}\n"
        if self._held is not None:
            self._held.append(line)
            return
        write_progress(line)

    def release(self) -> None:
        """Print what was held back, and hold back no more."""
        held, self._held = self._held, None
        write_progress(held or ())


class Terminal:
    """The current phase with its counts, in place; drawn anew several times a second, so that the time goes on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._latest = Progress(phase="", text="")

    def __call__(self, happened: Progress) -> None:
        """Show the event from now on."""
        self._latest = happened

    def __rich__(self) -> Text:
        """The line as it is now."""
        return Text(
            f"{time.monotonic() - self._begun:5.1f} s  {described(self._latest)}", overflow="ellipsis", no_wrap=True
        )


def described(happened: Progress) -> str:
    """A phase, how far it is, and how fast."""
    parts = [happened.phase]
    if happened.text != "running":
        parts.append(happened.text)
    if happened.done is not None:
        # what runs at a rate is counted in seconds
        unit = "tests" if happened.rate is None else "s"
        parts.append(f"{happened.done}/{happened.total} {unit}" if happened.total else f"{happened.done} {unit}")
    if happened.rate is not None:
        parts.append(f"{happened.rate:.0f} requests/s")
    return "  ".join(part for part in parts if part)


@contextmanager
def showing() -> Iterator[Listener]:
    """Something that shows progress for as long as the context lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        plain = Plain()
        yield plain
        plain.release()
        return
    terminal = Terminal()
    with Live(terminal, console=console, transient=True, refresh_per_second=8):
        yield terminal
