"""Stacks that stay up for a person: found by name, reused if they are the same, ended by `down`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import StackError, UsageError
from harness.model import Listener, Progress, StackInfo, Target
from harness.stack.build import fingerprint, identify_build
from harness.stack.protocol import Stack
from harness.stack.readiness import service_asker
from harness.stack.starting import launch, open_stack, worker_count_of
from harness.stack.state import INFO, Keeper, clear, named_folder, read_info, read_keeper, read_recipe
from harness.stack.supervisor import process_stat

Mode = Literal["reuse", "fresh", "auto"]
"""What is done about a stack that is up."""
_DOWN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Brought:
    """What `bring_up` ended with."""

    info: StackInfo
    reused: bool


def find_stack(name: str) -> StackInfo | None:
    """The named stack, if its supervisor runs."""
    folder = named_folder(name)
    keeper = read_keeper(folder)
    if keeper is None or not keeper.alive or not (folder / INFO).is_file():
        return None
    return read_info(folder / INFO)


def all_stacks() -> tuple[StackInfo, ...]:
    """All named stacks that run, by name."""
    folder = named_folder("default").parent
    if not folder.is_dir():
        return ()
    found = (find_stack(path.name) for path in sorted(folder.iterdir()) if path.is_dir())
    return tuple(info for info in found if info is not None)


def target_of(name: str) -> Target:
    """The target of a stack that `harness up` started, as its profile was then. Raises StackError if it is gone."""
    return read_recipe(named_folder(name)).target


def attach_name(name: str) -> Stack:
    """Open a stack that `harness up` started; it counts as started by us. Raises UsageError if there is none."""
    if find_stack(name) is None:
        raise UsageError(f"no stack {name!r} runs; start it: harness up --name {name}")
    return open_stack(named_folder(name) / INFO)


def bring_up(
    target: Target,
    *,
    name: str,
    backend: str,
    overrides: Mapping[str, str],
    instances: int,
    listen: Listener,
    workers: int | None = None,
    port: int | None = None,
    mode: Mode = "auto",
) -> Brought:
    """The named stack, running. `auto`: the one that is up if it is the same, else a new one; `fresh`: always a new
    one, instead of the one that is up; `reuse`: never a new one.

    Raises UsageError naming the difference if another one runs under that name, for `reuse` also if none runs or it is
    not well; what `launch` raises otherwise.
    """
    with _held(name):
        info = find_stack(name)
        if info is not None and mode == "fresh":
            _end(name)
            listen(Progress(phase="note", text=f"ended the stack {name} that was up"))
        elif info is not None:
            _refuse_another(info, target, backend, overrides, instances)
            _refuse_other_workers(info, worker_count_of(target, workers))
            _refuse_other_port(info, port)
            sick = unhealthy(info)
            if not sick:
                return Brought(info, reused=True)
            if mode == "reuse":
                raise UsageError(f"--mode reuse: stack {name!r} is up but not well ({sick}); leave --mode out")
            listen(Progress(phase="note", text=f"stack {name} was up but not well ({sick}); started anew"))
            _end(name)
        elif mode == "reuse":
            raise UsageError(f"--mode reuse: no stack {name!r} is up; leave --mode out to start it")
        elif _cleared(name):
            listen(Progress(phase="note", text=f"cleared up what the dead stack {name} left"))
        stack = launch(
            target,
            backend=backend,
            overrides=overrides,
            instances=instances,
            workers=workers,
            name=name,
            port=port,
            listen=listen,
            keep=True,
        )
        return Brought(stack.info, reused=False)


def running_same(
    name: str, target: Target, backend: str, overrides: Mapping[str, str], mode: Literal["reuse", "auto"]
) -> bool:
    """Whether a stack of that name is up, the same, and well; where it is not, `reuse` raises UsageError with why."""
    info = find_stack(name)
    different = difference(info, target, backend, overrides) or unhealthy(info) if info else "nothing runs under it"
    if different and mode == "reuse":
        raise UsageError(
            f"--mode reuse: stack {name!r} cannot be used, since {different}; start it (harness up --mode fresh --name "
            f"{name}), or leave --mode out"
        )
    return not different


def bring_down(name: str) -> bool:
    """End a named stack, or clear up what a dead one left; returns whether there was anything."""
    with _held(name):
        return _end(name)


def difference(info: StackInfo, target: Target, backend: str, overrides: Mapping[str, str]) -> str:
    """In what a running stack is not the asked-for one: target, backend, settings, build; "" if in nothing."""
    if info.target != target.name:
        return f"its target is {info.target}, not {target.name}"
    if info.backend != backend:
        return f"its backend is {info.backend}, not {backend}"
    if dict(info.overrides) != dict(overrides):
        return f"its --env is {_shown(info.overrides)}, not {_shown(overrides)}"
    keeper = read_keeper(Path(info.state_dir))
    if keeper is None or keeper.fingerprint == fingerprint(target):
        return ""
    build = identify_build(target)
    now = f"{build.id[:12]}{' with changes' if build.dirty else ''}"
    was = f"{info.build.id[:12]}{' with changes' if info.build.dirty else ''}"
    return f"it runs build {was or 'unknown'}, and profile or source have changed since (now {now})"


def unhealthy(info: StackInfo) -> str:
    """Why a stack's service is not ready now; "" if each of its instances is, and its workers live."""
    target = read_recipe(Path(info.state_dir)).target
    for instance in info.instances:
        said = service_asker(instance.url, target.health, min(target.service.timeout_s, 5.0))()
        if said:
            return f"{instance.url}: {said}"
    ended = [worker.name for worker in info.workers if worker.pid is not None and not _is_child(worker.pid, info)]
    if ended:
        return f"{', '.join(ended)} has ended"
    return "" if info.instances else "it has no instance"


def _is_child(pid: int, info: StackInfo) -> bool:
    """Whether the process runs under the stack's supervisor (and is not another one with a recycled pid)."""
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == info.supervisor_pid


@contextlib.contextmanager
def _held(name: str) -> Iterator[None]:
    """One process at a time brings a stack of this name up or down; a second one waits."""
    folder = named_folder(name)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_another(
    info: StackInfo, target: Target, backend: str, overrides: Mapping[str, str], instances: int
) -> None:
    different = difference(info, target, backend, overrides)
    if not different and len(info.instances) != instances:
        different = f"it has {len(info.instances)} instances, not {instances}"
    if different:
        raise UsageError(
            f"stack {info.name!r} is up, but {different}; end it first (harness down --name {info.name}), "
            "give --mode fresh, or choose another --name"
        )


def _refuse_other_workers(info: StackInfo, workers: int) -> None:
    if len(info.workers) != workers:
        raise UsageError(
            f"stack {info.name!r} is up, but it has {len(info.workers)} workers, not {workers}; end it first (harness "
            f"down --name {info.name}), or choose another --name"
        )


def _refuse_other_port(info: StackInfo, port: int | None) -> None:
    if port is not None and urlsplit(info.url).port != port:
        raise UsageError(f"stack {info.name!r} is up at {info.url}, not at port {port}; end it first (harness down)")


def _shown(overrides: Mapping[str, str]) -> str:
    return " ".join(sorted(f"{key}={value}" for key, value in overrides.items())) or "empty"


def _end(name: str) -> bool:
    keeper = read_keeper(named_folder(name))
    if keeper is None:
        return False
    if not keeper.alive:
        clear(keeper)
        return True
    _signal_supervisor(keeper)
    deadline = time.monotonic() + _DOWN_SECONDS
    pause = 0.005
    while keeper.alive:
        if time.monotonic() > deadline:
            raise StackError(f"stack {name!r} does not end within {_DOWN_SECONDS:g} s; its supervisor is {keeper.pid}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def _signal_supervisor(keeper: Keeper) -> None:
    """Signal exactly that process: a descriptor is taken first, then looked at, so that no recycled pid is hit."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(keeper.pid)
        try:
            if keeper.alive:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)


def _cleared(name: str) -> bool:
    keeper = read_keeper(named_folder(name))
    if keeper is None or keeper.alive:
        return False
    clear(keeper)
    return True
