"""The proof on the sources: one healthy run tells which tests run which lines, then the draw, several at once."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from harness.errors import StackError, UsageError
from harness.jobs.gate_plan import suites_of
from harness.machine.extras import lacking
from harness.model import Evidence, Listener, MutantStatus, PhaseBegan
from harness.prove.events import MutantBegan
from harness.prove.gate_lies.process import stopped_together
from harness.prove.model import OnResult, ProofPlan, Result
from harness.prove.proof import Draw
from harness.prove.results import ProofFolder
from harness.prove.source.drawing import SourceMutant, draw_sources, read_sources
from harness.prove.source.line_tests import read_line_tests
from harness.prove.source.stack import SourceStack, start_source
from harness.prove.source.trial import SourceBaseline, SourceTrials, passed_checks
from harness.prove.suite_runs import SuiteRuns
from harness.pytest_plugin.timeline import SuiteJournal, read_journal
from harness.stack.source_copy import source_of

UNBROKEN = "(not breaks or rig) and not alone"
"""Tests that leave the stack's own processes alone: what breaks something breaks its own. What wants the machine for
itself waits for the other jobs, and measures time, which a traced service takes much more of.
"""
_PARTS = {"healthy": f"{UNBROKEN} and not beside", "healthy-beside": f"{UNBROKEN} and beside"}
_HEALTHY_S, _MUTANT_S = 1800.0, 240.0
_TESTS_S = 30.0
"""Tests of a mutant that took longer together on the healthy service are not tried, but with `--full`."""
PATCHES = "source"
"""The folder of a proof with each mutant as a patch, and the tests that can see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Campaign:
    plan: ProofPlan
    runs: Path
    patches: Path
    scratch: Path
    listen: Listener
    stop: threading.Event = field(default_factory=threading.Event)

    def suite_runs(self, stack: SourceStack, scratch: Path, seconds: float) -> SuiteRuns:
        """Runs of the plan's suites against that stack."""
        return SuiteRuns(
            target=stack.target,
            stack=stack.stack,
            policy=self.plan.policy,
            suites=tuple(one for one in suites_of(self.plan.target) if one.name in self.plan.suites),
            folder=self.runs,
            scratch=scratch,
            active=self.plan.active,
            seconds=seconds,
            stop=self.stop,
        )


def prove_sources(plan: ProofPlan, folder: ProofFolder, scratch: Path, listen: Listener, on_result: OnResult) -> Draw:
    """Draw mutants of the service's sources, and try each on the tests that run its lines.

    Raises UsageError where the packages are missing, ConfigError for a service whose lines nobody tells, StackError
    and StartupError where a stack cannot be had.
    """
    for package in ("libcst", "sqlglot"):
        missing = lacking(package, "prove")
        if missing is not None:
            raise UsageError(missing)
    campaign = _Campaign(
        plan=plan, runs=folder.runs / "source", patches=_new(folder.path / PATCHES), scratch=scratch, listen=listen
    )
    baseline = _look(campaign)
    names = baseline.lines.files if plan.changed is None else baseline.lines.files & plan.changed
    sources = read_sources(Path(plan.target.service.cwd), baseline.lines.files)
    mutants = draw_sources(plan.seed, plan.draw, {name: sources[name] for name in names & sources.keys()})
    service = source_of(plan.target).folder.as_posix()
    for one in mutants:
        (campaign.patches / f"{one.defect.id}.patch").write_text(one.edit.diff(service), encoding="utf-8")
    results = _try_all(campaign, baseline, sources, mutants, on_result)
    return Draw(seed=plan.seed, results=results, mutants=tuple(one.defect for one in mutants))


def _look(campaign: _Campaign) -> SourceBaseline:
    """All tests on the healthy service, one after another, while its lines are told."""
    scratch = _new(campaign.scratch / "healthy")
    lines = _new(scratch / "lines")
    evidence: list[Evidence] = []
    journals: list[SuiteJournal] = []
    plan = campaign.plan
    with start_source(plan.target, plan.overrides, scratch, campaign.listen, lines=lines) as stack:
        runs = campaign.suite_runs(stack, scratch, _HEALTHY_S)
        for name, marks in _PARTS.items():
            campaign.listen(PhaseBegan(f"source: {name}"))
            journal = scratch / f"{name}.json"
            evidence += runs.run(name, marks=marks, journal=journal).evidence
            journals.append(read_journal(journal))
    service = plan.target.service
    told = read_line_tests(lines, journals, besides=(*service.prepare_cached, *service.prepare))
    return SourceBaseline(lines=told, passed=passed_checks(evidence))


def _try_all(
    campaign: _Campaign,
    baseline: SourceBaseline,
    sources: Mapping[str, str],
    mutants: Sequence[SourceMutant],
    on_result: OnResult,
) -> tuple[Result, ...]:
    """As many at once as there are jobs, each on a stack of its own; the results in the draw's order."""
    found: dict[str, Result] = {}
    waiting, lock = iter(enumerate(mutants)), threading.Lock()

    def take() -> Iterator[SourceMutant]:
        while not campaign.stop.is_set():
            with lock:
                number, mutant = next(waiting, (0, None))
            if mutant is None:
                return
            campaign.listen(MutantBegan("source", mutant.defect.id, number, len(mutants)))
            yield mutant

    def keep(result: Result) -> None:
        with lock:
            found[result.id] = result
            on_result(result)

    jobs = min(campaign.plan.jobs, len(mutants))
    with ThreadPoolExecutor(max(1, jobs)) as pool, stopped_together(pool, campaign.stop):
        workers: list[Future[None]] = []
        for number in range(jobs):
            place = campaign.scratch / str(number)
            workers.append(pool.submit(_work, campaign, baseline, sources, place, take(), keep))
        for worker in workers:
            worker.result()
    return tuple(found[one.defect.id] for one in mutants if one.defect.id in found)


def _work(
    campaign: _Campaign,
    baseline: SourceBaseline,
    sources: Mapping[str, str],
    place: Path,
    mutants: Iterator[SourceMutant],
    keep: OnResult,
) -> None:
    """Try mutants on one stack; on another one where a mutant took it down."""
    for number in count(1):
        scratch = _new(place / str(number))
        with start_source(campaign.plan.target, campaign.plan.overrides, scratch, campaign.listen) as stack:
            trials = SourceTrials(
                stack=stack,
                runs=campaign.suite_runs(stack, scratch, _MUTANT_S),
                baseline=baseline,
                sources=sources,
                patches=campaign.patches,
                most_s=math.inf if campaign.plan.full else _TESTS_S,
            )
            if not _try_here(trials, mutants, keep):
                return


def _try_here(trials: SourceTrials, mutants: Iterator[SourceMutant], keep: OnResult) -> bool:
    """Whether mutants may be left, since the stack failed."""
    for mutant in mutants:
        try:
            keep(trials.try_mutant(mutant))
        except StackError as error:
            keep(mutant.defect.came_to(MutantStatus.INCONCLUSIVE, reason=error.message))
            return True
    return False


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
