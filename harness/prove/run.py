"""The proof, told on one page: healthy runs, patches and lies side by side, then the wire; results as they come in."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import StartupError
from harness.model import Listener, PhaseAdvanced, StackAdvanced, Status
from harness.prove.book import Book, ProofPlan, Told
from harness.prove.controls import Controls, Health, alarms_of, health_of
from harness.prove.events import HealthyRunEnded
from harness.prove.gate_lies import run_lie
from harness.prove.model import Defect, Result
from harness.prove.patch.runner import AttemptError, Ground
from harness.prove.patch.source_copy import source_of
from harness.prove.patch.trial import try_patch
from harness.prove.proof import Proof
from harness.prove.report.provenance import begin
from harness.prove.report.write import leave_proof
from harness.prove.results import ProofFolder, latest_folder, new_folder
from harness.prove.selection import Ruled
from harness.prove.wire.campaign import Wire, prove_wire
from harness.runner.artifacts import full_disk_named
from harness.runner.pytest_process import usual_workers
from harness.stack.supervisor.scratch import guarded_folder

_GATE_SECONDS = 900.0


def run_proof(plan: ProofPlan, listen: Listener, told: Told) -> tuple[ProofFolder, Proof]:
    """Try every defect of the plan.

    Raises StartupError for a service that cannot start without any defect, UnreachableError for a URL where none is,
    ConfigError for a patch that does not apply, HarnessError where the disk is full.
    """
    folder = latest_folder(plan.out) if plan.resume else new_folder(plan.out)
    book, begun = Book(plan, folder, told), begin(plan)
    with full_disk_named(plan.out), guarded_folder() as (scratch, environment):
        health = _without_wire(plan, book, scratch, environment, listen)
        wire = prove_wire(plan, book, scratch / "wire", listen) if plan.wire else Wire()
        proof = Proof(
            health=health.joined(wire.health),
            results=book.in_order(),
            guarded=wire.rows,
            draw=wire.draw,
            foreign=bool(plan.url),
        )
        leave_proof(plan, folder, proof, begun)
    return folder, proof


def _without_wire(
    plan: ProofPlan, book: Book, scratch: Path, environment: Mapping[str, str], listen: Listener
) -> Health:
    """Lies and patches, as many at once as there are jobs."""
    with ThreadPoolExecutor(plan.jobs) as pool, _stopped_together(pool) as stop:
        trials = {pool.submit(run_lie, one, scratch / "lies" / one.id): one for one in book.left("gate")}
        patches = book.left("patch")
        if not patches and (plan.wire or not plan.healthy):
            # the wire has healthy runs of its own
            _hear(book, trials, listen)
            return health_of(())
        ground = _ground(plan, book.folder, scratch, environment, stop)
        partial = bool(plan.narrowed)
        begun = pool.submit(_first_healthy, ground, listen, partial=partial)
        _hear(book, trials, listen, until=begun)
        first, controls = begun.result(), Controls(lambda one: ground.attempt(one.control, None, one))
        again = functools.partial(_healthy, ground, plan.control, listen, partial=partial)
        runs: list[Future[Ruled]] = []
        for place, one in enumerate(patches):
            # healthy runs in between: what they raise for nothing, the patches may have been blamed for
            while len(runs) < (plan.healthy - 1) * (place + 1) // (len(patches) + 1):
                runs.append(pool.submit(again, len(runs) + 2))
            trials[pool.submit(try_patch, one, ground, controls, first, full=plan.full)] = one
        while len(runs) < plan.healthy - 1:
            runs.append(pool.submit(again, len(runs) + 2))
        _hear(book, trials, listen)
        return _count([alarms_of(first, partial=partial)], runs, partial=partial)


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
        workers=usual_workers(),
        folder=folder.runs.resolve(),
        scratch=scratch,
        environment=environment,
        seconds=_GATE_SECONDS,
        stop=stop,
    )


def _first_healthy(ground: Ground, listen: Listener, *, partial: bool) -> Ruled:
    """The first healthy run: from it is known which tests look at which criterion."""
    # told as a part of the start: whether the service can be proven at all is not known yet
    listen(StackAdvanced("the healthy service, all its suites"))
    seen = ground.attempt("healthy-1", None, None)
    if seen.status("startup") is Status.FAIL:
        reason = next(one.reason for one in seen.verdict.criteria if one.id == "startup")
        raise StartupError(f"the service does not start without any defect: {reason}; mend that first")
    _tell(1, seen, listen, partial=partial)
    return seen


def _healthy(ground: Ground, control: Path | None, listen: Listener, number: int, *, partial: bool) -> Ruled:
    """Another healthy run; every second one with a patch that changes nothing that runs."""
    seen = ground.attempt(f"healthy-{number}", control if number % 2 == 0 else None, None)
    _tell(number, seen, listen, partial=partial)
    return seen


def _tell(number: int, seen: Ruled, listen: Listener, *, partial: bool) -> None:
    against = alarms_of(seen, partial=partial)
    listen(HealthyRunEnded(number, against[0] if against else None))


def _count(found: list[tuple[str, ...]], runs: Iterable[Future[Ruled]], *, partial: bool) -> Health:
    broken: list[str] = []
    for run in runs:
        try:
            found.append(alarms_of(run.result(), partial=partial))
        except AttemptError as error:
            broken.append(error.message)
    return health_of(found, broken)


def _hear(
    book: Book, trials: dict[Future[Result], Defect], listen: Listener, until: Future[Ruled] | None = None
) -> None:
    """Hear results as they come in: all, or until something else has ended. What the user must mend is raised."""
    total = len(trials)
    while trials and (until is None or not until.done()):
        listen(PhaseAdvanced("defects", total - len(trials), total))
        watched: list[Future[Any]] = [*trials, *([until] if until is not None else [])]
        ended, _ = wait(watched, return_when=FIRST_COMPLETED)
        for future in [one for one in trials if one in ended]:
            del trials[future]
            book.hear(future.result())


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
