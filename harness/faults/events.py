"""When each fault began and ended: what a checker holds beside what was seen meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from harness.run import utc_now


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """A fault began or ended. `at` is UTC for the record; `moment` is monotonic, for durations and order."""

    kind: Literal["begun", "ended"]
    fault: str
    """What was done: `kill`, `terminate`, `freeze`, `stop`, `refuse` …"""
    part: str
    """The process or server that it was done to."""
    at: str
    moment: float
    words: str = ""
    """More about it, for people."""

    @property
    def subject(self) -> str:
        """`freeze valkey`."""
        return f"{self.fault} {self.part}"


@dataclass
class FaultLog:
    """All events of a rig, in order; a part has one open fault at a time, and a second one ends the first."""

    clock: Callable[[], float] = time.monotonic
    events: list[FaultEvent] = field(default_factory=list)
    _open: dict[str, str] = field(default_factory=dict)

    def begin(self, fault: str, part: str, words: str = "") -> None:
        """A fault was caused."""
        self.end(part)
        self._open[part] = fault
        self._note("begun", fault, part, words)

    def end(self, part: str, words: str = "") -> None:
        """A part is whole again; nothing if it was."""
        fault = self._open.pop(part, None)
        if fault is not None:
            self._note("ended", fault, part, words)

    @property
    def open(self) -> dict[str, str]:
        """Part -> fault, of what is broken now."""
        return dict(self._open)

    def _note(self, kind: Literal["begun", "ended"], fault: str, part: str, words: str) -> None:
        self.events.append(FaultEvent(kind, fault, part, utc_now(), self.clock(), words))
