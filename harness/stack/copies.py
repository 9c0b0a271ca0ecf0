"""A copy of the service between its start and the moment it is known to be ready."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import StartupError
from harness.model import Instance, Target
from harness.stack.ports import HOST, held_by, is_free, listening_at
from harness.stack.protocol import Backend, ServiceEndpoint
from harness.stack.readiness import TAIL_LINES, describe_exit, service_problem, tail, wait_until

_MOST_PLACES = 5


class PortLostError(Exception):
    """The service ended, and somebody else listens at its port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingCopy:
    """A copy that was started and is not yet known to be ready."""

    name: str
    endpoint: ServiceEndpoint
    argv: tuple[str, ...]
    begun: float
    """When it was started, on the monotonic clock; its deadline counts from here, however many start at once."""


def await_ready(copy: StartingCopy, target: Target, backend: Backend) -> None:
    """Wait until a copy answers as the profile's `[health]` says.

    Raises StartupError with its log's tail if it ended or is not ready in time; PortLostError if somebody took its port
    before it did.
    """
    service, endpoint = target.service, copy.endpoint
    left = max(0.0, copy.begun + service.start_timeout_s - time.monotonic())
    wait = wait_until(
        lambda: service_problem(endpoint.url, target.health, service.timeout_s),
        lambda: backend.exit_status_of_all(copy.name),
        left,
    )
    if wait.ready:
        pid = backend.pid(copy.name)
        if pid is not None and held_by(endpoint.outside, backend.processes(copy.name)) is False:
            # somebody else's answer; our process has not yet found out that its port is gone
            backend.stop(copy.name)
            raise PortLostError
        if pid is not None and held_by(endpoint.outside, {pid}) is False:
            # ready before the command that makes it a daemon has ended
            backend.expect_heirs(copy.name)
        return
    spent = f"after {time.monotonic() - copy.begun:.1f} s"
    if wait.status is not None:
        left_behind = backend.processes(copy.name)
        if not is_free(endpoint.outside) and not held_by(endpoint.outside, left_behind):
            raise PortLostError
        said = f"the service {describe_exit(wait.status)} {spent}, before it was ready"
        if left_behind:
            backend.stop(copy.name)
    else:
        elsewhere = _listens_elsewhere(endpoint, listening_at(backend.processes(copy.name)))
        backend.stop(copy.name)
        said = f"the service was not ready {spent} ({wait.problem}{elsewhere})"
    raise StartupError(
        f"{said}: `{shlex.join(copy.argv)}`; the last {TAIL_LINES} lines of its log follow",
        output=tail(backend.log(copy.name)),
        how=said,
    )


def _listens_elsewhere(endpoint: ServiceEndpoint, places: Sequence[str]) -> str:
    """What to say of a service that listens, and where nobody asks it: at another port, or at [::1] alone."""
    port = f":{endpoint.outside}"
    if not places or any(at.endswith(port) and not at.startswith("[::1]") for at in places):
        return ""
    found = ", ".join(places[:_MOST_PLACES])
    return f"; it listens at {found}, and not at {HOST}{port}, as {{host}} and {{port}} (or PORT) say"


def confirm_ready(instance: Instance, target: Target, backend: Backend, begun: float) -> None:
    """Ask a copy that was ready once more, now that all of its stack is: some say so once, and fail or end then.

    `begun` is when its start was, on the monotonic clock. Raises StartupError with its log's tail.
    """
    problem = service_problem(instance.url, target.health, target.service.timeout_s)
    if problem is None:
        return
    status = backend.exit_status(instance.name)
    how = describe_exit(status) if status is not None else f"is so no longer: {problem}"
    raise StartupError(
        f"the service was ready, and {how} after {time.monotonic() - begun:.1f} s: "
        f"`{shlex.join(target.service.command)}`; the last {TAIL_LINES} lines of its log follow",
        output=tail(backend.log(instance.name)),
    )
