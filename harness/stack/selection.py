"""What a command is asked to test: a target, and the stack it runs on (DESIGN 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.config import generic_target, load_target
from harness.errors import UsageError
from harness.machine.bundle import in_checkout, root
from harness.model import Listener, StackInfo, Target
from harness.stack import (
    Mode,
    Stack,
    attach_name,
    attach_url,
    bring_down,
    checked_url,
    detach,
    find_stack,
    launch,
    running_same,
    target_of,
)
from harness.stack.front_proxy import front_for
from harness.stack.running import RunningStack

DEFAULT_TARGET = "dealradar"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSelection:
    """A target and where it runs. `url` for a service that somebody else started, `name` for one of our `up` stacks."""

    target: Target
    backend: str
    url: str = ""
    name: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    instances: int = 1
    tls: bool = False
    """Whether what is started is reached over TLS."""
    keep: str = ""
    """The name under which a stack that is started stays up at the end; "" for one that ends."""

    @property
    def starts(self) -> bool:
        """Does this selection start a stack of its own?"""
        return self.backend != "attach"


def select_target(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str = "default",
    overrides: Mapping[str, str] | None = None,
    port: int | None = None,
    keep_up: bool = False,
    mode: Mode | None = None,
    instances: int | None = None,
    tls: bool = False,
) -> TargetSelection:
    """Make sense of the shared options. Raises `UsageError` where they contradict each other or select nothing.

    A `mode` of reuse or auto selects the stack that is up under `name`; without one, a stack is started.
    """
    settings = dict(overrides or {})
    if url is not None or backend == "attach":
        _refuse_for_what_runs(keep_up=keep_up, port=port, mode=mode, instances=instances, tls=tls)
    if url is not None:
        return _select_url(target, backend, url, settings)
    if backend == "attach":
        return _select_named(target, name, settings)
    if target is None and not in_checkout():
        raise UsageError("no target: give --target NAME|PATH (`harness init URL` drafts a profile) or --url URL")
    found = load_target(target or DEFAULT_TARGET, root())
    if found.service.url:
        _refuse_for_what_runs(keep_up=keep_up, port=port, mode=mode, instances=instances, tls=tls)
        return _select_url(target, backend, found.service.url, settings)
    wished = TargetSelection(
        target=found,
        backend=backend or "embedded",
        overrides=settings,
        port=port,
        instances=instances or 1,
        tls=tls,
        keep=name if keep_up else "",
    )
    if mode is not None and _reuses(mode, name, wished, instances):
        return TargetSelection(target=found, backend="attach", name=name)
    if keep_up and find_stack(name) is not None:
        raise UsageError(
            f"--keep-up: a stack {name!r} is up; `harness down --name {name}` ends it, or give another --name"
        )
    return wished


def _refuse_for_what_runs(
    *, keep_up: bool, port: int | None, mode: Mode | None, instances: int | None, tls: bool
) -> None:
    """Raises `UsageError` for the first option that only makes sense for a stack that is started."""
    if keep_up:
        raise UsageError("--keep-up: what already runs stays up anyway; leave it out")
    if port is not None:
        raise UsageError(f"--port {port}: the port of a service that already runs cannot be chosen; leave it out")
    if mode is not None:
        raise UsageError(f"--mode {mode}: what is attached to is never started; leave it out")
    if tls or instances is not None:
        option = "--tls" if tls else f"--instances {instances}"
        raise UsageError(f"{option}: nothing is put in front of what already runs; leave it out")


def _reuses(mode: Mode, name: str, wished: TargetSelection, instances: int | None) -> bool:
    if mode == "fresh":
        return False
    if wished.port is not None:
        raise UsageError(f"--mode {mode} --port {wished.port}: what is up has its port; leave --port out")
    return running_same(
        name, wished.target, wished.backend, wished.overrides, mode, instances=instances, tls=wished.tls
    )


def bring_up(
    selection: TargetSelection, listen: Listener, before_service: Callable[[StackInfo], None] | None = None
) -> Stack:
    """Start or find the stack. Raises `StartupError`, `StackError`, `UnreachableError`, `UsageError`."""
    if selection.url:
        return attach_url(selection.target, selection.url)
    if selection.name:
        return attach_name(selection.name)
    if selection.keep:
        # clears up what a dead stack of that name left
        bring_down(selection.keep)
    return launch(
        selection.target,
        backend=selection.backend,
        overrides=selection.overrides,
        name=selection.keep or None,
        port=selection.port,
        instances=selection.instances,
        front=front_for(selection.instances, tls=selection.tls),
        before_service=before_service,
        listen=listen,
    )


def let_stay(selection: TargetSelection, stack: Stack) -> None:
    """Let the stack live on after us, if that was asked for."""
    if selection.keep and isinstance(stack, RunningStack):
        detach(stack)


def _select_url(target: str | None, backend: str | None, url: str, settings: Mapping[str, str]) -> TargetSelection:
    url = checked_url(url)
    if backend not in (None, "attach"):
        raise UsageError(f"--stack {backend} starts a service, --url names one that runs: give one of them")
    if settings:
        raise UsageError(f"--env {next(iter(settings))}: settings of a service that already runs cannot be changed")
    found = load_target(target, root()) if target else generic_target(url)
    return TargetSelection(target=found, backend="attach", url=url)


def _select_named(target: str | None, name: str, settings: Mapping[str, str]) -> TargetSelection:
    info = find_stack(name)
    if info is None:
        raise UsageError(f"no stack {name!r} is up; start it with `harness up --name {name}`, or give --url URL")
    if settings:
        raise UsageError(f"--env {next(iter(settings))}: settings of a stack that already runs cannot be changed")
    found = load_target(target, root()) if target else target_of(name)
    if found.name != info.target:
        raise UsageError(f"stack {name!r} runs {info.target}, not {found.name}")
    return TargetSelection(target=found, backend="attach", name=name)
