"""Live progress on standard error: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from harness.cli.console import Console
from harness.cli.terminal import write_progress
from harness.model import (
    STACK_UP,
    Listener,
    LoadAdvanced,
    MachineAsked,
    MachineAwaited,
    Noted,
    PhaseAdvanced,
    PhaseBegan,
    PhaseEnded,
    ProgressEvent,
    StackAdvanced,
)

Words = Callable[[ProgressEvent], tuple[str, str]]
"""Of an event: which phase it belongs to, and what happened; "" for one that only counts on."""


class Plain:
    """A line for each phase that begins or ends; counts would only fill a log.

    What happens until the stack is up is held back until then: if it never is, the error must be the first line.
    """

    def __init__(self, words: Words | None = None) -> None:
        self._begun = time.monotonic()
        self._words = words or words_of
        self._held: list[str] | None = []

    def __call__(self, event: ProgressEvent) -> None:
        """Print what changed."""
        phase, happened = self._words(event)
        if not happened:
            return
        if not _before_tests(event):
            self.release()
        self.print(phase, happened)

    def print(self, phase: str, happened: str) -> None:
        """Print a line, or hold it back."""
        line = f"{time.monotonic() - self._begun:6.1f} s  {phase}: {happened}\n"
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
        self._latest: ProgressEvent | None = None

    def __call__(self, event: ProgressEvent) -> None:
        """Show the event from now on."""
        self._latest = event

    def __rich__(self) -> Text:
        """The line as it is now."""
        shown = described(self._latest) if self._latest is not None else ""
        return Text(f"{time.monotonic() - self._begun:5.1f} s  {shown}", overflow="ellipsis", no_wrap=True)


def words_of(event: ProgressEvent) -> tuple[str, str]:
    """The words of what happens in every job."""
    match event:
        case Noted(text):
            return "note", text
        case StackAdvanced(step):
            return "stack", step
        case PhaseBegan(phase):
            return phase, "begun"
        case PhaseAdvanced(phase):
            return phase, ""
        case PhaseEnded(phase, seconds, completed):
            return phase, f"{'ended' if completed else 'broken off'} after {seconds:.1f} s"
        case MachineAsked(phase):
            return phase, "waiting for the machine"
        case MachineAwaited(phase):
            return phase, "waiting for the machine: another run measures time, or is about to"
        case LoadAdvanced(finished=finished, failed=failed, in_flight=in_flight, p95_ms=p95_ms):
            slow = f", p95 {p95_ms:.1f} ms" if p95_ms is not None else ""
            return "load", f"{finished} answers, {failed} failed, {in_flight} waiting{slow}"
    return "", ""


def described(event: ProgressEvent) -> str:
    """A phase, how far it is, and how fast."""
    return "  ".join(part for part in (*words_of(event), *_counts_of(event)) if part)


def _counts_of(event: ProgressEvent) -> tuple[str, ...]:
    match event:
        case PhaseAdvanced(_, done, total) | MachineAwaited(_, PhaseAdvanced(_, done, total)):
            return (f"{done}/{total} tests" if total else f"{done} tests",)
        case LoadAdvanced(second=second, seconds=seconds, finished=finished):
            return f"{second}/{seconds} s", f"{finished / second:.0f} requests/s"
    return ()


def _before_tests(event: ProgressEvent) -> bool:
    match event:
        case Noted() | StackAdvanced():
            return True
        case PhaseBegan(phase) | PhaseEnded(phase) | MachineAwaited(phase):
            return phase == STACK_UP
    return False


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
