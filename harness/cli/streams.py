"""The standard streams, whatever state somebody started us with them in: closed, full, or with a reader who leaves.

None of that may decide an exit status that reads as a verdict, or lead a document into a file that is not meant.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

NAMES = ("standard input", "standard output", "standard error")
"""By descriptor."""
OnLoss = Literal["go on", "tell", "end"]
"""What is done when nothing more can be written: nothing, `lost` says why, or it is raised."""


class Output(io.FileIO):
    """A stream that ends in /dev/null once it cannot be written to: no later write, nor the interpreter's last flush,
    fails again."""

    def __init__(self, descriptor: int, on_loss: OnLoss) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._on_loss = on_loss
        self.lost: OSError | None = None
        """Why not all that was written has arrived; None for a reader that left, who wanted no more."""

    def write(self, data: Buffer, /) -> int:
        """Write, or from the first failure on write to nowhere."""
        try:
            return super().write(data)
        except OSError as error:
            if self._on_loss == "tell" and not isinstance(error, BrokenPipeError):
                self.lost = error
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            if self._on_loss == "end":
                raise
            return super().write(data)


def open_closed_streams() -> tuple[str, ...]:
    """Open each standard descriptor that is closed on /dev/null; returns the names of those.

    Else the first file that is opened would take its place, and get what is printed.
    """
    closed = tuple(number for number in range(3) if not _is_open(number))
    for number in closed:
        # the lowest that is free: this one
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)  # noqa: FBT003 - it takes no name
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    return tuple(NAMES[number] for number in closed)


def take_over(on_loss: OnLoss) -> Output:
    """Put streams that bear a loss in the place of Python's own; returns standard output's, which does as told."""
    output = Output(1, on_loss)
    sys.stdout = _text(output, sys.stdout, "strict")
    sys.stderr = _text(Output(2, "go on"), sys.stderr, "backslashreplace")
    return output


def _text(raw: Output, like: TextIO | None, errors: str) -> io.TextIOWrapper:
    """`like` is what Python made of the stream: nothing where it was closed."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=(like and like.encoding) or "utf-8",
        errors=(like and like.errors) or errors,
        line_buffering=errors != "strict",
        write_through=True,
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
