"""A scene in which the gate is lied to, how the gate ended, and whether it ended as the defect says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.model import Decision, MutantStatus, Status
from harness.prove.model import Expectation

_RULED = frozenset({0, 1, 2, 3})
"""Exits by which a gate says something; all others say that it failed itself."""
_OPEN = frozenset({Status.FAIL, Status.INCONCLUSIVE, Status.NOT_RUN})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRuling:
    """One criterion of a printed verdict."""

    id: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedVerdict:
    """`verdict.json` as a gate prints it, as far as a lie's ending is read from it."""

    verdict: Decision
    criteria: tuple[PrintedRuling, ...] = ()
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came out of a gate: exit status, first line of its error, its verdict if it printed one."""

    exit: int | None
    """None for one that did not end in time and was killed."""
    error: str = ""
    verdict: PrintedVerdict | None = None

    @property
    def is_go(self) -> bool:
        """Did it let the release pass, by its exit or by its verdict?"""
        return self.exit == 0 or (self.verdict is not None and self.verdict.verdict is Decision.GO)

    @property
    def is_crash(self) -> bool:
        """Did it end without having ruled: killed, failed itself, or red without a verdict or a word?"""
        return self.exit not in _RULED or (self.verdict is None and not self.error)

    @property
    def failed(self) -> tuple[str, ...]:
        """Criteria that failed."""
        return tuple(one.id for one in self._criteria if one.status is Status.FAIL)

    @property
    def words(self) -> str:
        """All that kept it from GO, in one line."""
        if self.exit is None:
            return "the gate did not end in time"
        said = [f"exit {self.exit}"]
        said += [f"verdict {self.verdict.verdict}"] if self.verdict is not None else []
        said += [self.error] if self.error else []
        said += [f"{one.id} {one.status}: {one.reason}" for one in self._criteria if one.status in _OPEN]
        return " · ".join([*said, *self._held_back])

    def says(self, words: str) -> bool:
        """Are the words in the error line, or in a reason that holds the whole run back?"""
        return any(words in text for text in (self.error, *self._held_back))

    def rules(self, criterion: str, status: str, words: str) -> bool:
        """Was the criterion ruled so, with the words in its reason?"""
        return any(one.id == criterion and one.status == status and words in one.reason for one in self._criteria)

    @property
    def _criteria(self) -> tuple[PrintedRuling, ...]:
        return self.verdict.criteria if self.verdict is not None else ()

    @property
    def _held_back(self) -> tuple[str, ...]:
        return self.verdict.held_back if self.verdict is not None else ()


Scene = Callable[[Path], Ending]
"""Builds everything in a fresh scratch folder, runs the gate or the judge there, and tells how it ended."""


@dataclass(frozen=True, slots=True)
class Lie:
    """A scene in which the gate is lied to, and the same scene told honestly, which must end GO."""

    told: Scene
    honest: Scene


def status_of(expect: Expectation, ending: Ending) -> MutantStatus:
    """What became of the lie: killed only if the gate ended exactly as expected, and never if it said GO."""
    if ending.is_go:
        return MutantStatus.SURVIVED
    if ending.exit is not None and _as_expected(expect, ending):
        return MutantStatus.KILLED
    return MutantStatus.INCONCLUSIVE if ending.is_crash else MutantStatus.MISATTRIBUTED


def _as_expected(expect: Expectation, ending: Ending) -> bool:
    if expect.exit is None and not expect.criterion:
        return False
    if expect.exit is not None and ending.exit != expect.exit:
        return False
    if expect.criterion:
        return ending.rules(expect.criterion, expect.status, expect.says)
    return ending.says(expect.says)
