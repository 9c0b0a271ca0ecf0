"""Whether what was started lives, and is well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.model import Instance, StackInfo, Worker
from harness.stack.protocol import Stack
from harness.stack.readiness import describe_exit, service_problem
from harness.stack.supervisor.process import process_stat
from harness.stack.supervisor.registry import read_recipe

_HEALTH_SECONDS = 5.0


def processes_of(info: StackInfo) -> tuple[Instance | Worker, ...]:
    """The copies of the service and the workers that a stack was started with."""
    return (*info.instances, *info.workers)


def supervisor_lives(info: StackInfo) -> bool:
    """Whether the parent of all processes of a stack is there; true of a stack that has none of ours.

    They end with it: once it is gone, none of them can be blamed for being gone too.
    """
    if info.supervisor_pid is None:
        return True
    stat = process_stat(info.supervisor_pid)
    return stat is not None and stat[0] not in "ZX"


def ended_processes(stack: Stack) -> Mapping[str, str]:
    """How each of them ended that has, by name."""
    ended: dict[str, str] = {}
    for process in processes_of(stack.info):
        status = stack.exit_status(process.name)
        if status is not None:
            ended[process.name] = describe_exit(status)
        elif process.pid is not None and not _is_child(process.pid, stack.info):
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
    ended = [worker.name for worker in info.workers if worker.pid is not None and not _is_child(worker.pid, info)]
    if ended:
        return f"{', '.join(ended)} has ended"
    return None if info.instances else "it has no instance"


def _is_child(pid: int, info: StackInfo) -> bool:
    """Whether the process runs under the stack's supervisor (and is not another one with a recycled pid)."""
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == info.supervisor_pid
