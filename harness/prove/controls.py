"""The healthy service in the same selections as the defects: what is not green there can convict nobody."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

from harness.model import HoldBackKind, Outcome, Ruling, Status
from harness.prove.model import HealthyRuns
from harness.prove.selection import JudgedRun, Selection

_UNCLEAR = frozenset({Status.FAIL, Status.INCONCLUSIVE})
_NO_ALARMS = frozenset({HoldBackKind.NARROWED, HoldBackKind.BUILD_UNKNOWN, HoldBackKind.BUILD_DIRTY})
_OF_ALL = (_UNCLEAR | {Status.NOT_RUN}, _NO_ALARMS)
"""Which statuses are an alarm, and which kinds of holding back are none."""
_OF_A_PART = (_UNCLEAR, _NO_ALARMS | {HoldBackKind.NOTHING_PASSED})


class ControlRuns:
    """How the healthy service fares in each selection; each is tried once, whoever asks first."""

    def __init__(self, run: Callable[[Selection], JudgedRun]) -> None:
        self._run = run
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[tuple[str, str], Status | None] = {}
        self._guard = threading.Lock()

    def status(self, selection: Selection) -> Status | None:
        """How the criterion was ruled there. Raises NoVerdictError where that run came to no verdict."""
        with self._guard:
            lock = self._locks[selection.key]
        with lock:
            if selection.key not in self._known:
                self._known[selection.key] = self._run(selection).status(selection.criterion)
            return self._known[selection.key]


def find_alarms(run: JudgedRun, *, partial: bool, foreign: bool = False) -> tuple[str, ...]:
    """What a run of the healthy service has against it.

    In a `partial` one, a criterion that was not run is no alarm, nor is one where nothing passed. Nor is a build that
    nobody knows: a copy has none. Of a `foreign` service little is known, so a test that had to be skipped is none.
    """
    bad, no_alarms = _OF_A_PART if partial else _OF_ALL
    rulings = [one for one in run.verdict.criteria if one.required and one.status in bad]
    return (
        *(f"{one.id} is {one.status}: {one.reason}" for one in rulings if not (foreign and _was_skipped(one, run))),
        *(one.text for one in run.verdict.held_back if one.kind not in no_alarms),
    )


def _was_skipped(ruling: Ruling, run: JudgedRun) -> bool:
    """Is a skip all that keeps the criterion from passing?"""
    outcomes = {line.outcome for line in run.evidence if line.seq in ruling.evidence}
    return Outcome.SKIP in outcomes and outcomes <= {Outcome.SKIP, Outcome.PASS}


def count_healthy(runs: Sequence[tuple[str, ...]], broken: Sequence[str] = ()) -> HealthyRuns:
    """Count healthy runs by the alarms that each raised."""
    return HealthyRuns(
        runs=len(runs), alarms=tuple("; ".join(alarms) for alarms in runs if alarms), broken=tuple(broken)
    )
