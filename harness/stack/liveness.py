"""Which processes of the target have ended before anybody ended them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import Instance, StackInfo, Worker
from harness.stack.protocol import Stack
from harness.stack.readiness import how_it_ended
from harness.stack.running import RunningStack
from harness.stack.supervisor.process import process_stat


def processes_of(info: StackInfo) -> tuple[Instance | Worker, ...]:
    """The copies of the service and the workers that a stack was started with."""
    return (*info.instances, *info.workers)


def ended_processes(stack: Stack) -> Mapping[str, str]:
    """How each of them ended that has, by name."""
    ended: dict[str, str] = {}
    for process in processes_of(stack.info):
        status = stack.exit_status(process.name) if isinstance(stack, RunningStack) else None
        if status is not None:
            ended[process.name] = how_it_ended(status)
        elif process.pid is not None and not is_child(process.pid, stack.info):
            ended[process.name] = "has ended"
    return ended


def is_child(pid: int, info: StackInfo) -> bool:
    """Whether the process runs under the stack's supervisor (and is not another one with a recycled pid)."""
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == info.supervisor_pid
