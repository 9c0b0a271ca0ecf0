"""Modules that have moved: other people's suites still find them under their old names, for one release.

The finder stands last on `sys.meta_path`, so that it is asked only for what nobody else knows.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "harness.aim": "harness.stack.selection",
    "harness.catalogue": "harness.runner.discovery",
    "harness.keeping": "harness.runner.artifacts",
    "harness.load.wire": "harness.load.connections",
    "harness.places": "harness.machine.bundle",
    "harness.policy": "harness.config",
    "harness.policy.load": "harness.config.policy_load",
    "harness.probes.wire": "harness.probes.timed_get",
    "harness.profile": "harness.config",
    "harness.profile.load": "harness.config.profile_load",
    "harness.pytest_plugin.blame": "harness.pytest_plugin.attribution",
    "harness.pytest_plugin.choosing": "harness.pytest_plugin.selection",
    "harness.pytest_plugin.controller": "harness.pytest_plugin.recorder",
    "harness.pytest_plugin.journal": "harness.pytest_plugin.timeline",
    "harness.pytest_plugin.keys": "harness.pytest_plugin.stash",
    "harness.pytest_plugin.outcomes": "harness.pytest_plugin.evidence",
    "harness.pytest_plugin.pace": "harness.pytest_plugin.pacing",
    "harness.pytest_plugin.spreading": "harness.pytest_plugin.xdist",
    "harness.pytest_plugin.waiting": "harness.pytest_plugin.polling",
    "harness.redact": "harness.machine.redaction",
    "harness.stack.clients": "harness.stack.servers.clients",
    "harness.stack.living": "harness.stack.liveness",
    "harness.stack.mailsink": "harness.stack.servers.mail_server",
    "harness.stack.postgres": "harness.stack.servers.postgres",
    "harness.stack.prepared": "harness.stack.servers.postgres",
    "harness.stack.safety": "harness.stack.permissions",
    "harness.stack.starting": "harness.stack.launcher",
    "harness.stack.valkey": "harness.stack.servers.valkey",
    "harness.turns": "harness.machine.lock",
}
RENAMED = {
    "harness.aim": {"Aim": "TargetSelection", "take_aim": "select_target"},
    "harness.turns": {"Turns": "MachineLock"},
}
"""Names of such modules that are others now."""


class ModuleMoved(Warning):
    """A suite imports a module under a name that the next release will not know."""


class OldNames:
    """Finds and loads a module that stands for the one that has moved."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """Asked by `import` for what nobody else knows."""
        if name not in MOVED:
            return None
        # level 2 is whoever imports: the frames of `import` itself are not counted
        warnings.warn(f"{name} is now {MOVED[name]}; suites import from harness.testing", ModuleMoved, stacklevel=2)
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]  # a loader by what it does

    def create_module(self, spec: ModuleSpec) -> None:
        """Let `import` make it."""

    def exec_module(self, module: ModuleType) -> None:
        """Pass every name on; what was a package has modules below it that have moved on their own."""
        real = import_module(MOVED[module.__name__])
        renamed = RENAMED.get(module.__name__, {})

        def find(name: str) -> object:
            return getattr(real, renamed.get(name, name))

        vars(module)["__getattr__"] = find


def find_moved_modules() -> None:
    """From now on `import` knows the old names too."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
