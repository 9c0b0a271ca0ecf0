"""Starting a stack: servers, then `prepare`, then the service and its workers; all or nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, StackError, UsageError
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target, setting_secrets
from harness.model import MOST_WORKERS, Listener, Progress, StackInfo, Target
from harness.stack.attach import AttachedStack
from harness.stack.build import fingerprint
from harness.stack.copies import confirm_ready
from harness.stack.front_proxy import Front, FrontKind, check_front, plan_front, start_behind
from harness.stack.protocol import Backend, Place, Servers, Stack
from harness.stack.running import RunningStack, marked, timed
from harness.stack.servers.fingerprint_sources import Sources
from harness.stack.servers.prepare import prepare
from harness.stack.settings import Words, service_settings
from harness.stack.supervisor.client import Supervision
from harness.stack.supervisor.registry import (
    Folders,
    Recipe,
    folders_for,
    full_place,
    keeper_of,
    make_private,
    read_info,
    read_recipe,
    sweep,
    write_info,
    write_keeper,
    write_recipe,
)

_MOST_INSTANCES = 64


def silent(progress: Progress) -> None:
    """A listener that shows nothing."""


def launch(
    target: Target,
    *,
    backend: str = "embedded",
    overrides: Mapping[str, str] | None = None,
    instances: int = 1,
    workers: int | None = None,
    name: str | None = None,
    port: int | None = None,
    front: FrontKind | None = None,
    before_service: Callable[[StackInfo], None] | None = None,
    listen: Listener = silent,
    keep: bool = False,
) -> RunningStack:
    """Start a target with its servers; returns when all of it is ready.

    `workers` is how many start beside it; None for as many as the profile says. With a `front` the stack's URL, at
    `port`, is that of a proxy before its instances.
    Without a `name` the stack is private. It dies with this process, unless `keep` lets it live on once it is ready.
    `before_service` is called when the servers answer and the settings are known, before any process of the service.

    Raises UsageError or ConfigError for what cannot be asked for, StartupError if the service or a worker exits or
    never gets ready (its log's tail in `output`), StackError for everything that is the stack's fault. Nothing is left
    then.
    """
    kind = _checked(target, backend, instances)
    worker_count = worker_count_of(target, workers)
    check_front(front)
    begun = time.monotonic()
    for mark in sweep():
        listen(Progress(phase="note", text=f"cleared up what the dead stack {mark} left"))
    mark = secrets.token_hex(6)
    folders = folders_for(mark, name)
    supervision = Supervision(mark)
    ground: Backend | None = None
    redact = Redactor()
    learn_target(redact, target, overrides)
    try:
        _make_folders(supervision, mark, folders, fingerprint(target))
        ground = _backend(kind, supervision, folders, target, Sources(target, overrides or {}))
        listen(Progress(phase="stack", text=f"starting {', '.join(target.service.needs) or 'no servers'}"))
        servers = ground.start_servers(target.service.needs)
        proxy = plan_front(front, folders.state, mark, port)
        place = ground.place(port) if proxy is None else replace(ground.place(None), public=proxy.url)
        secret = dict(servers.secrets)
        values = {**servers.values, "host": ground.host}
        write_recipe(folders.state, Recipe(target=target, values=values))
        words = Words(target, values, secret).at(place)
        settings = service_settings(target, words, place, overrides or {})
        _check_words(target, words)
        info = _info(target, kind, name or f"run-{mark}", place, servers, folders.state)
        info = replace(
            info,
            settings=marked(mark, settings),
            secrets=secret,
            overrides=dict(overrides or {}),
            logs={part: str(ground.log(part)) for part in servers.timings},
            supervisor_pid=supervision.pid,
            build=ground.build,
            ca_file=proxy.ca_file if proxy else "",
            key_pin=proxy.key_pin if proxy else "",
        )
        redact.learn([*secret.values(), *setting_secrets(settings)])
        opened = (supervision, ground)
        stack = RunningStack(target, info, words, lambda: opened)
        write_info(info)
        if before_service is not None:
            before_service(info)
        prepare(stack, target.service, settings, listen, prepared=servers.prepared)
        _start_service(stack, target, place, proxy, instances, worker_count, listen)
        stack.update(timings={**stack.info.timings, "total": timed(begun)})
        if keep:
            supervision.detach()
            ground.close()
    except BaseException as error:
        full = full_place(folders) if isinstance(error, OSError | StackError) else None
        supervision.down()
        if ground is not None:
            ground.close()
        if isinstance(error, HarnessError):
            # a service that ends prints what it was given, and this is shown to whoever asked
            error.message, error.output = redact(error.message), redact(error.output)
        if full is not None:
            said = (
                f"no space is left in {full}, where the stack's files are; free some, or set TMPDIR to another folder"
            )
            raise StackError(said, output=error.output if isinstance(error, StackError) else "") from error
        raise
    return stack


def detach(stack: RunningStack) -> None:
    """Let a named stack live on after this process; `harness down --name` ends it."""
    stack.supervision.detach()


def open_stack(path: Path, start_timeout_s: float | None = None, *, without: str = "") -> Stack:
    """Open the stack that a `stack.json` describes. Further copies of its service have a supervisor of their own, which
    ends with this process; the stack itself is never stopped by it. Raises StackError if the file is not one.

    `start_timeout_s` is how long a copy has to become ready, where that is not what the profile says; `without` names a
    setting that copies do not get.
    """
    info = read_info(path)
    if info.backend == "attach":
        return AttachedStack(info, Supervision(secrets.token_hex(6)))
    recipe = read_recipe(path.parent)
    mark = secrets.token_hex(6)

    def open_backend() -> tuple[Supervision, Backend]:
        supervision = Supervision(mark)
        folders = Folders(home=path.parent, data=path.parent, state=path.parent)
        return supervision, _backend(info.backend, supervision, folders, recipe.target)

    # their logs lie beside the stack's own: they are still there when the copy is gone
    words = Words(recipe.target, recipe.values, dict(info.secrets))
    target = recipe.target
    if start_timeout_s is not None:
        target = replace(target, service=replace(target.service, start_timeout_s=start_timeout_s))
    if without:
        env = {name: value for name, value in target.service.env.items() if name != without}
        target = replace(target, service=replace(target.service, env=env))
        info = replace(info, overrides={name: value for name, value in info.overrides.items() if name != without})
    return RunningStack(target, info, words, open_backend, mark=mark)


def worker_count_of(target: Target, asked: int | None) -> int:
    """How many workers a stack starts. Raises UsageError for a number that cannot be."""
    if not target.workers.command:
        if asked:
            raise UsageError(f"--workers {asked}: {target.source or target.name} has no [workers] command; add it")
        return 0
    count = target.workers.count if asked is None else asked
    if not 0 <= count <= MOST_WORKERS:
        raise UsageError(f"--workers {count}: from 0 to {MOST_WORKERS}")
    return count


def _start_service(
    stack: RunningStack,
    target: Target,
    place: Place,
    proxy: Front | None,
    instances: int,
    workers: int,
    listen: Listener,
) -> None:
    """All begin before any is waited for; a service that fails is told before a worker, since it says more."""
    begun = time.monotonic()
    listen(Progress(phase="stack", text="starting the service"))
    overrides = stack.info.overrides
    working = [stack.begin_worker({}) for _ in range(workers)]
    wanted = (place, *[None] * (instances - 1))
    started = stack.start_copies(overrides, wanted) if proxy is None else start_behind(stack, target, proxy, wanted)
    stack.update(instances=started, timings={**stack.info.timings, "service": timed(begun)})
    for worker in working:
        stack.await_worker(worker)
    if working:
        stack.update(workers=tuple(working), timings={**stack.info.timings, "workers": timed(begun)})
    for instance in started:
        confirm_ready(instance, target, stack.backend, begun)


def _checked(target: Target, backend: str, instances: int) -> Literal["embedded", "docker"]:
    where = target.source or target.name
    if backend not in ("embedded", "docker"):
        raise UsageError(f"no backend {backend!r} starts a service; choose embedded or docker")
    if backend == "embedded" and not target.service.command:
        raise UsageError(f"{where}: service.command is missing, and the embedded backend runs no image; add it")
    if backend == "embedded" and not Path(target.service.cwd).is_dir():
        raise UsageError(f"{where}: service.cwd: there is no folder {target.service.cwd}; correct it")
    if backend == "docker" and not target.service.image and not target.service.dockerfile:
        raise UsageError(f"{where}: the docker backend needs service.image or service.dockerfile; add one")
    if not 1 <= instances <= _MOST_INSTANCES:
        raise UsageError(f"--instances {instances}: from 1 to {_MOST_INSTANCES}")
    return "embedded" if backend == "embedded" else "docker"


def _backend(
    kind: Literal["embedded", "docker", "attach"],
    supervision: Supervision,
    folders: Folders,
    target: Target,
    sources: Sources | None = None,
) -> Backend:
    if kind == "embedded":
        from harness.stack.embedded import EmbeddedBackend

        return EmbeddedBackend(supervision, folders, target, sources)
    from harness.stack.docker.backend import DockerBackend

    return DockerBackend(supervision, folders, target)


def _make_folders(supervision: Supervision, mark: str, folders: Folders, digest: str) -> None:
    """Entrust each folder to the supervisor before it exists, then make it."""
    for folder in folders.outermost:
        supervision.own_folder(folder)
    keeper = keeper_of(mark, supervision.pid, supervision.start, folders.outermost, digest)
    for folder in {folders.home, folders.data}:
        folder.mkdir(mode=0o711)
        # whatever the umask: the servers' user passes through
        folder.chmod(0o711)
    make_private(folders.state)
    for folder in {folders.home, folders.state}:
        write_keeper(folder, keeper)
    for part in ("logs", "tmp"):
        make_private(folders.state / part)


def _check_words(target: Target, words: Words) -> None:
    """Find an unknown placeholder before anything of the service runs."""
    words.command(target.service.command, "service.command")
    for command in target.service.prepare_cached:
        words.command(command, "service.prepare_cached")
    for command in target.service.prepare:
        words.command(command, "service.prepare")
    words.command(target.workers.command, "workers.command")


def _info(
    target: Target, kind: Literal["embedded", "docker"], name: str, place: Place, servers: Servers, state: Path
) -> StackInfo:
    return StackInfo(
        name=name,
        backend=kind,
        target=target.name,
        url=place.public or place.url,
        owned=True,
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        smtp_url=servers.smtp_url,
        mailbox_url=servers.mailbox_url,
        untrusted_url=servers.untrusted_url,
        state_dir=str(state),
        pids=dict(servers.pids),
        timings=dict(servers.timings),
    )
