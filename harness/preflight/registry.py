"""All readiness checks, in the order in which they are asked and shown."""

from __future__ import annotations

import difflib
from dataclasses import replace

from harness.errors import ConfigError
from harness.model import Observation, Outcome, StackInfo, Target
from harness.preflight.check import SUITE, Check, Scene, run_check
from harness.preflight.checks.imports import check_import_settings
from harness.preflight.checks.indexes import check_indexes
from harness.preflight.checks.machine import check_files, check_folders
from harness.preflight.checks.migrations import check_migration_files, check_migrations
from harness.preflight.checks.readiness import check_readiness
from harness.preflight.checks.required import check_required_settings
from harness.preflight.checks.schema import check_schema
from harness.preflight.checks.scripts import check_scripts
from harness.preflight.checks.sequences import check_sequences
from harness.preflight.checks.servers import check_cache_server, check_database, check_smtp
from harness.preflight.checks.service import check_cache_on, check_clock, check_service
from harness.preflight.checks.settings import check_environment, check_ratelimit_setting
from harness.preflight.checks.sources import check_sources
from harness.preflight.checks.startup_log import check_clean_start
from harness.preflight.checks.templates import check_templates
from harness.preflight.score import PREFIX

_ERROR = Outcome.ERROR

STATIC = (
    Check(
        Observation(suite=SUITE, check="preflight.environment", subject="settings", outcome=_ERROR),
        "required variables",
        check_environment,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.ratelimit_setting", subject="settings", outcome=_ERROR),
        "rate limit as promised",
        check_ratelimit_setting,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.sources", subject="service", outcome=_ERROR),
        "sources compile",
        check_sources,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.templates", subject="service", outcome=_ERROR),
        "templates render",
        check_templates,
        starts=True,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.scripts", subject="service", outcome=_ERROR),
        "scripts parse",
        check_scripts,
        starts=True,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.import_settings", subject="service", outcome=_ERROR),
        "imports read no setting",
        check_import_settings,
        starts=True,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.migration_files", subject="service", outcome=_ERROR),
        "migrations numbered",
        check_migration_files,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.folders", subject="machine", outcome=_ERROR),
        "folders can be written",
        check_folders,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.files", subject="machine", outcome=_ERROR),
        "open files allowed",
        check_files,
    ),
)
"""What needs no running service."""

LIVE = (
    Check(
        Observation(suite=SUITE, check="preflight.database", subject="postgres", outcome=_ERROR),
        "database and tables",
        check_database,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.schema", subject="postgres", outcome=_ERROR),
        "schema as declared",
        check_schema,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.indexes", subject="postgres", outcome=_ERROR),
        "indexes sound",
        check_indexes,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.migrations", subject="postgres", outcome=_ERROR),
        "migrations applied",
        check_migrations,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.sequences", subject="postgres", outcome=_ERROR),
        "sequences far from their end",
        check_sequences,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.cache_server", subject="valkey", outcome=_ERROR),
        "cache server and memory",
        check_cache_server,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.smtp", subject="smtp", outcome=_ERROR),
        "mail server",
        check_smtp,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.service", subject="service", outcome=_ERROR),
        "service answers",
        check_service,
        requests=2,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.clean_start", subject="service", outcome=_ERROR),
        "start without warnings",
        check_clean_start,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.readiness", subject="service", outcome=_ERROR),
        "ready only with its servers",
        check_readiness,
        starts=True,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.required_settings", subject="service", outcome=_ERROR),
        "no start without its settings",
        check_required_settings,
        starts=True,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.cache_on", subject="service", outcome=_ERROR),
        "cache is on",
        check_cache_on,
        requests=4,
    ),
    Check(
        Observation(suite=SUITE, check="preflight.clock", subject="clocks", outcome=_ERROR),
        "clocks agree",
        check_clock,
        requests=1,
    ),
)
"""What asks the running stack; nothing of it writes."""

CHECKS = STATIC + LIVE
CHECK_IDS = (*(check.id for check in CHECKS), f"{PREFIX}score")
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
    for name in target.preflight_weights:
        short = name.removeprefix(PREFIX)
        if short not in names:
            near = difflib.get_close_matches(short, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"checks: {', '.join(sorted(names))}"
            raise ConfigError(f"no check {name!r}; {hint}", path=target.source or None, key="preflight.weights")
