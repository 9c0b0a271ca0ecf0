"""Does the service refuse to start without each setting that it must have?

A default that nobody sees is how a release comes to sign logins with a key that stands in the repository. Tried with
further copies of the service, each without one setting: such a copy must not become ready, and must name what it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.errors import StartupError
from harness.model import StackInfo
from harness.preflight.check import Check, ReadinessFinding, Scene, fine, nothing_to_ask, unknown, wrong
from harness.preflight.checks.readiness import start_copy
from harness.preflight.checks.settings import filed_settings
from harness.stack import open_stack

_AT_ONCE = 3
"""Copies that start side by side: those that refuse do so before they have loaded much."""


def check_required_settings(scene: Scene) -> ReadinessFinding:
    """Without any one of the profile's `required_env` no copy of the service becomes ready, and each says why."""
    target, info = scene.target, scene.info
    if not target.service.required_env:
        return nothing_to_ask("the profile names no required_env")
    if not info.owned or info.backend == "attach":
        return unknown("the service was started by somebody else: no copy of it can be started here")
    filed = filed_settings(scene)
    # what its own file says is there whatever the environment lacks
    names = [name for name in target.service.required_env if name in info.settings and name not in filed]
    if not names:
        return nothing_to_ask("the profile names no required_env that a copy could lack: a file gives them all")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        said = dict(zip(names, pool.map(lambda name: _start_without(info, name), names), strict=True))
        # one answer may have been another service's, at a port that it took and left: who starts does so again
        again = [name for name in names if said[name] is None]
        said.update(zip(again, pool.map(lambda name: _start_without(info, name), again), strict=True))
    return _found(said)


def _found(said: Mapping[str, StartupError | None]) -> ReadinessFinding:
    lax = [name for name, error in said.items() if error is None]
    mute = [name for name, error in said.items() if error is not None and name not in f"{error.how}\n{error.output}"]
    told = {"without": {name: error.how if error is not None else "ready" for name, error in said.items()}}
    if lax:
        return wrong(
            f"the service starts without {', '.join(lax)}, as if nothing were missing",
            "give a required setting no default, or take it out of [service] required_env",
            value=float(len(lax)),
            unit="variables",
            n=len(said),
            detail=told,
        )
    if mute:
        return unknown(f"without {mute[0]} no copy starts, but none names it: {told['without'][mute[0]]}")
    return fine(
        f"does not start without any of {len(said)} required variables, and names it",
        value=0.0,
        unit="variables",
        n=len(said),
        detail=told,
    )


def _start_without(info: StackInfo, name: str) -> StartupError | None:
    """The error of a copy without that setting; None if it became ready."""
    with open_stack(Path(info.state_dir, "stack.json"), without=name) as stack:
        return start_copy(stack, {})


CHECKS = (
    Check(
        id="preflight.required_settings",
        order=210,
        subject="service",
        title="no start without its settings",
        ask=check_required_settings,
        live=True,
        starts=True,
    ),
)
