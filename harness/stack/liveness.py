"""Whether what was started lives, and is well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.model import Instance, StackInfo, Worker
from harness.stack.protocol import Stack
from harness.stack.readiness import describe_exit, service_problem
from harness.stack.supervisor.process import MARK, owned_by, process_stat
from harness.stack.supervisor.registry import read_recipe

_HEALTH_SECONDS = 5.0


def processes_of(info: StackInfo) -> tuple[Instance | Worker, ...]:
    """The copies of the service and the workers that a stack was started with."""
    return (*info.instances, *info.workers)


def ended_processes(stack: Stack) -> Mapping[str, str]:
    """How each of them ended that has, by name."""
    ended: dict[str, str] = {}
    for process in processes_of(stack.info):
        status = stack.exit_status(process.name)
        if status is not None:
            ended[process.name] = describe_exit(status)
        elif not _lives(process, stack.info):
            ended[process.name] = "has ended"
    return ended


def health_problem(info: StackInfo) -> str | None:
    """Why a stack is not ready now; None if all instances and the proxy in front are, and its workers live."""
    target = read_recipe(Path(info.state_dir)).target
    timeout = min(target.service.timeout_s, _HEALTH_SECONDS)
    for url in dict.fromkeys([*(instance.url for instance in info.instances), info.url]):
        problem = service_problem(url, target.health, timeout, info.ca_file)
        if problem is not None:
            return f"{url}: {problem}"
    ended = [worker.name for worker in info.workers if not _lives(worker, info)]
    if ended:
        return f"{', '.join(ended)} has ended"
    return None if info.instances else "it has no instance"


def _lives(process: Instance | Worker, info: StackInfo) -> bool:
    """Whether it runs under the stack's supervisor, or what its command left when it ended does; so does one that
    nobody can see.
    """
    if process.pid is None or _is_child(process.pid, info):
        return True
    return bool(owned_by(info.settings.get(MARK, ""), (), process.name))


def _is_child(pid: int, info: StackInfo) -> bool:
    # a recycled pid is another one's child
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == info.supervisor_pid
