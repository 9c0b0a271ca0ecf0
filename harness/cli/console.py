"""Rich's console, through which nothing that a target or a run said passes as it is."""

from __future__ import annotations

from collections.abc import Iterable

from rich import console
from rich.segment import Segment

from harness.machine.foreign_text import for_terminal


class Console(console.Console):
    """Only what Rich itself says controls the terminal."""

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Like Rich's, each piece made fit to be shown."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(for_terminal(piece.text), piece.style)
