"""The proof on the wire: the healthy service, each mutant, the draw, and what all of them say of the suites.

All of it on one stack, whose clients speak to it through a proxy of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import ConfigError
from harness.jobs.gate_plan import suites_of
from harness.model import Listener, StackInfo, Target
from harness.probes.openapi import OpenApi
from harness.probes.surface import find_description
from harness.prove.controls import ControlRuns, count_healthy
from harness.prove.events import MutantBegan
from harness.prove.model import (
    NO_RUNS,
    Defect,
    Expectation,
    FacetCoverage,
    HealthyRuns,
    NoVerdictError,
    ProofPlan,
    Result,
)
from harness.prove.proof import Draw
from harness.prove.results import ProofResults
from harness.prove.suite_runs import SuiteRuns
from harness.prove.wire.coverage import cover_facets, promised
from harness.prove.wire.sampling import draw
from harness.prove.wire.trial import WireRuns, WireTrials, run_baseline
from harness.proxy import Proxy, running_proxy
from harness.stack import Stack, attach_url, launch
from harness.stack.ports import HOST, free_port
from harness.stack.supervisor.registry import OWNER, RECIPE, make_private, write_info

_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResults:
    """What the wire showed; nothing where it was not tried."""

    healthy: HealthyRuns = NO_RUNS
    coverage: tuple[FacetCoverage, ...] = ()
    draw: Draw | None = None


def prove_wire(plan: ProofPlan, results: ProofResults, scratch: Path, listen: Listener) -> WireResults:
    """Try the wire mutants that are left, and the draw, on one stack that stays up.

    Raises StackError and UsageError where that stack cannot be had.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with _proxied(plan, listen) as stack:
        promises = promised(stack.description) if stack.description else {}
        trials = _begin(plan, stack, tuple(promises), results, scratch, listen)
        healthy = _healthy(plan, trials)
        pending = tuple(_fitting(one, plan) for one in results.pending("wire"))
        for result in _tried(trials, "wire", pending, listen):
            results.add(result)
        traffic = trials.baseline.traffic
        mutants = draw(plan.seed, plan.draw, traffic.samples)
        drawn = tuple(_tried(trials, "draw", mutants, listen))
    known = (_fitting(one, plan) for one in plan.defects if one.kind == "wire")
    return WireResults(
        healthy=healthy,
        coverage=cover_facets(promises, traffic.seen, (*results.in_order("wire"), *drawn), (*known, *mutants)),
        draw=Draw(seed=plan.seed, results=drawn, mutants=mutants) if mutants else None,
    )


def _proxied(plan: ProofPlan, listen: Listener) -> AbstractContextManager[ProxiedStack]:
    if plan.url:
        return attach_proxied(plan.target, plan.url)
    return start_proxied(plan.target, plan.overrides, listen)


def _begin(
    plan: ProofPlan,
    stack: ProxiedStack,
    operations: tuple[str, ...],
    results: ProofResults,
    scratch: Path,
    listen: Listener,
) -> WireTrials:
    suites = SuiteRuns(
        target=stack.target,
        stack=stack.stack,
        policy=plan.policy,
        suites=tuple(one for one in suites_of(plan.target) if one.name in plan.suites),
        folder=results.folder.runs / "wire",
        scratch=scratch,
        active=plan.active,
        seconds=_SECONDS,
    )
    runs = WireRuns(suites, stack.proxy)
    foreign = bool(plan.url)
    return WireTrials(
        runs=runs,
        baseline=run_baseline(runs, operations, results.pending("wire"), listen, foreign=foreign),
        controls=ControlRuns(lambda one: runs.run(one.control, tests=one.tests)),
        operations=operations,
        seed=plan.seed,
        full=plan.full,
        narrowed=bool(plan.narrowed),
        foreign=foreign,
    )


def _healthy(plan: ProofPlan, trials: WireTrials) -> HealthyRuns:
    """The baseline, and as many runs more as the plan demands."""
    runs, broken = [trials.baseline.alarms], []
    for number in range(2, plan.healthy + 1):
        try:
            runs.append(trials.run_healthy(number))
        except NoVerdictError as error:
            broken.append(error.message)
    return count_healthy(runs, broken)


def _tried(trials: WireTrials, phase: str, mutants: Sequence[Defect], listen: Listener) -> Iterator[Result]:
    for number, mutant in enumerate(mutants):
        listen(MutantBegan(phase, mutant.id, number, len(mutants)))
        yield trials.try_mutant(mutant)


def _fitting(defect: Defect, plan: ProofPlan) -> Defect:
    """The defect as this target can be asked: of a service of somebody else, and where there is no such criterion, any
    check that speaks of what was changed will do.
    """
    criterion = next((one for one in plan.policy.criteria if one.id == defect.expect.criterion), None)
    if not plan.url and criterion is not None and criterion.target in (None, plan.target.name):
        return defect
    return replace(defect, expect=Expectation())


@dataclass(frozen=True, slots=True)
class FrontedStack:
    """A stack under another address, as far as suites are run against it."""

    behind: Stack
    info: StackInfo
    """The facts of the one behind, with the address in front."""

    def own_process(self, pid: int) -> None:
        """As the stack behind."""
        self.behind.own_process(pid)

    def own_folder(self, path: Path) -> None:
        """As the stack behind."""
        self.behind.own_folder(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedStack:
    """A running stack, the proxy before it, and what the service says of itself."""

    target: Target
    stack: FrontedStack
    proxy: Proxy
    description: OpenApi | None


@contextmanager
def start_proxied(target: Target, overrides: Mapping[str, str], listen: Listener) -> Iterator[ProxiedStack]:
    """Start the target behind a proxy; its own `{url}` is the proxy's. Raises as `launch` does."""
    port = free_port()
    with running_proxy([f"http://{HOST}:{port}"]) as proxy:
        spoken = _spoken_of_as(target, proxy.url)
        with launch(spoken, overrides=overrides, port=port, listen=listen) as stack:
            yield _behind(spoken, stack, proxy, "")


@contextmanager
def attach_proxied(target: Target, url: str) -> Iterator[ProxiedStack]:
    """Put a proxy before a service that somebody else runs. Raises as `attach_url` does."""
    with attach_url(target, url) as stack:
        parts = urlsplit(stack.info.url)
        with running_proxy([f"{parts.scheme}://{parts.netloc}"]) as proxy:
            yield _behind(target, stack, proxy, parts.path)


def _behind(target: Target, stack: Stack, proxy: Proxy, path: str) -> ProxiedStack:
    info = stack.info
    state = Path(info.state_dir) / "wire"
    make_private(state)
    for part in ("logs", "tmp"):
        make_private(state / part)
    # how to start another copy, and which supervisor answers for the stack: the proxied one is the same
    for name in (RECIPE, OWNER):
        kept = Path(info.state_dir) / name
        if kept.is_file():
            (state / name).write_bytes(kept.read_bytes())
    fronted = replace(info, url=f"{proxy.url}{path}", behind=info.url, state_dir=str(state))
    write_info(fronted)
    return ProxiedStack(
        target=target,
        stack=FrontedStack(stack, fronted),
        proxy=proxy,
        description=find_description(target, info.url),
    )


def _spoken_of_as(target: Target, url: str) -> Target:
    """The target with the address that its clients know, wherever its settings say its own."""
    env = {name: value.replace("{url}", url) for name, value in target.service.env.items()}
    if any("{url}" in word for word in target.service.command):
        what = "service.command holds {url}, which cannot be another than the port's own before a proxy; use a setting"
        raise ConfigError(what, path=target.source)
    return replace(target, service=replace(target.service, env=env))
