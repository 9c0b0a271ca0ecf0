"""Stacks that stay up for a person: found by name, reused if they are the same, ended by `down`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import StackError, UsageError
from harness.model import Listener, Noted, StackInfo, Target
from harness.stack.compare import difference, numbers_differ, same_service_at, serving_at, taken, way_differs
from harness.stack.front_proxy import front_for
from harness.stack.launcher import launch, open_stack, worker_count_of
from harness.stack.liveness import is_child
from harness.stack.protocol import Stack
from harness.stack.readiness import service_asker
from harness.stack.supervisor.registry import INFO, Keeper, clear, named_folder, read_info, read_keeper, read_recipe

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
    tls: bool = False,
    mode: Mode = "auto",
) -> Brought:
    """The named stack, running. `auto`: the one that is up if it is the same, else a new one; `fresh`: always a new
    one, instead of the one that is up; `reuse`: never a new one. What serves at a wanted `port` is used if it is the
    same, whoever started it.

    Raises UsageError naming the difference if another one runs under that name, for `reuse` also if none runs or it is
    not well; what `launch` raises otherwise.
    """

    def differs(info: StackInfo) -> str:
        different = difference(info, target, backend, overrides) or way_differs(info, tls=tls)
        return different or numbers_differ(info, instances, worker_count_of(target, workers))

    with _held(name):
        info = find_stack(name)
        if info is not None and mode == "fresh":
            _end(name)
            listen(Noted(f"ended the stack {name} that was up"))
        elif info is not None:
            _refuse_another(info, differs(info))
            _refuse_other_port(info, port)
            sick = unhealthy(info)
            if not sick:
                return Brought(info, reused=True)
            if mode == "reuse":
                raise UsageError(f"--mode reuse: stack {name!r} is up but not well ({sick}); leave --mode out")
            listen(Noted(f"stack {name} was up but not well ({sick}); started anew"))
            _end(name)
        elif port is not None and (found := _at_port(port, target, mode, differs)):
            listen(Noted(f"port {port} is served by {_whose(found)}, which is the same: it is used"))
            return Brought(found, reused=True)
        elif mode == "reuse":
            raise UsageError(f"--mode reuse: no stack {name!r} is up; leave --mode out to start it")
        elif _cleared(name):
            listen(Noted(f"cleared up what the dead stack {name} left"))
        stack = launch(
            target,
            backend=backend,
            overrides=overrides,
            instances=instances,
            workers=workers,
            name=name,
            port=port,
            front=front_for(instances, tls=tls),
            listen=listen,
            keep=True,
        )
        return Brought(stack.info, reused=False)


def running_same(
    name: str,
    target: Target,
    backend: str,
    overrides: Mapping[str, str],
    mode: Literal["reuse", "auto"],
    *,
    instances: int | None = None,
    tls: bool = False,
) -> bool:
    """Whether a stack of that name is up, the same, and well; where it is not, `reuse` raises UsageError with why.

    It must have that number of `instances`, and `tls`, only where these are asked for.
    """
    info = find_stack(name)
    different = "nothing runs under it"
    if info is not None:
        asked = len(info.instances) if instances is None else instances
        different = difference(info, target, backend, overrides) or (way_differs(info, tls=True) if tls else "")
        different = different or numbers_differ(info, asked, len(info.workers)) or unhealthy(info)
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


def unhealthy(info: StackInfo) -> str:
    """Why a stack's service is not ready now; "" if each instance is, the proxy in front too, and its workers live."""
    target = read_recipe(Path(info.state_dir)).target
    for url in dict.fromkeys([*(instance.url for instance in info.instances), info.url]):
        said = service_asker(url, target.health, min(target.service.timeout_s, 5.0), info.ca_file)()
        if said:
            return f"{url}: {said}"
    ended = [worker.name for worker in info.workers if worker.pid is not None and not is_child(worker.pid, info)]
    if ended:
        return f"{', '.join(ended)} has ended"
    return "" if info.instances else "it has no instance"


@contextlib.contextmanager
def _held(name: str) -> Iterator[None]:
    """One process at a time brings a stack of this name up or down; a second one waits."""
    folder = named_folder(name)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_another(info: StackInfo, different: str) -> None:
    if different:
        raise UsageError(
            f"stack {info.name!r} is up, but {different}; end it first (harness down --name {info.name}), "
            "give --mode fresh, or choose another --name"
        )


def _at_port(port: int, target: Target, mode: Mode, differs: Callable[[StackInfo], str]) -> StackInfo | None:
    """What runs already where the service is wanted, if it is the same; raises StackError for anything else."""
    info = serving_at(port, all_stacks())
    if info is None:
        return same_service_at(port, target) if mode != "fresh" else None
    different = differs(info) or unhealthy(info)
    if different or mode == "fresh":
        what = f"it is the stack {info.name}" + (f", but {different}" if different else "")
        raise taken(port, f"{what} (harness down --name {info.name})")
    return info


def _whose(info: StackInfo) -> str:
    return info.name if info.owned else "a service that somebody else started"


def _refuse_other_port(info: StackInfo, port: int | None) -> None:
    if port is not None and urlsplit(info.url).port != port:
        raise UsageError(f"stack {info.name!r} is up at {info.url}, not at port {port}; end it first (harness down)")


def _end(name: str) -> bool:
    keeper = read_keeper(named_folder(name))
    if keeper is None:
        return False
    if not keeper.alive:
        clear(keeper)
        return True
    if not keeper.within_sight:
        raise StackError(f"stack {name!r} runs in another container, which sees other processes; end it there")
    if not _ended(keeper):
        raise StackError(f"stack {name!r} does not end within {_DOWN_SECONDS:g} s; its supervisor is {keeper.pid}")
    return True


def _ended(keeper: Keeper) -> bool:
    """Tell exactly that supervisor to end, and wait for it: a descriptor is taken first, then looked at, so that no
    recycled pid is hit."""
    try:
        descriptor = os.pidfd_open(keeper.pid)
    except ProcessLookupError:
        return True
    try:
        if keeper.alive:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(_DOWN_SECONDS * 1000)
    finally:
        os.close(descriptor)
    return not keeper.alive


def _cleared(name: str) -> bool:
    keeper = read_keeper(named_folder(name))
    if keeper is None or keeper.alive:
        return False
    clear(keeper)
    return True
