"""Former names of modules, of what is in them and of a target's members.

Suites of other people may say them for one release; each is told once, with the name that it has now. The finder
stands first on `sys.meta_path`, since some modules are where they were while names in them are not.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # `importlib.abc` brings in what costs each start of a command 10 ms; finder and loader are known by what they do
    class Loader:
        pass

    class MetaPathFinder:
        pass


FORMER_MODULES = {
    "harness.aim": "harness.stack.selection",
    "harness.catalogue": "harness.runner.discovery",
    "harness.checkers.lock_history": "harness.checkers.locks",
    "harness.checkers.notice_story": "harness.checkers.notification_history",
    "harness.checkers.schedule_history": "harness.checkers.schedules",
    "harness.drafting": "harness.profile_draft",
    "harness.gate": "harness.jobs.gate",
    "harness.gate_plan": "harness.jobs.gate_plan",
    "harness.judge.document": "harness.model.verdict_record",
    "harness.keeping": "harness.runner.artifacts",
    "harness.load.wire": "harness.load.connections",
    "harness.places": "harness.machine.bundle",
    "harness.policy": "harness.config",
    "harness.policy.document": "harness.config",
    "harness.policy.load": "harness.config.policy_load",
    "harness.policy.selects": "harness.config.policy_load",
    "harness.policy.waivers": "harness.config.waivers",
    "harness.probes.wire": "harness.probes.timed_get",
    "harness.profile": "harness.config",
    "harness.profile.document": "harness.config.profile_load",
    "harness.profile.load": "harness.config.profile_load",
    "harness.profile.manifest": "harness.config.profile_load",
    "harness.profile.placeholders": "harness.model.placeholders",
    "harness.profile.rules": "harness.config.profile_rules",
    "harness.proxy.wire": "harness.proxy.connection",
    "harness.pytest_plugin.allure_labels": "harness.pytest_plugin.allure",
    "harness.pytest_plugin.allure_results": "harness.pytest_plugin.allure",
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
    "harness.stack.authority": "harness.stack.front_proxy",
    "harness.stack.binaries": "harness.stack.servers.binaries",
    "harness.stack.clients": "harness.stack.servers.clients",
    "harness.stack.front": "harness.stack.front_proxy",
    "harness.stack.kept": "harness.stack.servers.data_cache",
    "harness.stack.leftovers": "harness.stack.orphans",
    "harness.stack.living": "harness.stack.liveness",
    "harness.stack.mailsink": "harness.stack.servers.mail_server",
    "harness.stack.pgwire": "harness.stack.servers.pgwire",
    "harness.stack.postgres": "harness.stack.servers.postgres",
    "harness.stack.prepared": "harness.stack.servers.postgres",
    "harness.stack.safety": "harness.stack.permissions",
    "harness.stack.same": "harness.stack.compare",
    "harness.stack.scratch": "harness.stack.supervisor.scratch",
    "harness.stack.sources": "harness.stack.servers.fingerprint_sources",
    "harness.stack.starting": "harness.stack.launcher",
    "harness.stack.state": "harness.stack.supervisor.registry",
    "harness.stack.supervision": "harness.stack.supervisor.client",
    "harness.stack.valkey": "harness.stack.servers.valkey",
    "harness.suite_process": "harness.runner.pytest_process",
    "harness.suite_run": "harness.runner.phases",
    "harness.toml_file": "harness.config.toml_reader",
    "harness.turns": "harness.machine.lock",
}
"""Module as it was called -> where its names are."""

_MARKERS = {name: f"harness.testing.{name}" for name in ("CheckMark", "check_mark", "suite_of")}
_STACK = {
    "allowed": "harness.stack.permissions.allowed",
    "detach": "harness.stack.launcher.detach",
    "identify_build": "harness.stack.build.identify_build",
    "is_loopback": "harness.testing.is_loopback",
    "target_of": "harness.stack.named.target_of",
    "unhealthy": "harness.stack.liveness.health_problem",
}
_CHECKERS = {
    "Attempt": "harness.testing.checkers.SendAttempt",
    "Mail": "harness.testing.checkers.DeliveredMail",
    "Run": "harness.testing.checkers.ScheduledRun",
    "Seen": "harness.testing.checkers.LockReading",
}
_MAIL = {"Attempt": "harness.faults.mail.DeliveryAttempt", "Mail": "harness.testing.faults.ReceivedMail"}
_PROXIED = {"Answer": "harness.proxy.ProxiedAnswer", "Request": "harness.proxy.ProxiedRequest"}
FORMER_NAMES = {
    "harness.aim": {
        "Aim": "harness.stack.selection.TargetSelection",
        "take_aim": "harness.stack.selection.select_target",
    },
    "harness.checkers": _CHECKERS,
    "harness.checkers.lock_history": {"Seen": _CHECKERS["Seen"]},
    "harness.checkers.notification_history": _CHECKERS,
    "harness.checkers.schedule_history": {"Run": _CHECKERS["Run"]},
    "harness.faults": _MAIL,
    "harness.faults.mail": _MAIL,
    "harness.probes.csp": {"Policy": "harness.probes.csp.ContentSecurityPolicy"},
    "harness.probes.exchange": {"Attempt": "harness.probes.exchange.SentRequest"},
    "harness.proxy": _PROXIED,
    "harness.proxy.exchange": _PROXIED,
    "harness.pytest_plugin": {"TURNS": "harness.pytest_plugin.stash.MACHINE_LOCK"},
    "harness.pytest_plugin.keys": {"TURNS": "harness.pytest_plugin.stash.MACHINE_LOCK"},
    "harness.pytest_plugin.outcomes": _MARKERS,
    "harness.pytest_plugin.session": {"teach": "harness.testing.stacks.teach_secrets"},
    "harness.stack": _STACK,
    "harness.stack.named": {"unhealthy": _STACK["unhealthy"]},
    "harness.stack.safety": {name: _STACK[name] for name in ("allowed", "is_loopback")},
    "harness.turns": {"Turns": "harness.machine.lock.MachineLock"},
}
"""Module as it is or was called -> a name that was in it -> the same now."""

TARGET_MEMBERS = {
    "build_path": "build.path",
    "client_address": "clients.address",
    "allow_hosts": "allow.hosts",
    "pages": "pages.paths",
    "page_roles": "pages.roles",
    "page_login": "pages.login",
    "open_pages": "pages.open",
    "openapi": "openapi.path",
    "cors_origins": "cors.origins",
    "cors_paths": "cors.paths",
    "preflight_weights": "preflight.weights",
    "tables": "preflight.tables",
    "migrations.folder": "preflight.migrations",
    "migrations.table": "preflight.migration_table",
    "migrations.column": "preflight.migration_column",
    "starttls": "preflight.starttls",
    "imports": "preflight.imports",
    "known_warnings": "preflight.known_warnings",
    "writable": "preflight.writable",
    "suite_paths": "suites.paths",
    "escalation_accepted": "escalation.accepted",
}
"""Member of a target as release 0.1 kept and named it -> the same in the shape of the file."""

_told: set[str] = set()


class FormerName(Warning):
    """A suite says a name that the next release will not know."""


def find_former_names() -> None:
    """From now on the former names are known too."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, FormerNames())


def former_member(target: object, name: str) -> object:
    """What a target's member of that former name is. Raises AttributeError for a name that it never had."""
    inner = {
        former.removeprefix(f"{name}."): now for former, now in TARGET_MEMBERS.items() if former.startswith(f"{name}.")
    }
    # a member whose name is a table's now is asked for here only while a target is being made
    if not inner and TARGET_MEMBERS.get(name, f"{name}.").startswith(f"{name}."):
        raise AttributeError(f"{type(target).__name__!r} object has no attribute {name!r}")
    now = [TARGET_MEMBERS[name]] if not inner else list(inner.values())
    _tell(f"target.{name}", ", ".join(f"target.{member}" for member in now), level=4)
    if not inner:
        return attrgetter(now[0])(target)
    return SimpleNamespace(**{member: attrgetter(where)(target) for member, where in inner.items()})


class FormerNames(MetaPathFinder, Loader):
    """Finds modules by former names, and lets modules that are there answer to the former names of what they held."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Asked first by each `import`."""
        if name in FORMER_MODULES:
            _tell(name, f"{FORMER_MODULES[name]}; suites import from harness.testing")
            return ModuleSpec(name, self, is_package=True)
        if name not in FORMER_NAMES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Answering(spec.loader)
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Let `import` make it."""

    def exec_module(self, module: ModuleType) -> None:
        """Pass every name on; what was a package has modules below it that have moved on their own."""
        _answer_to_former_names(module, import_module(FORMER_MODULES[module.__name__]))


class _Answering(Loader):
    """Loads a module as its own loader does, which it then has again."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _answer_to_former_names(module)


def _answer_to_former_names(module: ModuleType, real: ModuleType | None = None) -> None:
    names = FORMER_NAMES.get(module.__name__, {})

    def find(name: str) -> object:
        if name not in names:
            if real is None:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return getattr(real, name)
        _tell(f"{module.__name__}.{name}", names[name])
        where, _, now = names[name].rpartition(".")
        return getattr(import_module(where), now)

    vars(module)["__getattr__"] = find


def _tell(former: str, now: str, level: int = 3) -> None:
    """Once each: a suite may say a name in every test. `level` is whoever says it; `import` itself is not counted."""
    if former not in _told:
        _told.add(former)
        warnings.warn(f"{former} is now {now}", FormerName, stacklevel=level)
