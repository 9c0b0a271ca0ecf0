"""What a rollback will do, as data: made before anything is touched, kept in its journal, shown by `--plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

from harness.errors import UsageError
from harness.machine.decoding import Reader
from harness.model import Instance, Release, RollbackLevel, StackInfo, Target, Worker
from harness.rollback.database import Restoring, choose_backup, data_at_risk, plan_restoring
from harness.rollback.releases import fetch_code, find_release, read_history, whole_release
from harness.rollback.schema import refuse_gap
from harness.stack.supervisor.registry import named_folder

StepName = Literal["restore", "database", "start", "switch", "workers", "record", "stop", "cache", "verify"]
STEPS: tuple[StepName, ...] = get_args(StepName)
_FULL: frozenset[StepName] = frozenset({"restore", "database", "cache"})
"""Steps of level `full` alone."""
FORWARD: frozenset[StepName] = frozenset({"record", "stop", "cache", "verify"})
"""Once one of these has begun, a rollback that was broken off goes on; before, it can go back."""
_WORDS: Mapping[StepName, str] = {
    "restore": "restore the backup of {at} into a fresh server, and compare every table and sequence",
    "database": "start a server on the restored data, beside the one that runs",
    "start": "start as many copies of release {after} as run, and wait until each is ready",
    "switch": "send new requests to these alone, and wait until the former ones have answered all",
    "workers": "start as many workers of release {after} as run",
    "record": "note release {after} as what runs",
    "stop": "end what is left of release {before}",
    "cache": "empty the cache, and ask every path once to fill it",
    "verify": "ask health, smoke flows, schema and the checksums of every table",
}
_TIMES = Reader(dict[str, float])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step. `expected_s` is what it took the last time, where that is known."""

    name: StepName
    what: str
    expected_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """All that a rollback needs to know, checked before anything is touched."""

    id: str
    stack: str
    target: str
    level: RollbackLevel
    before: Release
    after: Release
    instances: tuple[Instance, ...]
    """The copies that run, and will be ended."""
    workers: tuple[Worker, ...]
    steps: tuple[PlannedStep, ...]
    restoring: Restoring | None = None
    """Of level `full`."""
    notes: tuple[str, ...]
    """What somebody should know beforehand: schema, data at risk."""

    @property
    def processes(self) -> tuple[Instance | Worker, ...]:
        """All that will be ended."""
        return (*self.instances, *self.workers)

    @property
    def expected_s(self) -> float | None:
        """Seconds for all of it; None where one step's are not known."""
        known = [step.expected_s for step in self.steps]
        return round(sum(each for each in known if each is not None), 3) if None not in known else None


def make_plan(
    profile: Target,
    info: StackInfo,
    level: RollbackLevel,
    wanted: str | None,
    number: int,
    backup: Path | None = None,
) -> RollbackPlan:
    """The plan of a rollback of that stack. `profile` is the target as its file has it now; a `backup` is for level
    `full`, instead of the newest one that was kept.

    Raises UsageError in one line for what cannot be: nothing has been changed then.
    """
    check_stack(info)
    history = read_history(info)
    if level == "full":
        return _plan_full(profile, info, wanted, number, backup)
    after = find_release(profile, history, level, wanted)
    return plan_to(profile, info, level, after, number)


def plan_to(profile: Target, info: StackInfo, level: RollbackLevel, after: Release, number: int) -> RollbackPlan:
    """The plan of the way to a release, whichever it is. Raises as `make_plan` does."""
    before = read_history(info)[-1]
    notes: tuple[str, ...] = ()
    if level == "code":
        after = fetch_code(profile, after)
        notes = refuse_gap(profile, before, after, info.database_url)
    return plan_of(info, level, before, after, number, (*notes, *_settings_words(before, after)))


def _plan_full(profile: Target, info: StackInfo, wanted: str | None, number: int, chosen: Path | None) -> RollbackPlan:
    """To the release that ran when the backup was taken. Whether it knows the schema of then, the restored database
    says before anything of it is started."""
    backup, release = choose_backup(info, chosen)
    history = read_history(info)
    if wanted is not None:
        release = whole_release(profile, history, wanted)
    if release is None:
        raise UsageError(f"backup {backup.folder}: which release ran when it was taken is not known; name it with --to")
    after = fetch_code(profile, release)
    restoring = plan_restoring(profile, info, backup, f"r{number}")
    notes = (*_settings_words(history[-1], after), data_at_risk(info, backup))
    return plan_of(info, "full", history[-1], after, number, notes, restoring)


def plan_of(
    info: StackInfo,
    level: RollbackLevel,
    before: Release,
    after: Release,
    number: int,
    notes: Sequence[str] = (),
    restoring: Restoring | None = None,
) -> RollbackPlan:
    """The steps from one release to another; with `restoring` the database goes, too."""
    times = read_times(info.target, level)
    words = {"before": before.name, "after": after.name, "at": restoring.at if restoring else ""}
    left_out = {*(() if restoring else _FULL), *(() if info.workers else ("workers",))}
    return RollbackPlan(
        id=f"r{number}",
        stack=info.name,
        target=info.target,
        level=level,
        before=before,
        after=after,
        instances=info.instances,
        workers=info.workers,
        steps=tuple(
            PlannedStep(name=name, what=_WORDS[name].format(**words), expected_s=times.get(name))
            for name in STEPS
            if name not in left_out
        ),
        restoring=restoring,
        notes=(*notes, *(() if restoring else ("data at risk: none, no step writes to the database",))),
    )


def check_stack(info: StackInfo) -> None:
    """Raises UsageError where we cannot move that stack, and says what is missing."""
    if not info.owned or info.backend == "attach":
        raise UsageError(
            f"{info.url} is not ours to roll back: its processes are somebody else's; a stack that "
            "`harness up --instances 2` started is"
        )
    if info.backend != "embedded":
        raise UsageError(
            f"stack {info.name} runs in containers ({info.backend}), and only an embedded stack's processes are moved; "
            "start it with --stack embedded"
        )
    if not info.has_front:
        raise UsageError(
            f"stack {info.name} has one instance and no proxy in front, so nothing can take over without a gap; "
            f"start it with: harness up --name {info.name} --instances 2"
        )


def _settings_words(before: Release, after: Release) -> tuple[str, ...]:
    """Which settings change; values may be secrets."""
    names = sorted(
        name for name in {*before.settings, *after.settings} if before.settings.get(name) != after.settings.get(name)
    )
    return (f"settings that change: {', '.join(names)}",) if names else ()


def read_times(target: str, level: RollbackLevel) -> dict[str, float]:
    """Seconds of each step when a rollback of that level last came to its end; empty where none has."""
    try:
        return _TIMES.json(_times_file(target, level).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}


def keep_times(target: str, level: RollbackLevel, times: Mapping[str, float]) -> None:
    """Keep them for the next plan."""
    path = _times_file(target, level)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(msgspec.json.encode(dict(times)))
    aside.replace(path)


def _times_file(target: str, level: RollbackLevel) -> Path:
    return named_folder("default").parent.parent / "rollback" / f"{target}-{level}.json"
