"""Rolling a running stack back, and trying that on a stack of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.config import load_target
from harness.errors import UsageError
from harness.jobs.session import run_session
from harness.machine.bundle import root
from harness.machine.lock import MachineLock
from harness.model import (
    STACK_UP,
    TABLE_5_8,
    Listener,
    MachineAsked,
    Release,
    RollbackLevel,
    Slo,
    StackInfo,
    Target,
    WatchRules,
)
from harness.rollback import (
    RATE,
    Asked,
    DrillResult,
    RollbackPlan,
    RollbackResult,
    check_stack,
    drill_observations,
    fetch_code,
    give_up,
    make_plan,
    named_release,
    resume,
    roll_back,
    roll_on,
    run_drill,
    why_no_drill,
)
from harness.runner.progress import machine_shared
from harness.stack import find_stack, launch
from harness.stack.build import commit_of
from harness.stack.named import target_of
from harness.stack.selection import find_target
from harness.watch.core import Watcher
from harness.watch.rota import Probe

DRILL_INSTANCES = 2
_OF_DRILLS = WatchRules(
    scale=1 / TABLE_5_8[0].short_s, slo=(Slo(name="availability", objective=0.99),), burn=TABLE_5_8[:1]
)
"""What pages first, with time so scaled that the short window is a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOrder:
    """Which stack, and where it goes."""

    name: str
    level: RollbackLevel
    to: str | None
    stop_at: RollbackLevel
    """The last level that may follow where one is not verified."""
    rate: float
    backup: Path | None = None
    """What level full restores, instead of the newest that was kept."""


def _stack_and_profile(name: str) -> tuple[StackInfo, Target]:
    """A stack that runs, and its profile as its file has it now. Raises UsageError where there is none."""
    info = find_stack(name)
    if info is None:
        raise UsageError(f"no stack {name!r} runs; start it: harness up --name {name} --instances 2")
    check_stack(info)
    kept = target_of(name)
    return info, load_target(kept.source, root()) if kept.source else kept


def plan_rollback(order: RollbackOrder) -> RollbackPlan:
    """What a rollback would do. Raises UsageError for what cannot be; nothing is touched either way."""
    info, profile = _stack_and_profile(order.name)
    return make_plan(profile, info, order.level, order.to, 0, order.backup)


def order_rollback(order: RollbackOrder, listen: Listener) -> tuple[RollbackResult, ...]:
    """Roll that stack back; what each level came to. Raises as `roll_back`."""
    info, profile = _stack_and_profile(order.name)
    return roll_back(
        profile,
        info,
        order.level,
        order.to,
        listen,
        stop_at=order.stop_at,
        rate=order.rate,
        backup=order.backup,
    )


def resume_rollback(name: str, rate: float, listen: Listener) -> tuple[RollbackResult, ...]:
    """Finish the rollback that was broken off."""
    info, profile = _stack_and_profile(name)
    return (resume(profile, info, listen, rate),)


def abandon_rollback(name: str, listen: Listener) -> RollbackPlan:
    """Go back from the rollback that was broken off."""
    info, _ = _stack_and_profile(name)
    return give_up(info, listen)


def drill_rollback(
    target: str | None, level: RollbackLevel, rate: float, out: Path, listen: Listener
) -> tuple[Path, DrillResult]:
    """Plant a bad release on a stack of its own, roll back from it, and end the stack; returns the run's folder."""
    profile = find_target(target)
    missing = why_no_drill(profile, level)
    if missing is not None:
        raise UsageError(f"no drill of level {level}: {missing}; add it")
    with machine_shared(STACK_UP, listen):
        stack = launch(profile, instances=DRILL_INSTANCES, front="plain", listen=listen)
    with stack, run_session("rollback", profile, out) as session, session.on_stack(stack.info):
        listen(MachineAsked("the drill"))
        with MachineLock().exclusive():
            result = alarmed_drill(profile, stack.info, level, listen, rate)
        session.run.record(drill_observations(result))
    return session.path, result


def alarmed_drill(
    profile: Target, info: StackInfo, level: RollbackLevel, listen: Listener, rate: float = RATE
) -> DrillResult:
    """A drill that a watch listens to. Raises as `run_drill`."""
    return run_drill(profile, info, level, listen, WatchAlarm(), rate)


@dataclass(slots=True)
class WatchAlarm:
    """The watch's rules over what the readers of a drill were told. Here nobody may be refused either."""

    _watcher: Watcher = field(
        default_factory=lambda: Watcher(rules=_OF_DRILLS, figures={}, name_alert=lambda: secrets.token_hex(6))
    )

    def hear(self, asked: Sequence[Asked], now: float) -> tuple[str, ...]:
        """What is wrong by now."""
        self._watcher.set_paths((*self._watcher.paths, *(one.path for one in asked)))
        for one in asked:
            self._watcher.answer(Probe(path=one.path, at=one.ended, outcome="good" if one.good else "bad"))
        self._watcher.look(now)
        return tuple(alert.text for alert in self._watcher.book.open.values())


def roll_stack(
    name: str, profile: Target, settings: Mapping[str, str], release: str | None, listen: Listener
) -> RollbackResult:
    """Move the stack that is up to the code of a release, or as the profile's folder has it, and to these settings."""
    info, _ = _stack_and_profile(name)
    if info.target != profile.name:
        raise UsageError(f"stack {name!r} runs {info.target}, not {profile.name}")
    found = _release(profile, release)
    return roll_on(profile, info, replace(found, settings={**found.settings, **settings}), listen)


def target_of_release(profile: Target, release: str) -> Target:
    """The target with the code and settings of a release, by its name or a git ref. Raises UsageError for none."""
    found = fetch_code(profile, _release(profile, release))
    env = {**profile.service.env, **found.settings}
    return replace(profile, service=replace(profile.service, cwd=found.cwd, env=env))


def _release(profile: Target, wanted: str | None) -> Release:
    build = commit_of(Path(profile.service.cwd))
    commit = build.id if build.kind == "commit" and not build.dirty else ""
    now = Release(name=commit[:12] or "the folder as it stands", commit=commit, cwd=profile.service.cwd)
    return named_release(profile, wanted, now) if wanted is not None else now
