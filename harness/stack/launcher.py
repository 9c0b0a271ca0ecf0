"""Starting a stack: servers, then `prepare`, then the service and its workers; all or nothing."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import GroundError, HarnessError, StackError, StartupError, UsageError
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target, setting_secrets
from harness.model import MOST_WORKERS, Listener, Noted, ProgressEvent, Service, StackAdvanced, StackInfo, Target
from harness.stack.attach import AttachedStack
from harness.stack.build import fingerprint
from harness.stack.copies import confirm_ready
from harness.stack.front_proxy import Front, FrontKind, check_front, plan_front, start_behind
from harness.stack.protocol import Backend, ServiceEndpoint, Stack
from harness.stack.readiness import describe_exit
from harness.stack.running import RunningStack, marked, timed
from harness.stack.servers.fingerprint_sources import Sources
from harness.stack.servers.postgres import copy_prepared
from harness.stack.settings import PlaceholderValues, service_settings
from harness.stack.supervisor.client import JoinedSupervision, Supervision
from harness.stack.supervisor.process import MARK, process_stat
from harness.stack.supervisor.registry import (
    Folders,
    Recipe,
    folders_for,
    full_place,
    make_owner_record,
    make_private,
    read_info,
    read_recipe,
    sweep,
    write_info,
    write_owner,
    write_recipe,
)

_MOST_INSTANCES = 64


def silent(event: ProgressEvent) -> None:
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
    kind = _check_backend(backend, target)
    _check_instances(instances)
    worker_count = count_workers(target, workers)
    check_front(front)
    begun, changed = time.monotonic(), dict(overrides or {})
    _clear_up(listen)
    mark = secrets.token_hex(6)
    folders = folders_for(mark, name)
    supervision = Supervision(mark)
    redact = Redactor()
    learn_target(redact, target, changed)
    with _all_or_nothing(supervision, folders, redact) as opened:
        _make_folders(supervision, mark, folders, fingerprint(target))
        supervision.listen(folders.state)
        runner = _open_backend(kind, supervision, folders, target, Sources(target, changed))
        opened.append(runner)
        listen(StackAdvanced(f"starting {', '.join(target.service.needs) or 'no servers'}"))
        servers = runner.start_servers(target.service.needs)
        proxy = plan_front(front, folders.state, mark, port)
        endpoint = _choose_endpoint(runner, proxy, port)
        recipe = Recipe(target=target, values={**servers.values, "host": runner.host})
        write_recipe(folders.state, recipe)
        made_secrets = dict(servers.secrets)
        placeholders = PlaceholderValues(target, recipe.values, made_secrets).at(endpoint)
        settings = service_settings(target, placeholders, endpoint, changed)
        _check_placeholders(target, placeholders)
        redact.learn([*made_secrets.values(), *setting_secrets(settings)])
        info = StackInfo(
            name=name or f"run-{mark}",
            backend=kind,
            target=target.name,
            url=endpoint.public or endpoint.url,
            owned=True,
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            smtp_url=servers.smtp_url,
            mailbox_url=servers.mailbox_url,
            untrusted_url=servers.untrusted_url,
            ca_file=proxy.ca_file if proxy else "",
            key_pin=proxy.key_pin if proxy else "",
            settings=marked(mark, settings),
            secrets=made_secrets,
            overrides=changed,
            state_dir=str(folders.state),
            logs={part: str(runner.log(part)) for part in servers.timings},
            pids=dict(servers.pids),
            timings=dict(servers.timings),
            build=runner.build,
            supervisor_pid=supervision.pid,
        )
        stack = RunningStack(target, info, placeholders, lambda: (supervision, runner))
        write_info(info)
        if before_service is not None:
            before_service(info)
        _prepare(stack, target.service, settings, listen, prepared=servers.prepared)
        _start_service(stack, target, endpoint, proxy, instances, worker_count, listen)
        stack.update(timings={**stack.info.timings, "total": timed(begun)})
        if keep:
            supervision.detach()
            runner.close()
    return stack


def _check_instances(instances: int) -> None:
    if not 1 <= instances <= _MOST_INSTANCES:
        raise UsageError(f"--instances {instances}: from 1 to {_MOST_INSTANCES}")


def _clear_up(listen: Listener) -> None:
    for mark in sweep():
        listen(Noted(f"cleared up what the dead stack {mark} left"))


def front_for(instances: int, *, tls: bool) -> FrontKind | None:
    """What so many instances need in front of them."""
    if tls:
        return "tls"
    return "plain" if instances > 1 else None


def detach(stack: Stack) -> None:
    """Let a named stack that was launched live on after this process; `harness down --name` ends it."""
    if isinstance(stack, RunningStack):
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
        return supervision, _open_backend(info.backend, supervision, folders, recipe.target)

    # their logs lie beside the stack's own: they are still there when the copy is gone
    placeholders = PlaceholderValues(recipe.target, recipe.values, dict(info.secrets))
    target = recipe.target
    if start_timeout_s is not None:
        target = replace(target, service=replace(target.service, start_timeout_s=start_timeout_s))
    if without:
        env = {name: value for name, value in target.service.env.items() if name != without}
        target = replace(target, service=replace(target.service, env=env))
        info = replace(info, overrides={name: value for name, value in info.overrides.items() if name != without})
    return RunningStack(target, info, placeholders, open_backend, mark=mark)


def join_stack(
    path: Path,
    name: str,
    target: Target | None = None,
    overrides: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> RunningStack:
    """Open the stack that a `stack.json` describes so that what is started of it is its own and lives as long as it
    does; `stop` only leaves it. `name` parts the names of what is started from all others. With another `target`,
    `overrides` or `values` of placeholders, `info.settings` are what its copies get from now on.

    Raises StackError where it is no stack of ours, or takes no orders.
    """
    info = read_info(path)
    if info.backend != "embedded":
        raise StackError(f"stack {info.name} is {info.backend}: only processes of an embedded stack are moved")
    recipe = read_recipe(path.parent)
    asked = target or recipe.target
    pid = info.supervisor_pid or 0
    stat = process_stat(pid)
    supervision = JoinedSupervision(info.settings[MARK], pid, stat[2] if stat else 0, path.parent, info.pids)
    folders = Folders(home=path.parent, data=path.parent, state=path.parent)
    backend = _open_backend("embedded", supervision, folders, asked)
    placeholders = PlaceholderValues(asked, {**recipe.values, **(values or {})}, dict(info.secrets))
    changed = info.overrides if overrides is None else overrides
    endpoint = ServiceEndpoint(int(info.settings["PORT"]), info.instances[0].url, public=info.url)
    settings = marked(supervision.mark, service_settings(asked, placeholders, endpoint, changed))
    info = replace(info, settings=settings, overrides=changed)
    return RunningStack(asked, info, placeholders, lambda: (supervision, backend), mark=name)


def count_workers(target: Target, asked: int | None) -> int:
    """How many workers a stack starts. Raises UsageError for a number that cannot be."""
    if not target.workers.command:
        if asked:
            raise UsageError(f"--workers {asked}: {target.source or target.name} has no [workers] command; add it")
        return 0
    count = target.workers.count if asked is None else asked
    if not 0 <= count <= MOST_WORKERS:
        raise UsageError(f"--workers {count}: from 0 to {MOST_WORKERS}")
    return count


def _prepare(
    stack: RunningStack, service: Service, settings: Mapping[str, str], listen: Listener, *, prepared: bool
) -> None:
    """Run the profile's commands before the service starts: those of `prepare_cached` only if nothing was kept.

    Raises StartupError for one that fails; nothing is kept then.
    """
    begun = time.monotonic()
    if service.prepare_cached or service.prepare:
        listen(StackAdvanced("preparing the service's data"))
    if service.prepare_cached and not prepared:
        stack.prepare("prepare_cached", service.prepare_cached, settings)
        stack.update(pids={**stack.info.pids, **stack.backend.cache_prepared(listen)})
    stack.prepare("prepare", service.prepare, settings)
    if service.prepare_cached or service.prepare:
        stack.update(timings={**stack.info.timings, "prepare": time.monotonic() - begun})
    if stack.info.database_url is not None:
        try:
            copy_prepared(urlsplit(stack.info.database_url).port or 0, stack.info.secrets["postgres_superuser"])
        except StackError as error:
            # without it the stack is as good as with it; only tests that want a database of their own are skipped
            listen(Noted(error.message))


def _start_service(
    stack: RunningStack,
    target: Target,
    endpoint: ServiceEndpoint,
    proxy: Front | None,
    instances: int,
    workers: int,
    listen: Listener,
) -> None:
    """All begin before any is waited for; a service that fails is told before a worker, since it says more."""
    begun = time.monotonic()
    listen(StackAdvanced("starting the service"))
    overrides = stack.info.overrides
    working = [stack.begin_worker({}) for _ in range(workers)]
    wanted = (endpoint, *[None] * (instances - 1))
    started = stack.start_copies(overrides, wanted) if proxy is None else start_behind(stack, target, proxy, wanted)
    stack.update(instances=started, timings={**stack.info.timings, "service": timed(begun)})
    for worker in working:
        stack.await_worker(worker)
    if working:
        stack.update(workers=tuple(working), timings={**stack.info.timings, "workers": timed(begun)})
    for instance in started:
        confirm_ready(instance, target, stack.backend, begun)


@contextlib.contextmanager
def _all_or_nothing(supervision: Supervision, folders: Folders, redact: Redactor) -> Iterator[list[Backend]]:
    """End what a start that failed had started, and close the backends that were put into the list.

    A full disk is named as such: what fails on it says so in many ways, or not at all. A service that ends prints what
    it was given: what is shown of it to whoever asked has no secret in it.
    """
    opened: list[Backend] = []
    try:
        yield opened
    except BaseException as error:
        full = full_place(folders) if isinstance(error, OSError | StackError) else None
        dead = _dead_server(supervision) if isinstance(error, StartupError) else None
        supervision.down(hurried=isinstance(error, KeyboardInterrupt))
        for backend in opened:
            backend.close()
        if isinstance(error, HarnessError):
            error.message, error.output = redact(error.message), redact(error.output)
        if full is None and dead is not None:
            raise GroundError(f"{dead} while the service was started, which could not start without it") from error
        if full is None:
            raise
        said = f"no space is left in {full}, where the stack's files are; free some, or set TMPDIR to another folder"
        raise StackError(said, output=error.output if isinstance(error, StackError) else "") from error


def _dead_server(supervision: Supervision) -> str | None:
    """Which server of the stack ended while it was needed, and how; None if all run."""
    try:
        for name in ("postgres", "valkey", "smtp"):
            status = supervision.exit_status(name) if name in supervision.pids else None
            if status is not None:
                return f"{name} {describe_exit(status)}"
    except GroundError as error:
        return error.message
    return None


def _choose_endpoint(backend: Backend, front: Front | None, port: int | None) -> ServiceEndpoint:
    """Where the first copy of the service will listen: at the wanted port, unless that is the proxy's."""
    if front is None:
        return backend.choose_endpoint(port)
    return replace(backend.choose_endpoint(None), public=front.url)


def _check_backend(backend: str, target: Target) -> Literal["embedded", "docker"]:
    """The backend of that name. Raises UsageError where it cannot start the target."""
    service, where = target.service, target.source or target.name
    match backend:
        case "embedded":
            if not service.command:
                raise UsageError(f"{where}: service.command is missing, and the embedded backend runs no image; add it")
            if not Path(service.cwd).is_dir():
                raise UsageError(f"{where}: service.cwd: there is no folder {service.cwd}; correct it")
            return "embedded"
        case "docker":
            if not service.image and not service.dockerfile:
                raise UsageError(f"{where}: the docker backend needs service.image or service.dockerfile; add one")
            return "docker"
        case _:
            raise UsageError(f"no backend {backend!r} starts a service; choose embedded or docker")


def _open_backend(
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
    owner = make_owner_record(mark, supervision.pid, supervision.start, folders.outermost, digest)
    for folder in {folders.home, folders.data}:
        folder.mkdir(mode=0o711)
        # whatever the umask: the servers' user passes through
        folder.chmod(0o711)
    make_private(folders.state)
    for folder in {folders.home, folders.state}:
        write_owner(folder, owner)
    for part in ("logs", "tmp"):
        make_private(folders.state / part)


def _check_placeholders(target: Target, placeholders: PlaceholderValues) -> None:
    """Find an unknown placeholder before anything of the service runs."""
    placeholders.fill_command(target.service.command, "service.command")
    for command in target.service.prepare_cached:
        placeholders.fill_command(command, "service.prepare_cached")
    for command in target.service.prepare:
        placeholders.fill_command(command, "service.prepare")
    placeholders.fill_command(target.workers.command, "workers.command")
