"""The readiness checks: a module for each subject, which lists its own and is found by lying here."""

from __future__ import annotations

import difflib
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from harness.errors import ConfigError
from harness.model import Observation, Outcome, StackInfo, Target
from harness.preflight.check import Check, Scene, run_check
from harness.preflight.score import PREFIX, SCORE_CHECK


def registered() -> tuple[Check, ...]:
    """What each module here has under `CHECKS`, in the order in which it is asked and shown."""
    modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
    return tuple(sorted((check for module in modules for check in module.CHECKS), key=lambda check: check.order))


CHECKS = registered()
STATIC = tuple(check for check in CHECKS if not check.live)
LIVE = tuple(check for check in CHECKS if check.live)
CHECK_IDS = (*(check.id for check in CHECKS), SCORE_CHECK)
"""Every id that preflight writes, the score's among them."""


def run_static(target: Target, info: StackInfo, folders: tuple[str, ...] = ()) -> tuple[Observation, ...]:
    """The checks that need no running service. `folders` are those that the harness is going to write to."""
    scene = Scene(target=target, info=info, folders=folders)
    return tuple(run_check(check, scene) for check in STATIC)


def run_live(target: Target, info: StackInfo) -> tuple[Observation, ...]:
    """The checks that ask the running stack, one after the other: each is timed."""
    scene = Scene(target=target, info=info)
    return tuple(run_check(check, scene) for check in LIVE)


def not_asked(why: str) -> tuple[Observation, ...]:
    """The live checks of a service that never came up: the one that asks the service failed, the others were not
    asked, and stay in the score."""
    return tuple(_not_asked(check, why) for check in LIVE)


def _not_asked(check: Check, why: str) -> Observation:
    failed = check.id == "preflight.service"
    reason = f"the service did not start: {why}" if failed else "not asked: the service did not start"
    said = {"title": check.title, "message": reason, "reason": reason, "counts": True}
    return replace(check.blank, outcome=Outcome.FAIL if failed else Outcome.SKIP, detail=said)


def validate_weights(target: Target) -> None:
    """Raises `ConfigError` for a weight of the profile whose check does not exist, naming the nearest that does."""
    names = {check.id.removeprefix(PREFIX) for check in CHECKS}
    for name in target.preflight.weights:
        short = name.removeprefix(PREFIX)
        if short not in names:
            near = difflib.get_close_matches(short, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"checks: {', '.join(sorted(names))}"
            raise ConfigError(f"no check {name!r}; {hint}", path=target.source or None, key="preflight.weights")
