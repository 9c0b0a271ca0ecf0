"""The proof, told on one page: healthy runs, patches and lies side by side, then the wire; results as they come in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StartupError
from harness.keeping import full_disk_named
from harness.model import Listener, Policy, Progress, Status, Target
from harness.prove.attempts import AttemptError, Ground
from harness.prove.controls import Controls, Health, alarms_of, health_of
from harness.prove.keeping import ProofFolder, digest_of, latest_folder, new_folder
from harness.prove.lies import run_lie
from harness.prove.model import Defect, Result
from harness.prove.patches import try_patch, unexpected
from harness.prove.patching import source_of
from harness.prove.proof import Proof
from harness.prove.selection import Seen
from harness.stack.build import fingerprint
from harness.stack.scratch import guarded_folder

Told = Callable[[Result], None]
"""Hears of each result as it comes in."""
CONTROL_PATCH = "control.patch"
"""In the catalogue's folder: a patch that changes nothing that runs, such as a comment. Healthy runs alternate it."""
_GATE_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """All that a proof needs to know, checked before anything starts."""

    target: Target
    overrides: Mapping[str, str]
    policy: Policy
    suites: tuple[str, ...]
    narrowed: str
    defects: tuple[Defect, ...]
    catalogue: Path
    healthy: int
    jobs: int
    full: bool
    resume: bool
    out: Path

    def of_kind(self, kind: str) -> tuple[Defect, ...]:
        """The plan's defects of one kind."""
        return tuple(one for one in self.defects if one.kind == kind)


def run_proof(plan: ProofPlan, listen: Listener, told: Told) -> tuple[ProofFolder, Proof]:
    """Try every defect of the plan.

    Raises StartupError for a service that cannot start without any defect, ConfigError for a patch that does not
    apply, HarnessError where the disk is full.
    """
    folder = latest_folder(plan.out) if plan.resume else new_folder(plan.out)
    ground_digest = fingerprint(plan.target)
    digests = {one.id: digest_of(one, ground_digest) for one in plan.defects}
    kept = folder.kept(digests) if plan.resume else {}
    results = dict(kept)
    for result in kept.values():
        told(result)

    def hear(result: Result) -> None:
        folder.keep(result, digests[result.id])
        results[result.id] = result
        told(result)

    with full_disk_named(plan.out), guarded_folder() as (scratch, environment):
        to_do = tuple(one for one in plan.defects if one.id not in kept)
        health = _without_wire(plan, to_do, folder, scratch, environment, listen, hear)
    ordered = tuple(results[one.id] for one in plan.defects if one.id in results)
    return folder, Proof(health=health, results=ordered)


def _without_wire(
    plan: ProofPlan,
    to_do: tuple[Defect, ...],
    folder: ProofFolder,
    scratch: Path,
    environment: Mapping[str, str],
    listen: Listener,
    hear: Told,
) -> Health:
    lies = [one for one in to_do if one.kind == "gate"]
    patches = [one for one in to_do if one.kind == "patch"]
    with ThreadPoolExecutor(plan.jobs) as pool, _stopped_together(pool) as stop:
        waiting = {pool.submit(run_lie, one, scratch / "lies" / one.id): one for one in lies}
        healthy: list[tuple[str, ...]] = []
        runs: list[Future[Seen]] = []
        if patches or plan.healthy:
            ground = _ground(plan, folder, scratch, environment, stop)
            first = _first_healthy(ground, listen)
            healthy.append(alarms_of(first, plan.narrowed))
            runs = [pool.submit(_healthy, ground, number, plan.catalogue) for number in range(2, plan.healthy + 1)]
            controls = Controls(ground)
            for one in patches:
                waiting[pool.submit(try_patch, one, ground, controls, first, full=plan.full)] = one
        for result in _as_they_end(waiting, listen):
            hear(result)
        return _count(healthy, runs, plan.narrowed)


def _ground(
    plan: ProofPlan, folder: ProofFolder, scratch: Path, environment: Mapping[str, str], stop: threading.Event
) -> Ground:
    return Ground(
        target=plan.target,
        overrides=plan.overrides,
        source=source_of(plan.target),
        policy=plan.policy,
        suites=plan.suites,
        narrowed=plan.narrowed,
        workers=min(os.cpu_count() or 1, 4),
        folder=folder.runs.resolve(),
        scratch=scratch,
        environment=environment,
        seconds=_GATE_SECONDS,
        stop=stop,
    )


def _first_healthy(ground: Ground, listen: Listener) -> Seen:
    """The first healthy run: from it is known which tests look at which criterion."""
    listen(Progress(phase="healthy 1", text="begun"))
    seen = ground.attempt("healthy-1", None, None)
    if seen.status("startup") is Status.FAIL:
        reason = next(one.reason for one in seen.verdict.criteria if one.id == "startup")
        raise StartupError(f"the service does not start without any defect: {reason}; mend that first")
    listen(Progress(phase="healthy 1", text=f"ended: {seen.verdict.verdict}"))
    return seen


def _healthy(ground: Ground, number: int, catalogue: Path) -> Seen:
    patch = catalogue / CONTROL_PATCH
    return ground.attempt(f"healthy-{number}", patch if number % 2 == 0 and patch.is_file() else None, None)


def _count(found: list[tuple[str, ...]], runs: Iterable[Future[Seen]], narrowed: str) -> Health:
    broken: list[str] = []
    for run in runs:
        try:
            found.append(alarms_of(run.result(), narrowed))
        except AttemptError as error:
            broken.append(error.message)
    return health_of(found, broken)


def _as_they_end(waiting: Mapping[Future[Result], Defect], listen: Listener) -> Iterator[Result]:
    """Results in the order in which they come in; what the user must mend ends the proof."""
    left = set(waiting)
    while left:
        listen(Progress(phase="defects", text="running", done=len(waiting) - len(left), total=len(waiting)))
        ended, left = wait(left, return_when=FIRST_COMPLETED)
        for future in ended:
            try:
                yield future.result()
            except AttemptError as error:
                yield unexpected(error, waiting[future])


@contextmanager
def _stopped_together(pool: ThreadPoolExecutor) -> Iterator[threading.Event]:
    """Whatever ends this block early ends every attempt of it, and begins no other."""
    stop = threading.Event()
    try:
        yield stop
    except BaseException:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
