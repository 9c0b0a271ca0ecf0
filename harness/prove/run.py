"""Runs a proof: healthy runs, patches and lies side by side, then the wire; results as they come in."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from harness.errors import StartupError
from harness.model import Listener, PhaseAdvanced, StackAdvanced, Status
from harness.prove.controls import ControlRuns, count_healthy, find_alarms
from harness.prove.events import HealthyRunEnded
from harness.prove.gate_lies import run_lie
from harness.prove.gate_lies.process import stopped_together
from harness.prove.model import NO_RUNS, HealthyRuns, NoVerdictError, OnResult, ProofPlan, Result
from harness.prove.patch.runner import TrialConfig, run_trial, try_patch
from harness.prove.proof import Draw, Proof
from harness.prove.report.provenance import begin
from harness.prove.report.write import write_proof
from harness.prove.results import ProofFolder, ProofResults, latest_folder, new_folder
from harness.prove.selection import JudgedRun
from harness.prove.wire.campaign import WireResults, prove_wire
from harness.runner.artifacts import full_disk_named
from harness.runner.pytest_process import usual_workers
from harness.stack.source_copy import source_of
from harness.stack.supervisor.scratch import guarded_folder

_GATE_SECONDS = 900.0


def run_proof(plan: ProofPlan, listen: Listener, on_result: OnResult) -> tuple[ProofFolder, Proof]:
    """Try every defect of the plan.

    Raises StartupError for a service that cannot start without any defect, UnreachableError for a URL where none is,
    ConfigError for a patch that does not apply, HarnessError where the disk is full.
    """
    folder = latest_folder(plan.out) if plan.resume else new_folder(plan.out)
    results, begun = ProofResults(plan, folder, on_result), begin(plan)
    with full_disk_named(plan.out), guarded_folder() as (scratch, environment):
        healthy = _without_wire(plan, results, scratch, environment, listen)
        wire = prove_wire(plan, results, scratch / "wire", listen) if plan.wire else WireResults()
        source = _sources(plan, folder, scratch / "source", listen, on_result) if plan.source else None
        proof = Proof(
            healthy=healthy.joined(wire.healthy),
            results=results.in_order(),
            guarded=wire.coverage,
            draw=wire.draw,
            source=source,
            foreign=bool(plan.url),
        )
        write_proof(plan, folder, proof, begun)
    return folder, proof


def _sources(plan: ProofPlan, folder: ProofFolder, scratch: Path, listen: Listener, on_result: OnResult) -> Draw:
    from harness.prove.source.campaign import prove_sources

    return prove_sources(plan, folder, scratch, listen, on_result)


def _without_wire(
    plan: ProofPlan, results: ProofResults, scratch: Path, environment: Mapping[str, str], listen: Listener
) -> HealthyRuns:
    """Lies and patches, as many at once as there are jobs."""
    stop = threading.Event()
    with ThreadPoolExecutor(plan.jobs) as pool, stopped_together(pool, stop):
        trials = {pool.submit(run_lie, one, scratch / "lies" / one.id) for one in results.pending("gate")}
        patches = results.pending("patch")
        if not patches and (plan.wire or not plan.healthy):
            # the wire has healthy runs of its own
            _collect(results, trials, listen)
            return NO_RUNS
        config = _config(plan, results.folder, scratch, environment, stop)
        first_run = pool.submit(_first_healthy, config, listen)
        _collect(results, trials, listen, until=first_run)
        first, controls = first_run.result(), ControlRuns(lambda one: run_trial(config, one.control, None, one))
        healthy: list[Future[JudgedRun]] = []
        for place, patch in enumerate([*patches, None], start=1):
            # healthy runs in between: what they raise for nothing, the patches may have been blamed for
            while len(healthy) < (plan.healthy - 1) * place // (len(patches) + 1):
                healthy.append(pool.submit(_another_healthy, config, plan.control, listen, len(healthy) + 2))
            if patch is not None:
                trials.add(pool.submit(try_patch, patch, config, controls, first, full=plan.full))
        _collect(results, trials, listen)
        return _count([_alarms(first, config)], healthy, config)


def _config(
    plan: ProofPlan, folder: ProofFolder, scratch: Path, environment: Mapping[str, str], stop: threading.Event
) -> TrialConfig:
    return TrialConfig(
        target=plan.target,
        overrides=plan.overrides,
        source=source_of(plan.target),
        policy=plan.policy,
        suites=plan.suites,
        narrowed=plan.narrowed,
        workers=usual_workers(),
        folder=folder.runs.resolve(),
        scratch=scratch,
        environment=environment,
        seconds=_GATE_SECONDS,
        stop=stop,
    )


def _first_healthy(config: TrialConfig, listen: Listener) -> JudgedRun:
    """The first healthy run: from it is known which tests look at which criterion."""
    # shown as a part of the start: whether the service can be proven at all is not known yet
    listen(StackAdvanced("the healthy service, all its suites"))
    run = run_trial(config, "healthy-1", None, None)
    startup = run.ruling("startup")
    if startup is not None and startup.status is Status.FAIL:
        raise StartupError(f"the service does not start without any defect: {startup.reason}; mend that first")
    _show_healthy(1, _alarms(run, config), listen)
    return run


def _another_healthy(config: TrialConfig, control: Path | None, listen: Listener, number: int) -> JudgedRun:
    """Another healthy run; every second one with a patch that changes nothing that runs."""
    run = run_trial(config, f"healthy-{number}", control if number % 2 == 0 else None, None)
    _show_healthy(number, _alarms(run, config), listen)
    return run


def _alarms(run: JudgedRun, config: TrialConfig) -> tuple[str, ...]:
    return find_alarms(run, partial=bool(config.narrowed))


def _show_healthy(number: int, alarms: Sequence[str], listen: Listener) -> None:
    listen(HealthyRunEnded(number, alarms[0] if alarms else None))


def _count(alarms: list[tuple[str, ...]], runs: Iterable[Future[JudgedRun]], config: TrialConfig) -> HealthyRuns:
    broken: list[str] = []
    for run in runs:
        try:
            alarms.append(_alarms(run.result(), config))
        except NoVerdictError as error:
            broken.append(error.message)
    return count_healthy(alarms, broken)


def _collect(
    results: ProofResults, trials: set[Future[Result]], listen: Listener, until: Future[JudgedRun] | None = None
) -> None:
    """Add results as they come in: all, or until something else has ended. What the user must mend is raised."""
    total = len(trials)
    while trials and (until is None or not until.done()):
        listen(PhaseAdvanced("defects", total - len(trials), total))
        watched: list[Future[Any]] = [*trials, *([until] if until is not None else [])]
        ended, _ = wait(watched, return_when=FIRST_COMPLETED)
        for future in trials & ended:
            trials.remove(future)
            results.add(future.result())
