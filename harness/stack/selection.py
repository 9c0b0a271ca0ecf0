"""Which target a command tests, and on which stack: the one answer for all commands and for pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.config import generic_target, load_target
from harness.config.service_url import checked_url
from harness.errors import UsageError
from harness.machine.bundle import in_checkout, root
from harness.model import Listener, Noted, StackInfo, Target
from harness.stack.attach import attach_url
from harness.stack.compare import StackDifference, StackRequest
from harness.stack.launcher import detach, front_for, launch, open_stack
from harness.stack.named import Mode, attach_name, find_obstacle, find_stack, refuse_taken_name, target_of
from harness.stack.protocol import Stack

DEFAULT_TARGET, DEFAULT_NAME, DEFAULT_BACKEND = "dealradar", "default", "embedded"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A stack that is up, and is not used since it is another one than was asked for, or not well."""

    name: str
    different: StackDifference

    def __str__(self) -> str:
        return f"stack {self.name!r} is up and not used: {self.different.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSelection:
    """A target and where it runs.

    `url` for a service that somebody else started, `name` for one of our `up` stacks, `file` for the `stack.json` of
    one that another process runs.
    """

    target: Target
    backend: str
    url: str = ""
    name: str = ""
    file: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    instances: int = 1
    tls: bool = False
    """Whether what is started is reached over TLS."""
    keep: str = ""
    """The name under which a stack that is started stays up at the end; "" for one that ends."""
    passed_over: PassedOver | None = None
    """The stack that would have been used, were it the same."""

    @property
    def starts(self) -> bool:
        """Does this selection start a stack of its own?"""
        return self.backend != "attach"

    @property
    def words(self) -> tuple[str, ...]:
        """The options that select the same again from whatever folder; of changed settings a run keeps the names."""
        if self.name:
            return ("--stack", "attach", "--name", self.name)
        source = Path(self.target.source)
        ours = source.parent == (root() / "profiles").resolve()
        target = ("--target", source.stem if ours else str(source)) if self.target.source else ()
        if not self.url:
            return (*target, "--stack", self.backend)
        return target if target and self.url == self.target.service.url else (*target, "--url", self.url)

    @property
    def start_words(self) -> tuple[str, ...]:
        """The options that say in how many copies and behind what a service is started."""
        copies = ("--instances", str(self.instances)) if self.instances > 1 else ()
        return (*copies, "--tls") if self.tls else copies


@dataclass(frozen=True, slots=True, kw_only=True)
class _StartOptions:
    """How a stack is to be started; nothing of it makes sense for what already runs."""

    port: int | None = None
    keep_up: bool = False
    mode: Mode | None = None
    instances: int | None = None
    tls: bool = False

    def refuse_for_what_runs(self) -> None:
        """Raises UsageError for the first one that was given."""
        if self.keep_up:
            raise UsageError("--keep-up: what already runs stays up anyway; leave it out")
        if self.port is not None:
            raise UsageError(
                f"--port {self.port}: the port of a service that already runs cannot be chosen; leave it out"
            )
        if self.mode is not None:
            raise UsageError(f"--mode {self.mode}: what is attached to is never started; leave it out")
        if self.tls or self.instances is not None:
            option = "--tls" if self.tls else f"--instances {self.instances}"
            raise UsageError(f"{option}: nothing is put in front of what already runs; leave it out")


def select_target(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str = DEFAULT_NAME,
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
    start = _StartOptions(port=port, keep_up=keep_up, mode=mode, instances=instances, tls=tls)
    if url is not None:
        start.refuse_for_what_runs()
        url = _check_url(url, backend, settings)
        known = load_target(target, root()) if target else generic_target(url)
        return TargetSelection(target=known, backend="attach", url=url)
    if backend == "attach":
        start.refuse_for_what_runs()
        return _select_named(target, name, settings)
    found = find_target(target)
    if found.service.url:
        start.refuse_for_what_runs()
        return TargetSelection(target=found, backend="attach", url=_check_url(found.service.url, backend, settings))
    return _select_started(found, backend or DEFAULT_BACKEND, name, settings, start)


def select_for_pytest(*, target: str | None, url: str | None) -> TargetSelection:
    """The same for a session that is told nothing of a stack: the one that is up is used as `--mode auto` does."""
    if url is None:
        found = find_target(target)
        if not found.service.url:
            return _select_started(found, DEFAULT_BACKEND, DEFAULT_NAME, {}, _StartOptions(mode="auto"))
    return select_target(target=target, backend=None, url=url)


def find_target(given: str | None) -> Target:
    """The target of that name or path; in a checkout the reference service is tested where none is given."""
    if given is None and not in_checkout():
        raise UsageError("no target: give --target NAME|PATH (`harness init URL` drafts a profile) or --url URL")
    return load_target(given or DEFAULT_TARGET, root())


def bring_up(
    selection: TargetSelection, listen: Listener, before_service: Callable[[StackInfo], None] | None = None
) -> Stack:
    """Start or find the stack. Raises `StartupError`, `StackError`, `UnreachableError`, `UsageError`.

    Where it is to be kept, its name must be `claimed`.
    """
    if selection.url:
        return attach_url(selection.target, selection.url)
    if selection.name:
        return attach_name(selection.name)
    if selection.file is not None:
        return open_stack(selection.file)
    if selection.passed_over is not None:
        listen(Noted(str(selection.passed_over)))
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
    if selection.keep:
        detach(stack)


def _select_started(
    found: Target, backend: str, name: str, settings: Mapping[str, str], start: _StartOptions
) -> TargetSelection:
    passed_over = None
    if start.mode in ("auto", "reuse"):
        obstacle = _find_obstacle(found, backend, name, settings, start)
        if obstacle is None:
            return TargetSelection(target=found, backend="attach", name=name)
        passed_over = PassedOver(name, obstacle) if obstacle.kind != "absence" else None
    if start.keep_up:
        refuse_taken_name(name)
    return TargetSelection(
        target=found,
        backend=backend,
        overrides=settings,
        port=start.port,
        instances=start.instances or 1,
        tls=start.tls,
        keep=name if start.keep_up else "",
        passed_over=passed_over,
    )


def _find_obstacle(
    found: Target, backend: str, name: str, settings: Mapping[str, str], start: _StartOptions
) -> StackDifference | None:
    """Why the stack that is up under the name cannot be used; raises UsageError with it if it must be."""
    if start.port is not None:
        raise UsageError(f"--mode {start.mode} --port {start.port}: what is up has its port; leave --port out")
    request = StackRequest(
        target=found, backend=backend, overrides=settings, instances=start.instances, tls=start.tls or None
    )
    obstacle = find_obstacle(name, request)
    if obstacle is not None and start.mode == "reuse":
        raise UsageError(
            f"--mode reuse: stack {name!r} cannot be used, since {obstacle.text}; start it (harness up --mode fresh "
            f"--name {name}), or leave --mode out"
        )
    return obstacle


def _check_url(url: str, backend: str | None, settings: Mapping[str, str]) -> str:
    """The URL of a service that runs. Raises UsageError for what contradicts it."""
    url = checked_url(url)
    if backend not in (None, "attach"):
        raise UsageError(f"--stack {backend} starts a service, --url names one that runs: give one of them")
    if settings:
        raise UsageError(f"--env {next(iter(settings))}: settings of a service that already runs cannot be changed")
    return url


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
