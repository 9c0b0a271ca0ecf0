"""Load alone: up, load, what was measured, down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import SafetyError
from harness.jobs.session import RunSession, run_session
from harness.load import GeneratorError, LoadPlan, LoadResult, Request, Stage, check_generator, run_load
from harness.load.observations import failed_observations, observations
from harness.load.plan import validate
from harness.load.scenario import plan_for, scenario
from harness.machine.lock import MachineLock
from harness.model import STACK_UP, Listener, MachineAsked, StackInfo
from harness.probes.surface import find_surface
from harness.runner.artifacts import full_disk_named
from harness.runner.progress import machine_shared
from harness.stack import Permissions, Stack
from harness.stack.ground import doubted
from harness.stack.selection import TargetSelection, bring_up


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """What load is asked for."""

    profile: str
    stages: tuple[Stage, ...]
    paths: tuple[str, ...]
    """GET these instead of the target's scenario."""
    seed: int
    workers: int
    active: bool


def measure_load(selection: TargetSelection, spec: LoadSpec, out: Path, listen: Listener) -> tuple[Path, LoadResult]:
    """Load the target; returns the run's folder, and what was measured.

    Raises `UsageError` and `SafetyError` before anything starts where they can be known, `StackError` where the stack
    does not come up, and `GeneratorError` where Locust failed: its run says so.
    """
    _check_before_start(selection, spec)
    with full_disk_named(out):
        with machine_shared(STACK_UP, listen):
            stack = bring_up(selection, listen)
        with stack:
            _refuse(Permissions.on(stack.info, selection.target, active=spec.active), stack.info.service_url)
            requests = _requests(selection, spec, stack.info)
            plan = _plan(selection, spec, stack.info.url, requests, stack.info.ca_file)
            with (
                run_session(
                    "load", selection.target, out, seeds={"load": spec.seed}, overrides=selection.overrides
                ) as session,
                session.on_stack(stack.info),
            ):
                result = _load(session, plan, stack, listen)
    if isinstance(result, GeneratorError):
        raise result
    return session.path, result


def _check_before_start(selection: TargetSelection, spec: LoadSpec) -> None:
    """What can be known to be wrong without a running service is said before one starts."""
    check_generator()
    if selection.url:
        target = selection.target
        _refuse(
            Permissions(owned=False, allowed=target.allow.hosts, active=spec.active, profile=target.source),
            selection.url,
        )
    validate(
        _plan(selection, spec, selection.url or "http://127.0.0.1:1", scenario(selection.target, paths=spec.paths))
    )


def _refuse(permissions: Permissions, url: str) -> None:
    refusal = permissions.refusal("load", url)
    if refusal is not None:
        raise SafetyError(str(refusal))


def _plan(
    selection: TargetSelection, spec: LoadSpec, url: str, requests: tuple[Request, ...], ca_file: str = ""
) -> LoadPlan:
    return plan_for(
        selection.target,
        url,
        stages=spec.stages,
        requests=requests,
        seed=spec.seed,
        stop_at_knee=spec.profile == "capacity",
        workers=spec.workers,
        ca_file=ca_file,
    )


def _requests(selection: TargetSelection, spec: LoadSpec, info: StackInfo) -> tuple[Request, ...]:
    """The scenario; what the service shows is asked for only where nobody said what to load."""
    target = selection.target
    named = spec.paths or target.load.paths or target.cache.paths or target.pages.open
    if named:
        return scenario(target, paths=spec.paths, found=())
    surface = find_surface(target, info.url, info.ca_file)
    found = tuple(path for path in surface.paths if path not in surface.streams)
    return scenario(target, paths=spec.paths, found=found)


def _load(session: RunSession, plan: LoadPlan, stack: Stack, listen: Listener) -> LoadResult | GeneratorError:
    """Run the plan with the machine to itself. A generator that failed is a finished run with an error in it."""
    listen(MachineAsked("load"))
    try:
        with MachineLock().exclusive():
            result = run_load(plan, folder=session.path, listen=listen, on_start=stack.own_process)
    except GeneratorError as error:
        session.run.record(failed_observations(error))
        return error
    session.run.record(doubted(observations(result), stack.info))
    return result
