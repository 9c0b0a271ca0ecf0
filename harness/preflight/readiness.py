"""Does the service call itself ready without the servers that it needs?

Tried with further copies of it, each with the address of one server replaced by one where nobody listens: such a copy
must end or say that it is not ready. One more copy, with every server, shows that a copy can become ready at all.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from harness.errors import GroundError, StackError, StartupError
from harness.model import StackInfo, Target
from harness.preflight.check import CannotAskError, Finding, Scene, fine, nothing_to_ask, unknown, wrong
from harness.stack import open_stack

LEAST_PATIENCE_S = 3.0
"""A copy has at least so long to call itself ready."""
_STARTS = 3
"""Or as long as so many starts of the first copy took: the copies share the machine."""
_SERVERS = {"database": "{database_url}", "cache": "{redis_url}"}
_ADDRESS = re.compile(r"(?<=://)([^/@]*@)?[^/?#]+")


def check_readiness(scene: Scene) -> Finding:
    """Without its database, and without its cache server, no copy of the service becomes ready."""
    target, info = scene.target, scene.info
    if not target.health.ready:
        return nothing_to_ask("the profile names no ready path")
    if not info.owned or info.backend == "attach":
        return unknown("the service was started by somebody else: no copy of it can be started here")
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))  # held and not listened at: refuses whoever comes
        tries = _tries(target, info, held.getsockname()[1])
        if not tries:
            return nothing_to_ask("the profile names no setting with the address of a server that it must have")
        patience_s = min(
            target.service.start_timeout_s, max(LEAST_PATIENCE_S, _STARTS * info.timings.get("service", 0.0))
        )
        with ThreadPoolExecutor() as pool:
            control = pool.submit(_start, info, {}, patience_s)
            waits = {name: pool.submit(_start, info, settings, patience_s) for name, settings in tries.items()}
    if control.result():
        return unknown(f"a copy with all its servers does not become ready either: {control.result()}")
    ended = {name: wait.result() for name, wait in waits.items()}
    lies = [name for name, how in ended.items() if not how]
    told = {"without": {name: how or "ready" for name, how in ended.items()}, "patience_s": patience_s}
    if lies:
        return wrong(
            f"{target.health.ready} says ready without the {' and without the '.join(lies)}",
            "let it ask each server that the service needs, or say [health] optional in the profile",
            value=float(len(lies)),
            n=len(ended),
            detail=told,
        )
    return fine(f"not ready without its {' or its '.join(ended)}", value=0.0, n=len(ended), detail=told)


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
                if placeholder in value
            }
        )
    }


def _start(info: StackInfo, overrides: Mapping[str, str], seconds: float) -> str:
    """Start a copy and end it again; "" if it became ready, else how it did not."""
    with open_stack(Path(info.state_dir, "stack.json"), start_timeout_s=seconds) as stack:
        try:
            stack.stop_instance(stack.start_instance(overrides))
        except GroundError as error:
            raise CannotAskError(f"no copy can be started: {error.message}", "start the stack anew") from error
        except StartupError as error:
            return error.message.partition(": `")[0]
        except StackError as error:
            raise CannotAskError(f"no copy can be started: {error.message}", "start the stack anew") from error
    return ""
