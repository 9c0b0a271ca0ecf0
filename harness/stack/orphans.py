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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import StackError
from harness.stack.supervisor.process import (
    MARK,
    SUPERVISOR_MARK,
    end_tree,
    is_alive,
    remove_folder,
    remove_shared_memory,
)
from harness.stack.supervisor.registry import OwnerRecord, is_own_folder, named_folder, read_owner

_FOLDER = re.compile(r"harness-([0-9a-f]{12})")
_SCRATCH = re.compile(r"harness-tests-[0-9a-f]{12}")
_YOUNG_SECONDS = 60.0
"""So long a test's scratch folder may have nobody yet who works in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One thing that nobody answers for any more."""

    kind: Literal["process", "folder", "container", "network", "volume"]
    name: str
    """A folder's path, a process's command, or the name of what Docker has."""
    mark: str = ""
    """Id of the stack that it belonged to, where it had one."""
    pid: int | None = None


def find_left() -> tuple[Left, ...]:
    """Everything that is left on this machine, of whatever stack of this user."""
    # a supervisor is there before all that it owns, and goes after it: so it is looked for last
    candidates, owners, marked = _candidates(), tuple(_owner_records()), tuple(_processes())
    seen = tuple(_processes())
    alive = {words[SUPERVISOR_MARK] for _, words, _ in seen if SUPERVISOR_MARK in words}
    alive |= {owner.mark for owner in owners if owner.alive}
    left = [
        Left(kind="process", name=command, mark=words[MARK], pid=pid)
        for pid, words, command in marked
        if MARK in words and SUPERVISOR_MARK not in words and words[MARK] not in alive and is_alive(pid)
    ]
    folders = {Path(folder): owner.mark for owner in owners for folder in owner.folders}
    folders |= {path: found[1] for path in candidates if (found := _FOLDER.fullmatch(path.name))}
    left += [
        Left(kind="folder", name=str(path), mark=mark)
        for path, mark in sorted(folders.items())
        if mark not in alive and is_own_folder(path)
    ]
    used = {words.get("TMPDIR", "") for _, words, _ in seen}
    left += [
        Left(kind="folder", name=str(path))
        for path in sorted(candidates)
        if _SCRATCH.fullmatch(path.name) and str(path) not in used and is_own_folder(path) and _is_old(path)
    ]
    return (*left, *_in_docker(remove=False))


def take_left(left: tuple[Left, ...]) -> tuple[Left, ...]:
    """End and remove what `find_left` found; returns what is there all the same."""
    for mark in {one.mark for one in left if one.kind == "process"}:
        end_tree(mark, ())
    for one in left:
        if one.kind == "folder":
            for place in (one.name, f"{one.name}/postgres"):
                remove_shared_memory(place)
            remove_folder(one.name)
    if any(one.kind in ("container", "network", "volume") for one in left):
        _in_docker(remove=True)
    taken = set(left)
    return tuple(one for one in find_left() if one in taken)


def _in_docker(*, remove: bool) -> tuple[Left, ...]:
    """What dead stacks left in Docker, removed if that is asked for; nothing where no daemon answers."""
    from harness.stack.docker.engine import connect_engine

    try:
        engine = connect_engine()
    except StackError:
        return ()
    from harness.stack.docker.orphans import dead_things, sweep_docker
    from harness.stack.docker.watcher import STACK_LABEL

    try:
        if remove:
            sweep_docker(engine)
            return ()
        return tuple(
            Left(kind=dead.kind, name=dead.thing.name, mark=dead.labels.get(STACK_LABEL, ""))
            for dead in dead_things(engine)
        )
    finally:
        engine.close()


def _owner_records() -> Iterator[OwnerRecord]:
    named = named_folder("any").parent
    for folder in (*_candidates(), *(named.iterdir() if named.is_dir() else ())):
        owner = read_owner(folder) if is_own_folder(folder) else None
        if owner is not None:
            yield owner


def _candidates() -> set[Path]:
    places = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}  # noqa: S108 - looked at
    return {path for place in places if place.is_dir() for path in place.glob("harness-*")}


def _processes() -> Iterator[tuple[int, dict[str, str], str]]:
    """Living processes whose environment we may read: pid, environment and command."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                yield int(entry.name), dict(word.split("=", 1) for word in words if "=" in word), command


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _YOUNG_SECONDS
