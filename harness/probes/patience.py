"""How long a service of somebody else is waited for, that was waited for in vain before.

One that hangs or drips would cost its whole time-out at each of hundreds of requests. So all processes that ask one
service keep one account of the time that it let them wait. The first two waits are paid in full; from then on what was
never answered is given a share of what is left, and what was answered before far more. Each answer adds a little. Where
nothing is left, the service is not asked on: all waits together are bounded, whatever it answers when.

Answers that come whole but late have an account of their own, of what they took beyond a tenth of the usual time. Where
that is used up, what was late is not asked on, and nothing new where two thirds were late: a check that wanted to ask
is an error then, and no fault of the service.
Services of ours have no account: a test may make them hang on purpose.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

MOST_IN_VAIN = 2
"""Waits that are paid in full."""

_LEAST_USUAL_S = 10.0
_VAIN, _OVERDRAFT, _LATE = 1.6, 1.0, 2.5
"""The accounts, as parts of the usual time: all waits, what more those for an answer may take that came before, and
late answers."""
_EARNED = 0.005
"""The same, for each answer."""
_SHARE, _SHARE_OF_ANSWERED = 1 / 8, 1 / 2
_LATE_FROM = 0.1
_LEAST_S, _MOST_OF_HANGING_S = 0.05, 0.25
_MOST_PATHS = 1000

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Account:
    """What all processes took: a file as long as that is."""

    file: Path

    def taken(self) -> int:
        try:
            return self.file.stat().st_size
        except OSError:
            return 0

    def take(self, amount: int) -> None:
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.write(descriptor, b"." * amount)
        finally:
            os.close(descriptor)


@dataclass(slots=True)
class _Seen:
    waits: _Account
    """Those in vain."""
    vain: _Account
    """Hundredths of a second, as in `late`."""
    late: _Account
    answers: int = 0
    hangs: dict[str, int] = field(default_factory=dict)
    """Methods with their paths (`GET /x`) -> waits in vain since its last answer."""
    late_at: set[str] = field(default_factory=set)
    """Those whose last answer came late."""
    late_answers: int = 0
    silent: bool = False

    def seems_late(self, asked: str) -> bool:
        """Will the answer come late, by what came before?"""
        return asked in self.late_at if asked in self.hangs else 3 * self.late_answers > 2 * self.answers

    def patience(self, asked: str, usual_s: float) -> float:
        """Seconds to wait, once the first waits were in vain."""
        whole = max(usual_s, _LEAST_USUAL_S)
        left = whole * (_VAIN + _EARNED * self.answers) - self.vain.taken() / 100
        match self.hangs.get(asked):
            case 0:
                share = (left + _OVERDRAFT * whole) * _SHARE_OF_ANSWERED
            case None | 1:
                share = left * _SHARE
            case _:
                share = min(left * _SHARE, _MOST_OF_HANGING_S)
        return min(usual_s, share)


_seen: dict[Place, _Seen] = {}


def count_waits(place: Place, state_dir: str) -> None:
    """Count from now on what is waited for there, with all processes that name the same folder."""
    folder = Path(state_dir)
    waits, vain, late = (_Account(folder / name) for name in ("waits-in-vain", "waited-in-vain", "waited-for-late"))
    _seen.setdefault(place, _Seen(waits, vain, late))


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait for a whole answer, of `seconds` at most."""

    seconds: float
    refusal: str = ""
    """Why the service is not to be asked."""
    is_spared: bool = False
    """It would answer, only late: that it is not asked is our choice, and says nothing of it."""
    _seen: _Seen | None = None
    _asked: str = ""
    _usual_s: float = 0.0
    _is_paid: bool = False

    def in_vain(self, took_s: float) -> None:
        """No whole answer came in time."""
        if (seen := self._seen) is None:
            return
        seen.silent = True
        if self._asked in seen.hangs or len(seen.hangs) < _MOST_PATHS:
            seen.hangs[self._asked] = seen.hangs.get(self._asked, 0) + 1
        seen.waits.take(1)
        if self._is_paid:
            seen.vain.take(round(100 * took_s))

    def broke_off(self, took_s: float) -> None:
        """What came was no answer, or more than is read: after a while it was a wait in vain, too."""
        if took_s > self._late_from():
            self.in_vain(took_s)

    def was_answered(self, took_s: float) -> None:
        """A whole answer came."""
        if (seen := self._seen) is None:
            return
        seen.silent = False
        seen.answers += 1
        if self._asked in seen.hangs or len(seen.hangs) < _MOST_PATHS:
            seen.hangs[self._asked] = 0
        seen.late_at.discard(self._asked)
        if (late_s := took_s - self._late_from()) > 0:
            seen.late_at.add(self._asked)
            seen.late_answers += 1
            seen.late.take(round(100 * late_s))

    def _late_from(self) -> float:
        return _LATE_FROM * max(self._usual_s, _LEAST_USUAL_S)


def wait_for(place: Place | None, asked: str, usual_s: float) -> Wait:
    """A wait that begins now, for the answer to a request such as `GET /x`."""
    if place is None or (seen := _seen.get(place)) is None:
        return Wait(usual_s)
    late_s, most_s = seen.late.taken() / 100, _LATE * max(usual_s, _LEAST_USUAL_S)
    if late_s > most_s and seen.seems_late(asked):
        what = f"the service is not asked on: its answers took {late_s:.0f} s in all beyond a tenth of the time allowed"
        return Wait(0.0, f"{what} ([service] timeout_s)", is_spared=True)
    is_paid = seen.waits.taken() >= MOST_IN_VAIN
    seconds = seen.patience(asked, usual_s) if is_paid else usual_s
    if seconds < min(_LEAST_S, usual_s):
        return Wait(0.0, "the service is not asked on: it was waited for in vain for too long")
    return Wait(round(seconds, 2), _seen=seen, _asked=asked, _usual_s=usual_s, _is_paid=is_paid)


def is_silent(place: Place) -> bool:
    """Was the service, when it was last asked, waited for in vain?"""
    return place in _seen and _seen[place].silent
