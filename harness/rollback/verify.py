"""Whether a stack does what it should after it was moved: health, smoke flows, schema, and what its tables hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from harness.load.scenario import scenario
from harness.model import StackInfo, Target
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import ServiceUnavailable
from harness.probes.login import client_of
from harness.probes.login_headers import login_headers
from harness.rollback.tables import Tables, changed_tables, lost_parts, manifest_problems, read_tables
from harness.stack.liveness import health_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found; `problems` are sentences, and none means that all is well."""

    problems: tuple[str, ...]
    flows: int
    """Smoke flows that were tried."""
    tables: int
    """Tables whose checksums were compared."""
    changed: tuple[str, ...] = ()
    """Tables that hold something else than before: whoever uses the service writes, too."""
    after: Tables | None = None


def smoke_paths(target: Target) -> dict[str, float]:
    """The reads of the profile, with their weights: what load sends."""
    return {request.path: request.weight for request in scenario(target)}


def bad_answers(target: Target, info: StackInfo, paths: Iterable[str], *, bad_from: int) -> list[str]:
    """Ask each path once: a phrase for each without a whole answer, and for each of at least that status."""
    found: list[str] = []
    with client_of(target, info) as client:
        for path in paths:
            try:
                status = client.exchange("GET", path).status
            except (ServiceUnavailable, UnfitAnswer) as error:
                found.append(f"GET {path}: {error}")
            else:
                found += [f"GET {path} answered {status}"] if status >= bad_from else []
    return found


def smoke_problems(target: Target, info: StackInfo) -> tuple[str, ...]:
    """Each read of the profile, and a login of each role: what the service does not do of it, a phrase each."""
    found = bad_answers(target, info, smoke_paths(target), bad_from=400)
    for role in target.auth.roles:
        try:
            login_headers(target, info, role)
        except (AssertionError, ServiceUnavailable, UnfitAnswer) as error:
            found.append(f"login as {role}: {error}")
    return tuple(found)


def verify(target: Target, info: StackInfo, before: Tables) -> Verified:
    """Ask everything. What cannot be asked is a problem: nothing is taken for well that was not seen."""
    problems: list[str] = []
    sick = health_problem(info)
    if sick is not None:
        problems.append(f"it is not well: {sick}")
    problems += smoke_problems(target, info)
    try:
        after = read_tables(info.database_url)
    except psycopg.Error as error:
        problems.append(f"the tables cannot be read: {' '.join(str(error).split())}")
        after = None
    if after is not None:
        problems += lost_parts(before, after)
        problems += manifest_problems(target.manifest, after)
    return Verified(
        problems=tuple(problems),
        flows=len(smoke_paths(target)) + len(target.auth.roles),
        tables=len(after or {}),
        changed=changed_tables(before, after) if after is not None else (),
        after=after,
    )
