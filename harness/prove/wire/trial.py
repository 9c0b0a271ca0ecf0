"""Tries wire mutants: which tests would see each, and whether one of them notices (Stryker's coverage analysis)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from harness.model import Evidence, Listener, MutantStatus, Outcome, PhaseBegan, Status
from harness.prove.controls import ControlRuns, find_alarms
from harness.prove.events import TrafficRecorded
from harness.prove.model import Defect, NoVerdictError, Result
from harness.prove.selection import JudgedRun, Selection, criterion_of, decide_status, final_lines, select_tests
from harness.prove.suite_runs import SuiteRuns
from harness.prove.wire.coverage import takes
from harness.prove.wire.facets import ObservedExchange, SampledExchange, observe, speaks_of
from harness.prove.wire.mutant import WireMutant
from harness.prove.wire.operations import Operations
from harness.prove.wire.operators import facet_of
from harness.proxy import Handler, ProxiedAnswer, ProxiedRequest, Proxy, Send, pass_on
from harness.pytest_plugin.timeline import SuiteJournal, Timeline, read_journal

UNDISTURBED = "not rig and not breaks and not (alone and attacks and writes)"
"""Tests that speak to the stack that we stand before: others have one of their own, would break this one, or leave
nothing in it as it was."""
_ASIDE = f"{UNDISTURBED} and beside"
_MAIN = f"{UNDISTURBED} and not beside"
_MOST_SAMPLES = 2000


class TrafficRecorder:
    """A proxy's handler that changes nothing and remembers what it saw."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.exchanges: list[tuple[float, ObservedExchange]] = []
        """When each began, by the machine's monotonic clock, and what it showed."""
        self.samples: dict[tuple[str, str, int, str], SampledExchange] = {}

    async def __call__(self, request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        """Pass it on."""
        begun = time.monotonic()
        answer = await send(request)
        seen = observe(request, answer, self._operations)
        self.exchanges.append((begun, seen))
        if seen.kind not in self.samples and len(self.samples) < _MOST_SAMPLES:
            self.samples[seen.kind] = SampledExchange(operation=seen.operation, request=request, answer=answer)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTraffic:
    """Exchanges that look alike, once, with the tests that saw one of them."""

    seen: tuple[ObservedExchange, ...] = ()
    samples: tuple[SampledExchange, ...] = ()
    unowned: int = field(default=0)
    """Exchanges while no test ran: pytest's own look at the service."""

    def joined(self, other: WireTraffic) -> WireTraffic:
        """Both together."""
        return WireTraffic(
            seen=_merged((*self.seen, *other.seen)),
            samples=(*self.samples, *other.samples),
            unowned=self.unowned + other.unowned,
        )


def traffic_of(recorder: TrafficRecorder, journal: SuiteJournal) -> WireTraffic:
    """Give each exchange to the test that ran when it began, and to all that use the fixture that was being set up."""
    timeline = Timeline(journal)
    found: list[ObservedExchange] = []
    unowned = 0
    for begun, seen in tuple(recorder.exchanges):
        owners = timeline.owners(begun, begun)
        unowned += not owners
        found.append(replace(seen, test_ids=owners))
    return WireTraffic(seen=_merged(found), samples=tuple(recorder.samples.values()), unowned=unowned)


def witnesses(seen: Iterable[ObservedExchange]) -> frozenset[str]:
    """Tests behind any of these exchanges."""
    return frozenset(test for one in seen for test in one.test_ids)


def _merged(found: Iterable[ObservedExchange]) -> tuple[ObservedExchange, ...]:
    by_look: dict[ObservedExchange, set[str]] = {}
    for one in found:
        by_look.setdefault(replace(one, test_ids=frozenset()), set()).update(one.test_ids)
    return tuple(replace(look, test_ids=frozenset(tests)) for look, tests in by_look.items())


@dataclass(frozen=True, slots=True)
class WireRuns:
    """Runs of the suites against the service behind our proxy."""

    suites: SuiteRuns
    proxy: Proxy

    def run(
        self,
        name: str,
        handler: Handler = pass_on,
        *,
        tests: Collection[str] | None = None,
        until: Sequence[str] = (),
        marks: str = UNDISTURBED,
        journal: Path | None = None,
    ) -> JudgedRun:
        """Run tests while the proxy does that. Raises as `SuiteRuns.run` does."""
        self.proxy.handler = handler
        try:
            return self.suites.run(name, tests=tests, until=until, marks=marks, journal=journal)
        finally:
            self.proxy.handler = pass_on


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBaseline:
    """The service behind a proxy that changes nothing: which tests saw what, and how they fared."""

    traffic: WireTraffic
    evidence: tuple[Evidence, ...]
    alarms: tuple[str, ...]
    """What the run has against the service; empty where it is as it should be."""

    @property
    def failed_tests(self) -> frozenset[str]:
        """Tests that fail there already: they would notice anything, and so nothing."""
        return frozenset(line.test for line in final_lines(self.evidence, Outcome.FAIL) if line.test)

    def passed(self, failed: Evidence) -> bool:
        """Did this check of this test pass there?"""
        return any(
            (line.test, line.check) == (failed.test, failed.check) for line in final_lines(self.evidence, Outcome.PASS)
        )


def run_baseline(
    runs: WireRuns, operations: Iterable[str], wanted: Iterable[Defect], listen: Listener, *, foreign: bool
) -> WireBaseline:
    """Run the healthy service's tests, one after another, and learn which of them see what.

    The tests that wait beside all others are run only if a wanted criterion has no evidence without them.
    """
    parts = [_observed(runs, operations, "healthy", _MAIN, listen)]
    main = parts[0][1]
    if any(main.status(one.expect.criterion) is Status.NOT_RUN for one in wanted):
        parts.append(_observed(runs, operations, "healthy-beside", _ASIDE, listen))
    traffic = WireTraffic()
    for seen, _ in parts:
        traffic = traffic.joined(seen)
    return WireBaseline(
        traffic=traffic,
        evidence=_numbered(line for _, run in parts for line in run.evidence),
        alarms=tuple(alarm for _, run in parts for alarm in find_alarms(run, partial=True, foreign=foreign)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTrials:
    """Tries one mutant after another on one stack behind one proxy."""

    runs: WireRuns
    baseline: WireBaseline
    controls: ControlRuns
    operations: tuple[str, ...]
    seed: int
    full: bool
    narrowed: bool
    """Whether suites were left out."""
    foreign: bool
    """Whether somebody else runs the service."""

    def run_healthy(self, number: int) -> tuple[str, ...]:
        """Another run of the proxy that changes nothing; what it has against the service."""
        return find_alarms(self.runs.run(f"healthy-{number}", marks=_MAIN), partial=True, foreign=self.foreign)

    def try_mutant(self, defect: Defect) -> Result:
        """Make the mistake on the wire, and run the tests that would see it."""
        if defect.equivalent:
            return defect.came_to(MutantStatus.SURVIVED, reason="not tried")
        begun = time.monotonic()
        mutant = WireMutant(defect, self.operations, self.seed)
        run: JudgedRun | None = None
        try:
            status, reason, run = self._try(defect, mutant)
        except NoVerdictError as error:
            status, reason = MutantStatus.INCONCLUSIVE, error.message
        before, after = mutant.sample or ("", "")
        return msgspec.structs.replace(
            defect.came_to(status, reason=reason, seconds=time.monotonic() - begun),
            failed=run.failed if run else (),
            checks=run.checks if run else (),
            applied=mutant.applied,
            before=before,
            after=after,
            operations=self._noticed_at(defect, run) if run and status is MutantStatus.KILLED else (),
        )

    def _try(self, defect: Defect, mutant: WireMutant) -> tuple[MutantStatus, str, JudgedRun | None]:
        seeing = witnesses(one for one in self.baseline.traffic.seen if takes(defect, one))
        if not seeing:
            return MutantStatus.NOT_EXERCISED, "no request of the suites passes there", None
        tests = seeing - self.baseline.failed_tests
        if not tests:
            return MutantStatus.INCONCLUSIVE, "the tests that see it fail on the healthy service too", None
        if not defect.expect.criterion:
            run = self.runs.run(defect.id, mutant, tests=tests, until=() if self.full else ("*",))
            return *self._by_any_check(defect, mutant, run), run
        return self._by_criterion(defect, mutant, tests)

    def _by_criterion(
        self, defect: Defect, mutant: WireMutant, tests: frozenset[str]
    ) -> tuple[MutantStatus, str, JudgedRun]:
        """First only the tests that can notice it as expected; whatever else comes out, all that see it."""
        selection = self._selection(defect)
        control = self.controls.status(selection) if selection is not None else None
        first = frozenset(selection.tests) & tests if selection is not None else frozenset()
        if selection is not None and first and not self.full:
            run = self.runs.run(defect.id, mutant, tests=first, until=selection.until)
            status, reason = self._decide(defect, mutant, run, control)
            if status is MutantStatus.KILLED or tests == first:
                return status, reason, run
        run = self.runs.run(f"{defect.id}-full", mutant, tests=tests)
        return *self._decide(defect, mutant, run, control), run

    def _selection(self, defect: Defect) -> Selection | None:
        criterion = criterion_of(self.runs.suites.policy, defect.expect.criterion)
        return select_tests(criterion, defect.expect.check, self.baseline.evidence)

    def _decide(
        self, defect: Defect, mutant: WireMutant, run: JudgedRun, control: Status | None
    ) -> tuple[MutantStatus, str]:
        if not mutant.applied:
            return _unapplied(mutant)
        return decide_status(defect.expect, run, control, narrowed=self.narrowed)

    def _by_any_check(self, defect: Defect, mutant: WireMutant, run: JudgedRun) -> tuple[MutantStatus, str]:
        """Killed by any check that speaks of what was changed, and that the healthy service passes."""
        if not mutant.applied:
            return _unapplied(mutant)
        facet, failures = facet_of(defect), run.failures
        speaking = [line for line in failures if speaks_of(line.check, facet)]
        killer = next(filter(self.baseline.passed, speaking), None)
        if killer is not None:
            return MutantStatus.KILLED, f"{killer.check} on {killer.subject}"
        if failures:
            blamed = (*speaking, *failures)[0]
            return MutantStatus.MISATTRIBUTED, f"{blamed.check} on {blamed.subject}, which does not speak of it"
        if run.error:
            return MutantStatus.INCONCLUSIVE, run.error
        return MutantStatus.SURVIVED, f"{len({line.test for line in run.evidence})} tests saw it, and none failed"

    def _noticed_at(self, defect: Defect, run: JudgedRun) -> tuple[str, ...]:
        tests = {line.test for line in run.failures}
        seen = self.baseline.traffic.seen
        return tuple(sorted({one.operation for one in seen if tests & one.test_ids and takes(defect, one)}))


def _observed(
    runs: WireRuns, operations: Iterable[str], name: str, marks: str, listen: Listener
) -> tuple[WireTraffic, JudgedRun]:
    listen(PhaseBegan(f"wire: {name}"))
    recorder = TrafficRecorder(Operations(operations))
    journal = runs.suites.scratch / f"{name}.json"
    run = runs.run(name, recorder, marks=marks, journal=journal)
    traffic = traffic_of(recorder, read_journal(journal))
    listen(TrafficRecorded(name, len(recorder.exchanges)))
    return traffic, run


def _unapplied(mutant: WireMutant) -> tuple[MutantStatus, str]:
    if mutant.seen:
        return MutantStatus.NOT_APPLIED, f"in {mutant.seen} exchanges there was nothing to change"
    return MutantStatus.NOT_EXERCISED, "no request of these tests passed there"


def _numbered(lines: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Lines of several runs as if they were of one."""
    return tuple(replace(line, seq=number) for number, line in enumerate(lines, start=1))
