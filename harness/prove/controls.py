"""The healthy service in the same selections as the defects: what is not green there can convict nobody."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.model import HoldBackKind, Outcome, Ruling, Status
from harness.prove.selection import Ruled, Selection
from harness.stats import clopper_pearson_lower

_UNCLEAR = (Status.FAIL, Status.INCONCLUSIVE)
_NO_ALARMS = frozenset({HoldBackKind.NARROWED, HoldBackKind.BUILD_UNKNOWN, HoldBackKind.BUILD_DIRTY})


class Controls:
    """How the healthy service fares in each selection; each is tried once, whoever asks first."""

    def __init__(self, run: Callable[[Selection], Ruled]) -> None:
        self._run = run
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[tuple[str, str], Status | None] = {}
        self._guard = threading.Lock()

    def status(self, selection: Selection) -> Status | None:
        """How the criterion was ruled there. Raises AttemptError where that run came to no verdict."""
        with self._guard:
            lock = self._locks[selection.key]
        with lock:
            if selection.key not in self._known:
                self._known[selection.key] = self._run(selection).status(selection.criterion)
            return self._known[selection.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Healthy runs, and what they raised for nothing."""

    runs: int
    alarms: tuple[str, ...]
    """One line for each run that was not GO."""
    broken: tuple[str, ...] = ()
    """One line for each that came to no verdict."""

    @property
    def upper95(self) -> float | None:
        """One-sided 95 % upper bound of the false-alarm rate (Clopper-Pearson); None if there was no run."""
        return 1 - clopper_pearson_lower(self.runs - len(self.alarms), self.runs) if self.runs else None

    def joined(self, other: Health) -> Health:
        """Both together."""
        return Health(
            runs=self.runs + other.runs, alarms=(*self.alarms, *other.alarms), broken=(*self.broken, *other.broken)
        )


def alarms_of(seen: Ruled, *, partial: bool, foreign: bool = False) -> tuple[str, ...]:
    """What a run of the healthy service has against it.

    In a `partial` one, a criterion that was not run is no alarm, nor is one where nothing passed. Nor is a build that
    nobody knows: a copy has none. Of a `foreign` service little is known, so a test that had to be skipped is none.
    """
    bad = _UNCLEAR if partial else (*_UNCLEAR, Status.NOT_RUN)
    against = [
        f"{one.id} is {one.status}: {one.reason}"
        for one in seen.verdict.criteria
        if one.required and one.status in bad and not (foreign and _was_skipped(one, seen))
    ]
    passed_over = _NO_ALARMS | {HoldBackKind.NOTHING_PASSED} if partial else _NO_ALARMS
    against += [one.text for one in seen.verdict.held_back if one.kind not in passed_over]
    return tuple(against)


def _was_skipped(ruling: Ruling, seen: Ruled) -> bool:
    """Is a skip all that keeps the criterion from passing?"""
    outcomes = {line.outcome for line in seen.evidence if line.seq in ruling.evidence}
    return Outcome.SKIP in outcomes and outcomes <= {Outcome.SKIP, Outcome.PASS}


def health_of(runs: Sequence[tuple[str, ...]], broken: Sequence[str] = ()) -> Health:
    """Count healthy runs by what each had against it."""
    return Health(runs=len(runs), alarms=tuple("; ".join(against) for against in runs if against), broken=tuple(broken))
