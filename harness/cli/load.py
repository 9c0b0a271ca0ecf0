"""`harness load`: load a service at an open arrival rate, and believe the figures only if the generator kept time."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.load_text import print_result
from harness.cli.progress import showing
from harness.cli.terminal import echo_json
from harness.errors import SafetyError, UsageError
from harness.load import PROFILES, GeneratorError, LoadPlan, LoadResult, Request, Stage, parse_duration, profile_stages
from harness.load.observations import failed_observations, observations
from harness.load.plan import validate
from harness.load.run import run_load
from harness.load.scenario import plan_for, scenario
from harness.machine.bundle import root
from harness.machine.lock import MachineLock
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import MOST_RATE, Listener, Progress, StackInfo
from harness.probes.surface import find_surface
from harness.pytest_plugin.session import teach
from harness.run import Run, create_run, seal, stack_facts
from harness.runner.artifacts import keep_logs
from harness.stack import Stack, allowed
from harness.stack.build import commit_of
from harness.stack.selection import TargetSelection, bring_up, select_target


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the command line asks for, checked."""

    profile: str
    stages: tuple[Stage, ...]
    paths: tuple[str, ...]
    seed: int
    workers: int
    active: bool


@click.command(cls=Command, epilog="Example: harness load --profile steady --rate 100 --duration 30s --path /api/deals")
@options.target_selection
@click.option(
    "--profile", type=click.Choice(PROFILES), default="steady", show_default=True, help="How the rate goes over time."
)
@click.option("--rate", type=float, default=None, metavar="N", help="Requests a second (default: the target's).")
@click.option("--duration", default=None, metavar="30s", help="How long (default: the load profile's).")
@click.option("--path", "paths", multiple=True, metavar="/x", help="GET this instead of the scenario (repeatable).")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Locust processes.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=None, help="Repeat the arrivals of an earlier run.")
@options.out
@options.share
@options.active
@options.json
@options.debug
def command(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    profile: str,
    rate: float | None,
    duration: str | None,
    paths: tuple[str, ...],
    workers: int,
    seed: int | None,
    out: Path | None,
    active: bool,
    as_json: bool,
    debug: bool,  # noqa: ARG001 - read by `main`
) -> int:
    """Load a service at an open arrival rate; latency counts from the moment a request was due.

    Exit status: 0 measured, 2 usage or not allowed, 3 the generator is not to be believed, 4 the stack failed.
    """
    selection = select_target(target=target, backend=backend, url=url, name=name, overrides=options.overrides(env))
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise UsageError(f"--rate {rate:g}: requests a second were expected, above 0 and at most {MOST_RATE:,}")
    wish = _Wish(
        profile=profile,
        stages=profile_stages(
            profile, selection.target.load.rate, rate=rate, seconds=parse_duration(duration) if duration else None
        ),
        paths=paths,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        workers=workers,
        active=active,
    )
    _check_before_start(selection, wish)
    with showing() as listen:
        run, result = _measure(selection, wish, out or Path("reports"), listen)
    if as_json:
        document = {"run": run.id} | msgspec.to_builtins(result.document())
        echo_json(json.dumps(document, indent=1))
    else:
        print_result(result, run.path)
    return 3 if result.inconclusive else 0


def _check_before_start(selection: TargetSelection, wish: _Wish) -> None:
    """What can be known to be wrong without a running service is said before one starts."""
    if selection.url:
        foreign = StackInfo(name="", backend="attach", target=selection.target.name, url=selection.url, owned=False)
        _check_allowed(selection, wish, foreign)
    validate(
        _plan(selection, wish, selection.url or "http://127.0.0.1:1", scenario(selection.target, paths=wish.paths))
    )


def _check_allowed(selection: TargetSelection, wish: _Wish, info: StackInfo) -> None:
    refusal = allowed("load", info, selection.target, wish.active)
    if refusal:
        raise SafetyError(refusal)


def _plan(
    selection: TargetSelection, wish: _Wish, url: str, requests: tuple[Request, ...], ca_file: str = ""
) -> LoadPlan:
    return plan_for(
        selection.target,
        url,
        stages=wish.stages,
        requests=requests,
        seed=wish.seed,
        stop_at_knee=wish.profile == "capacity",
        workers=wish.workers,
        ca_file=ca_file,
    )


def _measure(selection: TargetSelection, wish: _Wish, out: Path, listen: Listener) -> tuple[Run, LoadResult]:
    """Bring the target up, load it, and leave a sealed run behind, however it ends."""
    redact = Redactor()
    learn_target(redact, selection.target, selection.overrides)
    with _stack(selection, listen) as stack:
        _check_allowed(selection, wish, stack.info)
        teach(redact, stack.info)
        plan = _plan(selection, wish, stack.info.url, _requests(selection, wish, stack.info), stack.info.ca_file)
        run = _open_run(selection, wish, stack.info, out, redact)
        with _sealed_at_the_end(run):
            try:
                result = _load(run, plan, stack, listen)
            finally:
                keep_logs(run.path, stack.info, redact)
    return run, result


@contextmanager
def _stack(selection: TargetSelection, listen: Listener) -> Iterator[Stack]:
    with MachineLock().shared():
        stack = bring_up(selection, listen)
    with stack:
        yield stack


def _requests(selection: TargetSelection, wish: _Wish, info: StackInfo) -> tuple[Request, ...]:
    """The scenario; what the service shows is asked for only where nobody said what to load."""
    target = selection.target
    named = wish.paths or target.load.paths or target.cache.paths or target.open_pages
    found = () if named else find_surface(target, info.url, info.ca_file).paths
    return scenario(target, paths=wish.paths, found=found)


def _open_run(selection: TargetSelection, wish: _Wish, info: StackInfo, out: Path, redact: Redactor) -> Run:
    run = create_run(
        out,
        kind="load",
        target=selection.target,
        policy=None,
        commit=commit_of(root()).id or None,
        documents={"profile": selection.target},
        redact=redact,
    )
    with run.editing() as document:
        document["stack"] = stack_facts(info)
        document["build"] = info.build
        document["seeds"] = {"load": wish.seed}
    return run


@contextmanager
def _sealed_at_the_end(run: Run) -> Iterator[None]:
    """Close and seal the run. A generator that failed is a finished run with an error in it."""
    finished = False
    try:
        yield
        finished = True
    except GeneratorError as error:
        run.record(failed_observations(error))
        finished = True
        raise
    finally:
        run.close("finished" if finished else "interrupted")
        seal(run.path)


def _load(run: Run, plan: LoadPlan, stack: Stack, listen: Listener) -> LoadResult:
    """Run the plan with the machine to itself."""
    listen(Progress(phase="load", text="waiting for the machine"))
    with MachineLock().exclusive():
        result = run_load(plan, folder=run.path, listen=listen, on_start=stack.own_process)
    run.record(observations(result))
    return result
