"""What an older crash of the machine, or of a supervisor together with its harness, left: found, and taken away.

A stack's mark is alive as long as its supervisor is seen, or cannot be seen from here; nothing of a living mark, and
nothing of another user, is ever touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import StackError
from harness.stack.supervisor.process import (
    MARK,
    SUPERVISOR_MARK,
    end_tree,
    is_alive,
    remove_folders,
)
from harness.stack.supervisor.registry import OwnerRecord, is_own_folder, named_folder, read_owner

if TYPE_CHECKING:
    from harness.stack.docker.engine import DockerEngine

_FOLDER = re.compile(r"harness-([0-9a-f]{12})")
_SCRATCH = re.compile(r"harness-tests-[0-9a-f]{12}")
_YOUNG_SECONDS = 60.0
"""So long a test's scratch folder may have nobody yet who works in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """One thing that nobody answers for any more."""

    kind: Literal["process", "folder", "container", "network", "volume"]
    name: str
    """A folder's path, a process's command, or the name of what Docker has."""
    mark: str = ""
    """Id of the stack that it belonged to, where it had one."""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as it was seen to run."""

    pid: int
    environment: Mapping[str, str]
    command: str


def find_orphans() -> tuple[Orphan, ...]:
    """Everything that is left on this machine, of whatever stack of this user."""
    # whoever answers for something is there before it, and goes after it: so that is looked for last
    folders, marked = _candidates(), tuple(_processes())
    processes = tuple(_processes())
    owners = tuple(_owner_records(_temporary_folders(processes)))
    alive = {seen.environment[SUPERVISOR_MARK] for seen in processes if SUPERVISOR_MARK in seen.environment}
    alive |= {owner.mark for owner in owners if owner.alive}
    return (
        *_orphaned_processes(marked, alive),
        *_orphaned_folders(folders, owners, alive),
        *_abandoned_scratch(folders, {seen.environment.get("TMPDIR", "") for seen in processes}),
        *_docker_orphans(),
    )


def remove_orphans(found: tuple[Orphan, ...]) -> tuple[Orphan, ...]:
    """End and remove what `find_orphans` found; returns what is there all the same."""
    for mark in {one.mark for one in found if one.kind == "process"}:
        end_tree(mark, ())
    remove_folders([one.name for one in found if one.kind == "folder"])
    if any(one.kind in ("container", "network", "volume") for one in found):
        _sweep_docker()
    taken = set(found)
    return tuple(one for one in find_orphans() if one in taken)


def _orphaned_processes(marked: Iterable[_Seen], alive: set[str]) -> Iterator[Orphan]:
    for seen in marked:
        mark = seen.environment.get(MARK)
        if mark is None or mark in alive or SUPERVISOR_MARK in seen.environment:
            continue
        if is_alive(seen.pid):
            yield Orphan(kind="process", name=seen.command, mark=mark, pid=seen.pid)


def _orphaned_folders(candidates: set[Path], owners: Iterable[OwnerRecord], alive: set[str]) -> Iterator[Orphan]:
    marks = {Path(folder): owner.mark for owner in owners for folder in owner.folders}
    marks |= {path: found[1] for path in candidates if (found := _FOLDER.fullmatch(path.name))}
    for path, mark in sorted(marks.items()):
        if mark not in alive and is_own_folder(path):
            yield Orphan(kind="folder", name=str(path), mark=mark)


def _abandoned_scratch(candidates: set[Path], used: set[str]) -> Iterator[Orphan]:
    """Folders of tests in which nobody works any more."""
    for path in sorted(candidates):
        if _SCRATCH.fullmatch(path.name) and str(path) not in used and is_own_folder(path) and _is_old(path):
            yield Orphan(kind="folder", name=str(path))


def _docker_orphans() -> list[Orphan]:
    """What dead stacks left in Docker; nothing where no daemon answers."""
    from harness.stack.docker.orphans import dead_things
    from harness.stack.docker.watcher import STACK_LABEL

    with _docker() as engine:
        if engine is None:
            return []
        return [
            Orphan(kind=dead.kind, name=dead.thing.name, mark=dead.labels.get(STACK_LABEL, ""))
            for dead in dead_things(engine)
        ]


def _sweep_docker() -> None:
    from harness.stack.docker.orphans import sweep_docker

    with _docker() as engine:
        if engine is not None:
            sweep_docker(engine)


@contextlib.contextmanager
def _docker() -> Iterator[DockerEngine | None]:
    """The daemon of this machine; None where none answers."""
    from harness.stack.docker.engine import connect_engine

    try:
        engine = connect_engine()
    except StackError:
        yield None
        return
    with contextlib.closing(engine):
        yield engine


def _temporary_folders(processes: Iterable[_Seen]) -> frozenset[Path]:
    """Where processes keep their files: another one of this user may have another temporary folder than we have."""
    named = {seen.environment.get(name, "") for seen in processes for name in ("TMPDIR", "TEMP", "TMP")}
    return frozenset(Path(name) for name in named if name.startswith("/"))


def _owner_records(more: frozenset[Path]) -> Iterator[OwnerRecord]:
    named = named_folder("any").parent
    for folder in (*_candidates(more), *more, *(named.iterdir() if named.is_dir() else ())):
        owner = read_owner(folder) if is_own_folder(folder) else None
        if owner is not None:
            yield owner


def _candidates(more: frozenset[Path] = frozenset()) -> set[Path]:
    usual = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}  # noqa: S108 - looked at
    return {path for place in usual | more if place.is_dir() for path in place.glob("harness-*")}


def _processes() -> Iterator[_Seen]:
    """Living processes whose environment we may read."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                environment = dict(word.split("=", 1) for word in words if "=" in word)
                yield _Seen(int(entry.name), environment, command)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _YOUNG_SECONDS
