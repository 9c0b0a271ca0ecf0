"""A rollback that is really run: a bad release is planted, noticed, and rolled back from under load."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backup import Acknowledged, Writes, open_backup, remove_rows, writing
from harness.backup import source_of as database_of
from harness.errors import StackError, UsageError
from harness.model import Listener, Noted, Release, Releases, RollbackLevel, StackInfo, Target
from harness.rollback.alarm import Alarm, AlarmedTraffic, Alerted
from harness.rollback.database import keep_backup, migrate
from harness.rollback.journal import Entry, Journal, claimed_stack, new_journal
from harness.rollback.plan import RollbackPlan, check_stack, make_plan, plan_of
from harness.rollback.releases import previous_release, read_history
from harness.rollback.rollback import RollbackResult, refuse_unfinished, run_under
from harness.rollback.tables import Tables, changed_tables, tables_of
from harness.rollback.traffic import RATE, Traffic, TrafficCounts
from harness.rollback.verify import smoke_paths, smoke_problems
from harness.stack.source_copy import copy_source, source_of
from harness.stack.supervisor.registry import INFO, read_info

_STEADY_S = 1.5
"""For how long readers come before anything is planted."""
_NOTICED_WITHIN_S = 15.0
_PAUSE_S = 0.2
PLANTED = "planted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillResult:
    """What a drill showed; `problems` are sentences, and none means that the rollback works."""

    level: RollbackLevel
    noticed: tuple[str, ...]
    """What the smoke flows said of the planted release."""
    noticed_s: float
    """From the moment at which it alone was asked."""
    alerted: Alerted
    """What the watch would have told."""
    steady: TrafficCounts
    """Of the readers before anything was planted."""
    rollback: RollbackResult
    acknowledged: Acknowledged | None
    """Of level `full`: rows written until after the point that the database was set back to."""
    problems: tuple[str, ...]
    put_back: Mapping[str, float]
    """Seconds of each step of the way to the release that ran before the drill."""


def why_no_releases(target: Target) -> str | None:
    """Why nothing is known of the target's releases; None where the profile says it."""
    return "the profile has no table [releases]" if target.releases == Releases() else None


def why_no_drill(target: Target, level: RollbackLevel) -> str | None:
    """What the profile lacks for a drill of that level; None where it has all."""
    missing = why_no_releases(target)
    if missing is not None:
        return missing
    drill = target.releases.drill
    if level == "config" and not drill.settings:
        return "the profile names no bad settings in [releases.drill] settings"
    if level == "code" and not drill.patch:
        return "the profile names no patch that breaks one path in [releases.drill] patch"
    if level == "full" and "postgres" not in target.service.needs:
        return "the service needs no postgres of ours, so there is no database to set back"
    if level == "full" and not drill.migration:
        return "the profile names no SQL that corrupts data in [releases.drill] migration"
    return None


def run_drill(
    profile: Target, info: StackInfo, level: RollbackLevel, listen: Listener, alarm: Alarm, rate: float = RATE
) -> DrillResult:
    """Plant, notice, roll back, verify, and put everything back, on a stack of ours that nobody else uses.

    The `alarm` is a new one: it must tell of the planted release as soon as readers are failed, and that it is over.

    Raises UsageError for what cannot be had, before anything is planted; StackError where the drill itself fails: where
    the service was not well before, or where nothing notices what was planted.
    """
    missing = why_no_drill(profile, level)
    if missing is not None:
        raise UsageError(f"no drill of level {level}: {missing}; add it")
    check_stack(info)
    with claimed_stack(info):
        refuse_unfinished(info)
        return _Drill(profile, info, level, listen).run(alarm, rate)


class _Drill:
    def __init__(self, profile: Target, info: StackInfo, level: RollbackLevel, listen: Listener) -> None:
        self.profile, self.level, self.listen = profile, level, listen
        self.state = Path(info.state_dir)
        self.before = read_history(info)[-1]
        self.wanted = previous_release(profile, self.before).name if level == "code" else None
        if self.wanted is not None:
            # what cannot be rolled back to is said before anything is planted
            make_plan(profile, info, level, self.wanted, 0)

    @property
    def info(self) -> StackInfo:
        return read_info(self.state / INFO)

    def run(self, alarm: Alarm, rate: float) -> DrillResult:
        self._be_well("before anything was planted")
        with Traffic(self.profile, self.info, smoke_paths(self.profile), rate) as traffic:
            begun = time.monotonic()
            time.sleep(_STEADY_S)
            steady = traffic.counts(begun, time.monotonic())
            if steady.failed:
                raise StackError(
                    f"{steady.failed} of {steady.requests} requests failed before anything was planted, the first: "
                    f"{steady.first_failure}; mend that, or say what a limiter allows in [ratelimit]"
                )
            first = self._tables()
            writes = self._back_up() if self.level == "full" else None
            before = self._tables()
            self._plant(traffic)
            went_live = time.monotonic()
            noticed, seconds = self._notice(traffic)
            alarmed = AlarmedTraffic(traffic, alarm)
            alerted = alarmed.await_alert(went_live)
            planted = self._tables()
            # what corrupts data is not what should be found again
            second = planted if writes is None else before
            if writes is not None and not set(changed_tables(before, planted)) - set(changed_tables(first, before)):
                raise StackError("[releases.drill] migration changes no row, so nothing is known of a way back from it")
            plan = make_plan(self.profile, self.info, self.level, self.wanted, new_journal(self.info)[0])
            ordered = time.monotonic()
            rollback = self._move(traffic, plan, planted)
            alerted = alarmed.await_quiet(alerted, ordered)
            acknowledged = self._count(plan, writes) if writes is not None else None
            back = self._move(traffic, self._planned(self.before), {}).seconds if writes is None else {}
        self._be_well("after everything was put back")
        return DrillResult(
            level=self.level,
            noticed=noticed,
            noticed_s=seconds,
            alerted=alerted,
            steady=steady,
            rollback=rollback,
            acknowledged=acknowledged,
            problems=(*drill_problems(rollback, steady, first, second, acknowledged), *alerted.problems),
            put_back=back,
        )

    def _tables(self) -> Tables:
        return tables_of(self.info.database_url)

    def _back_up(self) -> Writes:
        """A base backup, and the log since up to a point, while rows are written until after it."""
        info = self.info
        with writing(database_of(info)) as writes:
            keep_backup(info, self.before, keep_backup(info, self.before))
        return writes

    def _count(self, plan: RollbackPlan, writes: Writes) -> Acknowledged | None:
        """Which of these rows the restored database has; they are removed from it."""
        if plan.restoring is None:
            return None
        with database_of(self.info).connect() as connection:
            counted = writes.count(open_backup(Path(plan.restoring.backup)), connection)
            remove_rows(connection)
        return counted

    def _plant(self, traffic: Traffic) -> None:
        self.listen(Noted(f"{PLANTED}: a bad release of level {self.level}"))
        if self.level == "full":
            migrate(self.info, Path(self.profile.releases.drill.migration))
        self._move(traffic, self._planned(self._planted()), {})

    def _planned(self, release: Release) -> RollbackPlan:
        info = self.info
        return plan_of(info, self.level, read_history(info)[-1], release, new_journal(info)[0])

    def _move(self, traffic: Traffic, plan: RollbackPlan, tables: Tables) -> RollbackResult:
        journal = Journal(new_journal(self.info)[1])
        journal.append(Entry(kind="planned", plan=plan, tables=dict(tables)))
        return run_under(traffic, journal, plan, self.state, self.listen)

    def _planted(self) -> Release:
        drill, before = self.profile.releases.drill, self.before
        if self.level == "full":
            return replace(before, name=PLANTED)
        if self.level == "config":
            return replace(before, name=PLANTED, settings={**before.settings, **drill.settings})
        place = self.state / PLANTED
        shutil.rmtree(place, ignore_errors=True)
        folder = copy_source(source_of(self.profile), place, Path(drill.patch))
        return Release(name=PLANTED, cwd=str(folder), settings=before.settings)

    def _notice(self, traffic: Traffic) -> tuple[tuple[str, ...], float]:
        begun = time.monotonic()
        while True:
            found = smoke_problems(self.profile, self.info)
            seconds = time.monotonic() - begun
            if found:
                return found, round(seconds, 3)
            if seconds > _NOTICED_WITHIN_S:
                self._move(traffic, self._planned(self.before), {})
                raise StackError(
                    f"no smoke flow notices the release that was planted ([releases.drill], level {self.level}) within "
                    f"{_NOTICED_WITHIN_S:g} s; plant a worse one, or name its path in [load] paths"
                )
            time.sleep(_PAUSE_S)

    def _be_well(self, when: str) -> None:
        deadline = time.monotonic() + _NOTICED_WITHIN_S
        while problems := smoke_problems(self.profile, self.info):
            if time.monotonic() > deadline:
                raise StackError(f"the service is not well {when}: {'; '.join(problems)}")
            time.sleep(_PAUSE_S)


def drill_problems(
    rollback: RollbackResult,
    steady: TrafficCounts,
    first: Tables,
    second: Tables,
    acknowledged: Acknowledged | None = None,
) -> tuple[str, ...]:
    """Why a rollback is not what it should be: a sentence each.

    `first` and `second` are the tables before the bad release and before the rollback, or the backup: what changed in
    between is what the service writes by itself, and says nothing.
    """
    found = _traffic_problems(rollback.traffic, steady)
    if acknowledged is not None and acknowledged.lost:
        found.append(
            f"{acknowledged.lost} of {acknowledged.before_end} rows are lost that were acknowledged before the "
            "backup's end"
        )
    verified = rollback.verified
    if verified is None:
        return ("nothing was verified", *found)
    if not verified.flows or (second and not verified.tables):
        found.append("the verification asked no smoke flow, or looked at no table, so it says nothing")
    return (*verified.problems, *found, *_row_problems(first, second, verified.after or {}))


def _traffic_problems(traffic: TrafficCounts, steady: TrafficCounts) -> list[str]:
    found = []
    if not traffic.requests or not steady.requests:
        found.append("no request was sent meanwhile, so nothing is known of it under load")
    if traffic.failed:
        found.append(
            f"{traffic.failed} of {traffic.requests} requests failed during the rollback, the first: "
            f"{traffic.first_failure}"
        )
    return found


def _row_problems(first: Tables, second: Tables, after: Tables) -> list[str]:
    """What a worker adds or changes when its time comes is its work; that rows go is not."""
    still = [name for name in changed_tables(second, after) if name not in changed_tables(first, second)]
    return [
        f"table {name} had {second[name].rows} rows and has {after[name].rows}"
        for name in still
        if after[name].rows < second[name].rows
    ]
