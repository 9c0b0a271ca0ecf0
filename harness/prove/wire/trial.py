"""Tries wire mutants: which tests would see each, and whether one of them notices (Stryker's coverage analysis)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.judge.select import final_attempts
from harness.model import Evidence, Listener, Outcome, PhaseBegan, Status
from harness.prove.controls import Controls, alarms_of
from harness.prove.events import TrafficRecorded
from harness.prove.model import Defect, Fate, Result
from harness.prove.patch.runner import AttemptError
from harness.prove.selection import Ruled, Selection, criterion_of, select_tests, settle_fate
from harness.prove.wire.coverage import takes
from harness.prove.wire.mutant import WireMutant
from harness.prove.wire.operations import Operations
from harness.prove.wire.operators import facet_of
from harness.prove.wire.relevance import is_bound
from harness.prove.wire.suite_runs import UNDISTURBED, WireRuns, read_journal
from harness.prove.wire.traffic import Recorder, Traffic, traffic_of, witnesses

_ASIDE = f"{UNDISTURBED} and beside"
_MAIN = f"{UNDISTURBED} and not beside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """The service behind a proxy that changes nothing: which tests saw what, and how they fared."""

    traffic: Traffic
    evidence: tuple[Evidence, ...]
    against: tuple[str, ...]
    """What the run has against the service; empty where it is as it should be."""
    red: frozenset[str]
    """Tests that fail there already: they would notice anything, and so nothing."""


@dataclass(slots=True, kw_only=True)
class WireProof:
    """Everything about one stack behind one proxy."""

    runs: WireRuns
    operations: tuple[str, ...]
    seed: int
    full: bool
    narrowed: bool
    """Whether suites were left out."""
    foreign: bool
    """Whether somebody else runs the service."""
    controls: Controls = field(init=False)
    healthy: Healthy = field(init=False)

    def __post_init__(self) -> None:
        self.controls = Controls(lambda one: self.runs.run(one.control, tests=one.tests))

    def look(self, wanted: Iterable[Defect], listen: Listener) -> None:
        """Run the healthy service's tests, one after another, and learn which of them see what.

        The tests that wait beside all others are run only if a wanted criterion has no evidence without them.
        """
        parts = [self._look("healthy", _MAIN, listen)]
        expected = {one.expect.criterion for one in wanted}
        rulings = {one.id: one.status for one in parts[0][1].verdict.criteria}
        if any(rulings.get(criterion) is Status.NOT_RUN for criterion in expected):
            parts.append(self._look("healthy-beside", _ASIDE, listen))
        traffic = Traffic()
        for seen, _ in parts:
            traffic = traffic.joined(seen)
        evidence = _numbered(line for _, ruled in parts for line in ruled.evidence)
        self.healthy = Healthy(
            traffic=traffic,
            evidence=evidence,
            red=frozenset(line.test for line in _failures(evidence) if line.test),
            against=tuple(word for _, ruled in parts for word in alarms_of(ruled, partial=True, foreign=self.foreign)),
        )

    def once_more(self, number: int) -> tuple[str, ...]:
        """Another run of the proxy that changes nothing; what it has against the service."""
        return alarms_of(self.runs.run(f"healthy-{number}", marks=_MAIN), partial=True, foreign=self.foreign)

    def try_mutant(self, defect: Defect) -> Result:
        """Make the mistake on the wire, and run the tests that would see it."""
        begun = time.monotonic()
        mutant = WireMutant(defect, self.operations, self.seed)
        ruled: Ruled | None = None
        try:
            fate, reason, ruled = self._try(defect, mutant)
        except AttemptError as error:
            fate, reason = Fate.INCONCLUSIVE, error.message
        before, after = mutant.sample or ("", "")
        return replace(
            defect.came_to(fate, reason=reason, seconds=time.monotonic() - begun),
            failed=ruled.failed if ruled else (),
            checks=ruled.checks if ruled else (),
            applied=mutant.applied,
            before=before,
            after=after,
            operations=self._noticed_at(defect, ruled) if ruled and fate is Fate.KILLED else (),
        )

    def _try(self, defect: Defect, mutant: WireMutant) -> tuple[Fate, str, Ruled | None]:
        exchanges = [one for one in self.healthy.traffic.seen if takes(defect, one)]
        candidates = witnesses(exchanges)
        if not candidates:
            return Fate.NOT_EXERCISED, "no request of the suites passes there", None
        candidates -= self.healthy.red
        if not candidates:
            return Fate.INCONCLUSIVE, "the tests that see it fail on the healthy service too", None
        if not defect.expect.criterion:
            ruled = self.runs.run(defect.id, mutant, tests=candidates, until=() if self.full else ("*",))
            return *self._settle_drawn(defect, mutant, ruled), ruled
        selection = self._selection(defect)
        control = self.controls.status(selection) if selection is not None else None
        first = frozenset(selection.tests) & candidates if selection is not None else frozenset()
        if selection is not None and first and not self.full:
            ruled = self.runs.run(defect.id, mutant, tests=first, until=selection.until)
            fate, reason = self._settle(defect, mutant, ruled, control)
            if fate is Fate.KILLED or candidates == first:
                return fate, reason, ruled
        ruled = self.runs.run(f"{defect.id}-full", mutant, tests=candidates)
        return *self._settle(defect, mutant, ruled, control), ruled

    def _selection(self, defect: Defect) -> Selection | None:
        criterion = criterion_of(self.runs.policy, defect.expect.criterion)
        return select_tests(criterion, defect.expect.check, self.healthy.evidence)

    def _settle(self, defect: Defect, mutant: WireMutant, ruled: Ruled, control: Status | None) -> tuple[Fate, str]:
        if not mutant.applied:
            return _unapplied(mutant)
        return settle_fate(defect.expect, ruled, control, narrowed=self.narrowed)

    def _settle_drawn(self, defect: Defect, mutant: WireMutant, ruled: Ruled) -> tuple[Fate, str]:
        """Killed by any check that speaks of what was changed, and that the healthy service passes."""
        if not mutant.applied:
            return _unapplied(mutant)
        facet, failed = facet_of(defect), _failures(ruled.evidence)
        bound = [one for one in failed if is_bound(facet, one.check)]
        told = next((one for one in bound if self._was_green(one)), None)
        if told is not None:
            return Fate.KILLED, f"{told.check} on {told.subject}"
        if failed:
            one = (bound or failed)[0]
            return Fate.MISATTRIBUTED, f"{one.check} on {one.subject}, which does not speak of it"
        errors = [line for line in ruled.evidence if line.outcome is Outcome.ERROR]
        if errors:
            return Fate.INCONCLUSIVE, f"{errors[0].check}: {errors[0].message}"[:200]
        return Fate.SURVIVED, f"{len({line.test for line in ruled.evidence})} tests saw it, and none failed"

    def _was_green(self, failed: Evidence) -> bool:
        return any(
            one.line.test == failed.test and one.line.check == failed.check and one.outcome is Outcome.PASS
            for one in final_attempts(self.healthy.evidence).outcomes
        )

    def _noticed_at(self, defect: Defect, ruled: Ruled) -> tuple[str, ...]:
        tests = {line.test for line in _failures(ruled.evidence)}
        seen = self.healthy.traffic.seen
        return tuple(sorted({one.operation for one in seen if tests & one.test_ids and takes(defect, one)}))

    def _look(self, name: str, marks: str, listen: Listener) -> tuple[Traffic, Ruled]:
        listen(PhaseBegan(f"wire: {name}"))
        recorder = Recorder(Operations(self.operations))
        journal = self.runs.scratch / f"{name}.json"
        ruled = self.runs.run(name, recorder, marks=marks, journal=journal)
        traffic = traffic_of(recorder, read_journal(journal))
        listen(TrafficRecorded(name, len(recorder.exchanges)))
        return traffic, ruled


def _unapplied(mutant: WireMutant) -> tuple[Fate, str]:
    if mutant.seen:
        return Fate.NOT_APPLIED, f"in {mutant.seen} exchanges there was nothing to change"
    return Fate.NOT_EXERCISED, "no request of these tests passed there"


def _failures(evidence: Iterable[Evidence]) -> list[Evidence]:
    return [one.line for one in final_attempts(evidence).outcomes if one.outcome is Outcome.FAIL]


def _numbered(lines: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Lines of several runs as if they were of one."""
    return tuple(replace(line, seq=number) for number, line in enumerate(lines, start=1))
