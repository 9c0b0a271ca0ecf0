"""Stacks that stay up for a person: found by name, reused if they are the same, ended by `down`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import StackError, UsageError
from harness.model import Listener, Noted, StackInfo, Target
from harness.stack.compare import StackDifference, StackRequest, find_difference, same_service_at, serving_at
from harness.stack.launcher import count_workers, front_for, launch, open_stack
from harness.stack.liveness import health_problem
from harness.stack.ports import occupied
from harness.stack.protocol import Stack
from harness.stack.supervisor.process import is_ending
from harness.stack.supervisor.registry import (
    INFO,
    OwnerRecord,
    clear_up,
    named_folder,
    read_info,
    read_owner,
    read_recipe,
)

Mode = Literal["reuse", "fresh", "auto"]
"""What is done about a stack that is up."""
_DOWN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """What `bring_up` ended with."""

    info: StackInfo
    reused: bool


def find_stack(name: str) -> StackInfo | None:
    """The named stack, if its supervisor runs."""
    folder = named_folder(name)
    owner = read_owner(folder)
    if owner is None or not owner.alive or not (folder / INFO).is_file():
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
) -> BroughtUp:
    """The named stack, running. `auto`: the one that is up if it is the same, else a new one; `fresh`: always a new
    one, instead of the one that is up; `reuse`: never a new one. What serves at a wanted `port` is used if it is the
    same, whoever started it.

    Raises UsageError naming the difference if another one runs under that name, for `reuse` also if none runs or it is
    not well; what `launch` raises otherwise.
    """
    request = StackRequest(
        target=target,
        backend=backend,
        overrides=overrides,
        instances=instances,
        workers=count_workers(target, workers),
        tls=tls,
    )
    with _held(name):
        _refuse_claimed(name)
        info = find_stack(name)
        if info is not None and mode == "fresh":
            _end(name)
            listen(Noted(f"ended the stack {name} that was up"))
        elif info is not None:
            _refuse_another(info, find_difference(info, request))
            _refuse_other_port(info, port)
            sick = health_problem(info)
            if sick is None:
                return BroughtUp(info, reused=True)
            if mode == "reuse":
                raise UsageError(f"--mode reuse: stack {name!r} is up but not well ({sick}); leave --mode out")
            listen(Noted(f"stack {name} was up but not well ({sick}); started anew"))
            _end(name)
        elif port is not None and (found := _find_at_port(port, request, mode)):
            listen(Noted(f"port {port} is served by {_whose(found)}, which is the same: it is used"))
            return BroughtUp(found, reused=True)
        elif mode == "reuse":
            raise UsageError(f"--mode reuse: no stack {name!r} is up; leave --mode out to start it")
        elif _clear_dead(name):
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
        return BroughtUp(stack.info, reused=False)


def find_obstacle(name: str, request: StackRequest) -> StackDifference | None:
    """Why the stack of that name cannot be used for the requested one; None if it is up, the same, and well."""
    info = find_stack(name)
    if info is None:
        return StackDifference("absence", "nothing runs under it")
    different = find_difference(info, request)
    if different is not None:
        return different
    problem = health_problem(info)
    return None if problem is None else StackDifference("health", f"it is not well ({problem})")


def bring_down(name: str) -> bool:
    """End a named stack, or clear up what a dead one left; returns whether there was anything.

    Raises UsageError while a gate makes it and tests it.
    """
    with _held(name):
        _refuse_claimed(name)
        return _end(name)


@contextlib.contextmanager
def claimed(name: str) -> Iterator[None]:
    """Have a stack's name to oneself, from before the stack starts until it may be used by others; nothing for "".

    Raises UsageError if somebody else has it, or a stack is up under it. What a dead one left is cleared up.
    """
    if not name:
        yield
        return
    with contextlib.ExitStack() as opened:
        # both at once: what is being brought up under the name is up, or is gone, before it is looked at
        with _held(name):
            if not opened.enter_context(_locked(_claim_file(name), fcntl.LOCK_EX)):
                raise _claimed_by_another(name)
            if not _is_ending(name):
                refuse_taken_name(name)
            # what is left has nobody: dead, or about to be
            _end(name)
        yield


def refuse_taken_name(name: str) -> None:
    """Raise UsageError where a stack of that name runs."""
    if find_stack(name) is not None:
        raise UsageError(
            f"--keep-up: a stack {name!r} is up; `harness down --name {name}` ends it, or give another --name"
        )


@contextlib.contextmanager
def _held(name: str) -> Iterator[None]:
    """One process at a time brings a stack of this name up or down; a second one waits."""
    folder = named_folder(name)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _locked(file: Path, how: int) -> Iterator[bool]:
    """Whether the lock could be had at once; it is kept meanwhile, and ends with this process."""
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _claim_file(name: str) -> Path:
    return named_folder(name).parent / f".{name}.claim"


def _refuse_claimed(name: str) -> None:
    with _locked(_claim_file(name), fcntl.LOCK_SH) as free:
        if not free:
            raise _claimed_by_another(name)


def _claimed_by_another(name: str) -> UsageError:
    return UsageError(
        f"stack {name!r} is being made and tested by a gate (--keep-up); wait for it, or give another --name"
    )


def _refuse_another(info: StackInfo, different: StackDifference | None) -> None:
    if different is not None:
        raise UsageError(
            f"stack {info.name!r} is up, but {different.text}; end it first (harness down --name {info.name}), "
            "give --mode fresh, or choose another --name"
        )


def _find_at_port(port: int, request: StackRequest, mode: Mode) -> StackInfo | None:
    """What runs already where the service is wanted, if it is the same; raises StackError for anything else."""
    info = serving_at(port, all_stacks())
    if info is None:
        return same_service_at(port, request.target) if mode != "fresh" else None
    different = find_difference(info, request)
    problem = different.text if different is not None else health_problem(info)
    if problem is not None or mode == "fresh":
        what = f"it is the stack {info.name}" + (f", but {problem}" if problem is not None else "")
        raise occupied(port, f"{what} (harness down --name {info.name})")
    return info


def _whose(info: StackInfo) -> str:
    return info.name if info.owned else "a service that somebody else started"


def _refuse_other_port(info: StackInfo, port: int | None) -> None:
    if port is not None and urlsplit(info.url).port != port:
        raise UsageError(f"stack {info.name!r} is up at {info.url}, not at port {port}; end it first (harness down)")


def _end(name: str) -> bool:
    owner = read_owner(named_folder(name))
    if owner is None:
        return False
    if not owner.alive:
        clear_up(owner)
        return True
    if not owner.within_sight:
        raise StackError(f"stack {name!r} runs in another container, which sees other processes; end it there")
    if not _end_supervisor(owner):
        raise StackError(f"stack {name!r} does not end within {_DOWN_SECONDS:g} s; its supervisor is {owner.pid}")
    return True


def _end_supervisor(owner: OwnerRecord) -> bool:
    """Tell exactly that supervisor to end, and wait for it: a descriptor is taken first, then looked at, so that no
    recycled pid is hit."""
    try:
        descriptor = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        return True
    try:
        if owner.alive:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(_DOWN_SECONDS * 1000)
    finally:
        os.close(descriptor)
    return not owner.alive


def _is_ending(name: str) -> bool:
    owner = read_owner(named_folder(name))
    return owner is not None and owner.within_sight and is_ending(owner.pid)


def _clear_dead(name: str) -> bool:
    owner = read_owner(named_folder(name))
    if owner is None or owner.alive:
        return False
    clear_up(owner)
    return True
