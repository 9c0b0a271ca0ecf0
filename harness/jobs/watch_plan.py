"""Checks all that a watch was told before it asks anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.config import load_policy, load_waivers
from harness.errors import ConfigError, UsageError
from harness.jobs.gate_plan import check_policy, suites_of, waivers_beside
from harness.jobs.watch import WatchPlan
from harness.load import parse_duration
from harness.machine.bundle import root
from harness.model import Invocation, Policy, WatchRules
from harness.run import find_run
from harness.stack.named import find_stack
from harness.stack.selection import TargetSelection, find_target, select_target
from harness.watch.delivery import Way, mail, webhook

_LEAST_S, _MOST_S = 0.05, 3600.0
_OFTENEST_S, _OF_SHORT = 0.25, 240
"""A watch asks each path so often at least, but not more often than this unless somebody says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """A watch as somebody asked for it."""

    target: str | None
    url: str | None
    name: str | None
    policy: str
    lasts: str | None
    every: str | None
    baseline: Path | None
    capacity_rps: float | None
    webhook: str | None
    mail_to: tuple[str, ...]
    state: Path | None
    metrics_file: Path | None
    out: Path
    rolls_back: bool
    """An alert that pages ends the watch, for a rollback."""


def make_watch_plan(request: WatchRequest) -> WatchPlan:
    """Raises `UsageError`, before anything is asked."""
    if request.capacity_rps is not None and not request.capacity_rps > 0:
        raise UsageError(f"--capacity {request.capacity_rps:g}: requests a second were expected, above 0")
    policy, rules = load_rules(request.policy)
    seconds = parse_duration(request.lasts) if request.lasts else None
    rules = replace(rules, every_s=_every_s(request, rules, seconds))
    selection = _selection(request)
    if request.rolls_back and not selection.name:
        raise UsageError("--rollback: only a stack that `harness up` started can be rolled back; give its --name")
    check_policy(policy, selection.target, suites_of(selection.target))
    info = find_stack(selection.name) if selection.name else None
    if request.metrics_file is not None and not request.metrics_file.parent.is_dir():
        raise UsageError(f"--metrics {request.metrics_file}: there is no folder {request.metrics_file.parent}")
    url, ca_file = (info.url, info.ca_file) if info is not None else (selection.url, "")
    lasts = ("--for", request.lasts) if request.lasts else ()
    return WatchPlan(
        target=selection.target,
        url=url,
        stack=selection.name,
        ca_file=ca_file,
        policy=policy,
        rules=rules,
        waivers=load_waivers(waivers_beside(request.policy), policy),
        seconds=seconds,
        baseline=find_run(str(request.baseline), request.out) if request.baseline is not None else None,
        capacity_rps=request.capacity_rps,
        ways=_ways(request, rules),
        state=request.state,
        metrics_file=request.metrics_file,
        out=request.out,
        ends_on_page=request.rolls_back,
        invocation=Invocation(
            command=("harness", "watch", *selection.words, "--policy", request.policy, *lasts),
            selection=selection.words,
        ),
    )


def _every_s(request: WatchRequest, rules: WatchRules, seconds: float | None) -> float:
    """As somebody said; a short watch asks oftener than a long one, else it would have seen too little to rule."""
    if request.every is not None:
        every_s = parse_duration(request.every)
        if not _LEAST_S <= every_s <= _MOST_S:
            raise UsageError(f"--every {request.every}: from {_LEAST_S:g} s to {_MOST_S:g} s were expected")
        return every_s
    return min(rules.every_s, max(_OFTENEST_S, seconds / _OF_SHORT)) if seconds is not None else rules.every_s


def load_rules(policy: str) -> tuple[Policy, WatchRules]:
    """A policy and its `[watch]`. Raises `ConfigError` for one without."""
    found = load_policy(policy, root())
    if found.watch is None:
        what = f"policy {policy!r} has no table [watch]: it does not say what is watched; policy 'watch' has one"
        raise ConfigError(what)
    return found, found.watch


def _selection(request: WatchRequest) -> TargetSelection:
    if request.url is not None and request.name is not None:
        raise UsageError(f"--name {request.name}: --url names another service; leave one of them out")
    if request.url is None and request.name is None:
        if request.target is None or not find_target(request.target).service.url:
            raise UsageError("nothing to watch: give --url URL, or --name NAME of a stack that `harness up` started")
        return select_target(target=request.target, backend=None, url=None)
    return select_target(target=request.target, backend="attach", url=request.url, name=request.name or "")


def _ways(request: WatchRequest, rules: WatchRules) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    if request.webhook is not None:
        parts = urlsplit(request.webhook)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            # not shown: it may hold a key
            raise UsageError("--webhook: http://HOST/PATH or https://HOST/PATH was expected, without an account in it")
        ways["webhook"] = webhook(request.webhook)
    if request.mail_to and rules.mail is None:
        raise UsageError(
            f"--mail {request.mail_to[0]}: the policy has no [watch.mail] with host and sender to send it by"
        )
    if rules.mail is not None:
        ways["mail"] = mail(replace(rules.mail, to=request.mail_to or rules.mail.to))
    return ways
