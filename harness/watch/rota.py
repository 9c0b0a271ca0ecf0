"""Which path is asked next, and when: paced, one question for a path at a time, and a suspect oftener than others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

MOST_PER_SECOND = 20.0
_CONFIRMING = 40
"""Further questions after a bad answer: whether it was one, or a share of them, is known within seconds."""
_MOST_PAUSE_S = 60.0
_RESTED = 50
"""Answers without a refusal, after which the pace rises again."""
_LONGEST_GAP_S = 1.0
_USUAL_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of one question. `refused`: told to come later, or never sent; that says nothing of the service."""

    path: str
    at: float
    outcome: Literal["good", "bad", "refused"]
    ms: float = 0.0
    why: str = ""
    curl: str = ""
    wait_s: float = 0.0
    """For how long a refusal asks to wait."""
    confirms: bool = False
    """Asked since another answer was bad: it counts for its path, and not for all together."""
    answered: bool = False
    """A whole answer came, whatever it said."""


@dataclass(slots=True)
class Rota:
    """The turns. `every_s` for each path; `least_gap_s` between two questions, as a limiter allows."""

    every_s: float
    least_gap_s: float = 1 / MOST_PER_SECOND
    _turns: deque[str] = field(default_factory=deque)
    _asked: set[str] = field(default_factory=set)
    _suspects: dict[str, int] = field(default_factory=dict)
    _next_at: float = 0.0
    _slower: float = 1.0
    _answers: int = 0
    _usual_s: float = 0.0
    """How long a good answer takes, about."""
    _is_extra: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """What is asked."""
        return tuple(sorted(self._turns))

    def set_paths(self, paths: Iterable[str]) -> None:
        """From now on ask for these."""
        self._turns = deque(dict.fromkeys(paths))
        self._suspects = {path: left for path, left in self._suspects.items() if path in self._turns}

    @property
    def gap_s(self) -> float:
        """Seconds between two questions: never so few that a slow service has more than one of them to answer."""
        usual = self.every_s / max(1, len(self._turns)) / (2 if self._suspects else 1)
        gap = max(usual, self.least_gap_s, min(self._usual_s, _LONGEST_GAP_S))
        return min(gap * self._slower, _MOST_PAUSE_S)

    def wait_s(self, now: float) -> float:
        """Seconds until the next question is due."""
        return max(0.0, self._next_at - now)

    def due(self, now: float) -> tuple[str, bool] | None:
        """The path whose turn it is, and whether it is asked beyond its turn; None while nothing is due."""
        if now < self._next_at:
            return None
        found = self._pick()
        if found is not None:
            self._asked.add(found[0])
            self._next_at = now + self.gap_s
        return found

    def done(self, probe: Probe) -> None:
        """An answer came, or none in time."""
        self._asked.discard(probe.path)
        if probe.outcome == "refused":
            self._slower = min(self._slower * 2, _MOST_PAUSE_S / self.least_gap_s)
            self._next_at = max(self._next_at, probe.at + min(probe.wait_s or _USUAL_WAIT_S, _MOST_PAUSE_S))
            self._answers = 0
            return
        self._answers += 1
        if self._answers % _RESTED == 0:
            self._slower = max(1.0, self._slower * 0.8)
        if probe.outcome == "bad":
            self._suspects[probe.path] = _CONFIRMING
        else:
            self._usual_s += 0.1 * (probe.ms / 1000 - self._usual_s)

    def _pick(self) -> tuple[str, bool] | None:
        self._is_extra = not self._is_extra
        if self._is_extra:
            for path in self._suspects:
                if path not in self._asked:
                    self._suspects[path] -= 1
                    if not self._suspects[path]:
                        del self._suspects[path]
                    return path, True
        for _ in range(len(self._turns)):
            path = self._turns[0]
            self._turns.rotate(-1)
            if path not in self._asked:
                return path, False
        return None
