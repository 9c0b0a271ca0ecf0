"""Checks everything that a person wrote before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from harness import load, preflight
from harness.config import check_selects, load_policy, load_waivers, policy_of
from harness.errors import UsageError
from harness.jobs.gate import GatePlan
from harness.machine.bundle import root
from harness.model import Invocation, Measurement, Policy, Target
from harness.profile_draft import target_at
from harness.runner.checks import GateCheck
from harness.runner.discovery import Suite, choose, find_suites, own_folders, suites_for
from harness.runner.phases import SuiteOptions
from harness.stack.selection import TargetSelection
from harness.watch import observations as watch_observations


def suites_of(target: Target) -> tuple[Suite, ...]:
    """Every suite that can run against the target."""
    return find_suites(root(), target.name, own_folders(target))


def known_checks(suites: Sequence[Suite]) -> dict[str, frozenset[str]]:
    """Check id -> suites that write it."""
    sources: list[tuple[str, Iterable[str]]] = [(suite.name, suite.checks) for suite in suites]
    sources += [("gate", map(str, GateCheck)), ("preflight", preflight.CHECK_IDS), ("load", load.CHECK_IDS)]
    sources.append((watch_observations.SUITE, watch_observations.CHECK_IDS))
    known: dict[str, frozenset[str]] = {}
    for suite, checks in sources:
        for check in checks:
            known[check] = known.get(check, frozenset()) | {suite}
    return known


def measurements(suites: Sequence[Suite]) -> frozenset[Measurement]:
    """Every number that some check says it measures."""
    score = Measurement(preflight.SCORE_CHECK, "score", "of 100")
    return frozenset({score}).union(
        load.MEASUREMENTS, watch_observations.MEASUREMENTS, *(suite.measurements for suite in suites)
    )


def check_policy(policy: Policy, target: Target, suites: Sequence[Suite]) -> None:
    """Refuse a policy that names what these suites do not have. Raises `ConfigError`."""
    check_selects(policy, known_checks(suites), target=target.name, measured=measurements(suites))


def waivers_beside(policy: str) -> Path:
    """The waivers' file of a policy, given by name or path: it lies in the same folder."""
    return (Path(policy).parent if _is_path(policy) else root() / "policies") / "waivers.toml"


def make_plan(
    selection: TargetSelection,
    *,
    policy: str | None,
    only: Sequence[str],
    without: Sequence[str],
    options: SuiteOptions,
    out: Path,
) -> GatePlan:
    """Read policy and waivers, check them against the checks that exist, choose the suites.

    Raises `ConfigError` and `UsageError`, both before anything starts.
    """
    if selection.url and not selection.target.source:
        selection = replace(selection, target=target_at(selection.url))
    preflight.validate_weights(selection.target)
    suites = suites_of(selection.target)
    chosen_policy = policy_of(selection.target, policy)
    rules = load_policy(chosen_policy, root())
    check_policy(rules, selection.target, suites)
    waivers = load_waivers(waivers_beside(chosen_policy), rules)
    _check_choice(only, without)
    chosen = choose(suites_for(rules, suites, (*only, *without)), only, without)
    left_out = [(option, ",".join(names)) for option, names in (("--only", only), ("--without", without)) if names]
    selecting = (*selection.words, *options.words)
    return GatePlan(
        selection=selection,
        policy=rules,
        waivers=waivers,
        suites=chosen,
        narrowed=" ".join(f"{option} {names}" for option, names in left_out),
        options=replace(options, retries=rules.retries),
        out=out,
        invocation=Invocation(
            command=(
                *("harness", "gate", *selecting, *selection.start_words),
                *("--policy", _from_anywhere(chosen_policy)),
                *(word for pair in left_out for word in pair),
            ),
            selection=selecting,
        ),
    )


def _check_choice(only: Sequence[str], without: Sequence[str]) -> None:
    for name in only:
        if name in without:
            raise UsageError(f"--only {name} --without {name}: it cannot be run and left out; leave one of them out")


def _from_anywhere(policy: str) -> str:
    """A policy's name as it is, its path in full."""
    return str(Path(policy).resolve()) if _is_path(policy) else policy


def _is_path(policy: str) -> bool:
    return "/" in policy or policy.endswith(".toml")
