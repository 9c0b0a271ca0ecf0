"""A rollback under load: planned, carried out while readers come, or taken up where another process broke off."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.model import ROLLBACK_LEVELS, Listener, Noted, Release, RollbackLevel, StackAdvanced, StackInfo, Target
from harness.rollback.carry_out import Carried, Mover
from harness.rollback.database import keep_backup
from harness.rollback.journal import Entry, Journal, Outcome, claimed_stack, last_journal, new_journal
from harness.rollback.plan import RollbackPlan, keep_times, make_plan, plan_to
from harness.rollback.releases import read_history
from harness.rollback.tables import tables_of
from harness.rollback.traffic import RATE, Traffic, TrafficCounts
from harness.rollback.verify import Verified, smoke_paths
from harness.stack.supervisor.registry import INFO, read_info

_BEFORE_S, _AFTER_S = 0.5, 0.5
"""For how long readers come before the first step, and after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackResult:
    """How a rollback ended, and what it cost."""

    plan: RollbackPlan
    outcome: Outcome
    seconds: Mapping[str, float]
    """Of each step."""
    recovered_s: float | None
    """From the order to the moment from which nothing but the other release is asked, nor a cache that the former one
    has filled; None after an interruption."""
    traffic: TrafficCounts
    verified: Verified | None


def roll_back(
    profile: Target,
    info: StackInfo,
    level: RollbackLevel,
    wanted: str | None,
    listen: Listener,
    *,
    stop_at: RollbackLevel,
    rate: float = RATE,
    backup: Path | None = None,
) -> tuple[RollbackResult, ...]:
    """Plan a rollback of a running stack and carry it out; where it is not verified, that of the next level, and so on
    to `stop_at`. Returns what each of them came to.

    Raises UsageError for what cannot be, before anything is touched; StackError or StartupError where the other release
    does not start: all is as it was then.
    """
    with claimed_stack(info):
        refuse_unfinished(info)
        number, path = new_journal(info)
        plan = make_plan(profile, info, level, wanted, number, backup)
        results = [carry_out(plan, path, listen, rate, target=profile)]
        for next_level in ROLLBACK_LEVELS[ROLLBACK_LEVELS.index(level) + 1 : ROLLBACK_LEVELS.index(stop_at) + 1]:
            if results[-1].outcome == "done":
                break
            number, path = new_journal(info)
            now = read_info(Path(info.state_dir) / INFO)
            try:
                plan = make_plan(profile, now, next_level, None, number, backup)
            except UsageError as error:
                listen(Noted(f"level {next_level} cannot follow: {error.message}"))
                break
            listen(Noted(f"release {results[-1].plan.after.name} is not well; level {next_level} follows"))
            results.append(carry_out(plan, path, listen, rate, target=profile))
    return tuple(results)


def roll_on(profile: Target, info: StackInfo, after: Release, listen: Listener, rate: float = RATE) -> RollbackResult:
    """Move a running stack to a release, as a rollback does; raises as `roll_back`. A database is backed up before."""
    with claimed_stack(info):
        refuse_unfinished(info)
        number, path = new_journal(info)
        if info.database_url is not None:
            _back_up(info, listen)
        return carry_out(plan_to(profile, info, "code", after, number), path, listen, rate, target=profile)


def _back_up(info: StackInfo, listen: Listener) -> None:
    """Without a backup a release may go live, too; that is said."""
    listen(StackAdvanced("backing up the database"))
    try:
        backup = keep_backup(info, read_history(info)[-1])
    except HarnessError as error:
        listen(Noted(f"no backup was kept, so the database cannot be set back by level full: {error.message}"))
    else:
        listen(Noted(f"backup kept until the stack ends: {backup.folder}"))


def carry_out(plan: RollbackPlan, path: Path, listen: Listener, rate: float, *, target: Target) -> RollbackResult:
    """Carry out a plan whose stack is claimed."""
    state = path.parent.parent
    info = read_info(state / INFO)
    # a database that is set back may be one that cannot be read any more
    journal, tables = Journal(path), tables_of(info.database_url) if plan.restoring is None else {}
    with _readers(target, info, rate) as traffic:
        journal.append(Entry(kind="planned", plan=plan, tables=dict(tables)))
        return run_under(traffic, journal, plan, state, listen)


def resume(target: Target, info: StackInfo, listen: Listener, rate: float = RATE) -> RollbackResult:
    """Take up the rollback that was broken off: forward where the other release may have been asked already, else
    from its first step. Raises UsageError where there is none."""
    with claimed_stack(info):
        journal = _unfinished(info)
        if journal is None:
            raise UsageError(f"stack {info.name} has no unfinished rollback: nothing to resume")
        plan = journal.plan
        if plan is None:
            journal.append(Entry(kind="ended", outcome="back"))
            raise UsageError(
                f"the rollback of stack {info.name} was broken off before its plan was made; order it again"
            )
        with _readers(target, info, rate) as traffic:
            return run_under(traffic, journal, plan, Path(info.state_dir), listen)


def give_up(info: StackInfo, listen: Listener) -> RollbackPlan:
    """Go back from the rollback that was broken off. Raises UsageError where there is none, or it leads forward."""
    with claimed_stack(info):
        journal = _unfinished(info)
        if journal is None or journal.plan is None:
            raise UsageError(f"stack {info.name} has no unfinished rollback: nothing to go back from")
        mover = Mover(journal.plan, journal, Path(info.state_dir), listen)
        try:
            if mover.leads_forward:
                raise UsageError(
                    f"release {journal.plan.after.name} may have been asked already, so it leads forward: "
                    "finish it with --resume, then roll to the release you want with --to"
                )
            mover.go_back()
        finally:
            mover.close()
        return journal.plan


def refuse_unfinished(info: StackInfo) -> None:
    """Raises UsageError where a rollback of that stack was broken off."""
    if _unfinished(info) is not None:
        raise UsageError(
            f"a rollback of stack {info.name} was broken off; finish it: harness rollback --name {info.name} --resume"
        )


def _unfinished(info: StackInfo) -> Journal | None:
    journal = last_journal(info)
    return journal if journal is not None and not journal.ended else None


@contextmanager
def _readers(target: Target, info: StackInfo, rate: float) -> Iterator[Traffic]:
    """Readers who come already when the first step begins: what they are told before is known then."""
    with Traffic(target, info, smoke_paths(target), rate) as traffic:
        time.sleep(_BEFORE_S)
        yield traffic


def run_under(traffic: Traffic, journal: Journal, plan: RollbackPlan, state: Path, listen: Listener) -> RollbackResult:
    """Carry out what its journal does not say is done, while readers come."""
    try:
        mover = Mover(plan, journal, state, listen)
    except BaseException:
        if not journal.begun:
            journal.append(Entry(kind="ended", outcome="back"))
        raise
    try:
        begun = time.monotonic()
        carried = mover.run()
        time.sleep(_AFTER_S)
    finally:
        mover.close()
    if carried.outcome == "done":
        keep_times(plan.target, plan.level, carried.seconds)
    return _result(plan, carried, traffic, begun)


def _result(plan: RollbackPlan, carried: Carried, traffic: Traffic, begun: float) -> RollbackResult:
    """What a path had answered badly before the order is the former release's doing until nothing asks it any more."""
    # until the cache is emptied the bad release's answers are in it
    switched = carried.moments.get("switch" if plan.restoring is None else "cache")
    bad = traffic.failing(begun - _BEFORE_S, begun)
    until = switched if switched is not None else begun
    before, after = traffic.counts(begun, until, bad), traffic.counts(until, time.monotonic())
    return RollbackResult(
        plan=plan,
        outcome=carried.outcome,
        seconds=carried.seconds,
        recovered_s=round(switched - begun, 3) if switched is not None else None,
        traffic=TrafficCounts(
            requests=before.requests + after.requests,
            failed=before.failed + after.failed,
            down_s=round(before.down_s + after.down_s, 3),
            first_failure=before.first_failure or after.first_failure,
        ),
        verified=carried.verified,
    )
