"""Whether the code of an earlier release can live with the database as it is: it is run on it, and asked.

Expand and contract: a schema first takes what the new code needs, and loses what the old code needed only when no old
code is left. Until then a rollback needs no change of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import StartupError, UsageError
from harness.model import Release, StackInfo, Target
from harness.probes.surface import find_surface
from harness.rollback.plan import check_stack
from harness.rollback.releases import fetch_code, previous_release, read_history
from harness.rollback.schema import refuse_gap
from harness.rollback.verify import bad_answers, smoke_paths, smoke_problems
from harness.stack.launcher import join_stack
from harness.stack.supervisor.registry import INFO, read_info, read_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCode:
    """What an earlier release does on today's schema; `problems` are sentences."""

    release: Release
    asked: int
    """Reads and logins that were tried."""
    problems: tuple[str, ...]


def try_old_code(profile: Target, info: StackInfo) -> OldCode:
    """Start one copy of the previous release on the stack's database, ask all that it shows, and end it.

    Nothing is asked of the copies that run. Raises UsageError where there is no previous release.
    """
    check_stack(info)
    # a rollback may have given it another database server since it was started
    info = read_info(Path(info.state_dir) / INFO)
    now = read_history(info)[-1]
    release = fetch_code(profile, previous_release(profile, now))
    try:
        refuse_gap(profile, now, release, info.database_url)
    except UsageError as error:
        return OldCode(release=release, asked=0, problems=(error.message,))
    kept = read_recipe(Path(info.state_dir)).target
    target = replace(kept, service=replace(kept.service, cwd=release.cwd))
    stack = join_stack(Path(info.state_dir) / INFO, "old", target, release.settings)
    try:
        (copy,) = stack.start_copies(release.settings, (None,))
        alone = replace(info, url=copy.url, ca_file="", instances=(copy,))
        surface = find_surface(target, alone.url)
        paths = [path for path in surface.paths if path not in surface.streams]
        found = (*bad_answers(target, alone, paths, bad_from=500), *smoke_problems(target, alone))
        stack.stop_instance(copy)
    except StartupError as error:
        return OldCode(release=release, asked=0, problems=(f"it does not start on the schema of today: {error.how}",))
    finally:
        stack.stop()
    asked = len(paths) + len(smoke_paths(target)) + len(target.auth.roles)
    return OldCode(release=release, asked=asked, problems=tuple(dict.fromkeys(found)))
