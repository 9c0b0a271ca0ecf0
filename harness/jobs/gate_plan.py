"""Checks everything that a person wrote before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from harness import load, preflight
from harness.config import check_selects, load_policy, load_waivers
from harness.errors import UsageError
from harness.jobs.gate import GatePlan
from harness.machine.bundle import root
from harness.model import Target
from harness.runner.checks import GateCheck
from harness.runner.discovery import Suite, choose, find_suites, own_folders
from harness.runner.phases import SuiteOptions
from harness.stack.selection import TargetSelection


def suites_of(target: Target) -> tuple[Suite, ...]:
    """Every suite that can run against the target."""
    return find_suites(root(), target.name, own_folders(target))


def known_checks(suites: Sequence[Suite]) -> dict[str, frozenset[str]]:
    """Check id -> suites that write it."""
    sources: list[tuple[str, Iterable[str]]] = [(suite.name, suite.checks) for suite in suites]
    sources += [("gate", map(str, GateCheck)), ("preflight", preflight.CHECK_IDS), ("load", load.CHECK_IDS)]
    known: dict[str, frozenset[str]] = {}
    for suite, checks in sources:
        for check in checks:
            known[check] = known.get(check, frozenset()) | {suite}
    return known


def waivers_beside(policy: str) -> Path:
    """The waivers' file of a policy, given by name or path: it lies in the same folder."""
    is_path = "/" in policy or policy.endswith(".toml")
    return (Path(policy).parent if is_path else root() / "policies") / "waivers.toml"


def make_plan(
    selection: TargetSelection,
    *,
    policy: str,
    only: Sequence[str],
    without: Sequence[str],
    options: SuiteOptions,
    out: Path,
) -> GatePlan:
    """Read policy and waivers, check them against the checks that exist, choose the suites.

    Raises `ConfigError` and `UsageError`, both before anything starts.
    """
    preflight.validate_weights(selection.target)
    suites = suites_of(selection.target)
    rules = load_policy(policy, root())
    check_selects(rules, known_checks(suites), target=selection.target.name)
    waivers = load_waivers(waivers_beside(policy), rules)
    both = next((name for name in only if name in without), None)
    if both is not None:
        raise UsageError(f"--only {both} --without {both}: it cannot be run and left out; leave one of them out")
    chosen = choose(suites, only, without)
    narrowed = " ".join(
        f"{option} {','.join(names)}" for option, names in (("--only", only), ("--without", without)) if names
    )
    return GatePlan(
        selection=selection,
        policy=rules,
        waivers=waivers,
        suites=chosen,
        narrowed=narrowed,
        options=replace(options, retries=rules.retries),
        out=out,
    )
