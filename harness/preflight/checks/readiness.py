"""Does the service call itself ready without the servers that it needs?

Tried with further copies of it, each with the address of one server replaced by one where nobody listens: such a copy
must end or say that it is not ready. One more copy, with every server, shows that a copy can become ready at all.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError, StartupError
from harness.model import StackInfo, Target
from harness.model.placeholders import placeholders
from harness.preflight.check import CannotAskError, Check, ReadinessFinding, Scene, fine, nothing_to_ask, unknown, wrong
from harness.preflight.checks.servers import connect_database
from harness.stack import Stack, open_stack
from harness.stack.readiness import service_problem
from harness.stack.servers.clients import TIMEOUT_S

LEAST_PATIENCE_S = 2.5
"""A copy has at least so long to become ready, or twice as long as the first start took: they share the machine."""
_MARGIN_S = 1.0
"""So much later than the copy that has all servers, one that lacks some must not be ready either."""
_SERVERS = {"database": "database_url", "cache": "redis_url"}
"""What a service may need to be ready -> the placeholder of its address."""
_ADDRESS = re.compile(r"(?<=://)([^/@]*@)?[^/?#]+")


@dataclass(frozen=True, slots=True)
class _Try:
    """How starting a copy went."""

    refusal: str | None
    """How it did not become ready; None if it did."""
    seconds: float


def check_readiness(scene: Scene) -> ReadinessFinding:
    """Without its database, and without its cache server, no copy of the service becomes ready."""
    target, info = scene.target, scene.info
    skipped = _not_tried(target, info)
    if skipped is not None:
        return skipped
    with closing(socket.socket()) as held, ThreadPoolExecutor() as pool:
        held.bind(("127.0.0.1", 0))  # held and not listened at: refuses whoever comes
        tries = _tries(target, info, held.getsockname()[1])
        if not tries:
            return nothing_to_ask("the profile names no setting with the address of a server that it must have")
        patience_s = max(LEAST_PATIENCE_S, 2 * info.timings.get("service", 0.0))
        control = pool.submit(_start, info, {}, target.service.start_timeout_s)
        ended = _start_all(pool, info, tries, patience_s)
        whole = control.result()
        if whole.refusal is not None:
            return unknown(f"a copy with all its servers does not become ready either: {whole.refusal}")
        if whole.seconds + _MARGIN_S > patience_s:
            patience_s = 2 * whole.seconds + _MARGIN_S
            ended = _start_all(pool, info, tries, patience_s)
        # one answer may have been another service's, at a port that it took and left: whoever lies does so again
        again = {name: settings for name, settings in tries.items() if ended[name] is None}
        ended |= _start_all(pool, info, again, patience_s)
    return _found(target, ended, patience_s)


def _not_tried(target: Target, info: StackInfo) -> ReadinessFinding | None:
    """Why no copy is started, where that would prove nothing."""
    if not target.health.ready:
        return nothing_to_ask("the profile names no ready path")
    if not info.owned or info.backend == "attach":
        return unknown("the service was started by somebody else: no copy of it can be started here")
    # of a frozen server its own check tells; copies would wait for it as long as a start may take
    problem = service_problem(info.url, target.health, min(TIMEOUT_S, target.service.timeout_s), info.ca_file)
    if problem is not None:
        return unknown(f"the service itself is not ready: {problem}")
    if info.database_url is not None and info.database_url.startswith("postgres"):
        # one that is frozen still serves the connections that the service has, and lets no copy in
        connect_database(info.database_url).close()
    return None


def _found(target: Target, ended: Mapping[str, str | None], patience_s: float) -> ReadinessFinding:
    lies = [name for name, refusal in ended.items() if refusal is None]
    told = {"without": {name: refusal or "ready" for name, refusal in ended.items()}, "patience_s": patience_s}
    if lies:
        return wrong(
            f"{target.health.ready} says ready without the {' and without the '.join(lies)}",
            "let it ask each server that the service needs, or say [health] optional in the profile",
            value=float(len(lies)),
            n=len(ended),
            detail=told,
        )
    return fine(f"not ready without its {' or its '.join(ended)}", value=0.0, n=len(ended), detail=told)


def _start_all(
    pool: ThreadPoolExecutor, info: StackInfo, tries: Mapping[str, Mapping[str, str]], seconds: float
) -> dict[str, str | None]:
    """How each copy did not become ready; None for one that did."""
    begun = {name: pool.submit(_start, info, settings, seconds) for name, settings in tries.items()}
    return {name: start.result().refusal for name, start in begun.items()}


def _tries(target: Target, info: StackInfo, port: int) -> dict[str, dict[str, str]]:
    """What each try overrides: every setting that the profile gives that server's address to."""
    return {
        name: replaced
        for name, placeholder in _SERVERS.items()
        if name not in target.health.optional
        and (
            replaced := {
                key: _ADDRESS.sub(rf"\g<1>127.0.0.1:{port}", info.settings[key], count=1)
                for key, value in target.service.env.items()
                if placeholder in placeholders(value)
            }
        )
    }


def _start(info: StackInfo, overrides: Mapping[str, str], seconds: float) -> _Try:
    with open_stack(Path(info.state_dir, "stack.json"), start_timeout_s=seconds) as stack:
        begun = time.monotonic()
        error = start_copy(stack, overrides)
        return _Try(error.how if error is not None else None, time.monotonic() - begun)


def start_copy(stack: Stack, overrides: Mapping[str, str]) -> StartupError | None:
    """Start a copy of the service: the error of one that did not become ready. Raises `CannotAskError`."""
    try:
        stack.start_instance(overrides)
    except StartupError as error:
        return error
    except StackError as error:
        raise CannotAskError(f"no copy can be started: {error.message}", "start the stack anew") from error
    return None


CHECKS = (
    Check(
        id="preflight.readiness",
        order=200,
        subject="service",
        title="ready only with its servers",
        ask=check_readiness,
        live=True,
        starts=True,
    ),
)
