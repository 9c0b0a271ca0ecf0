"""Does every criterion look at a check that exists? Asked before anything starts (DESIGN 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from harness.config.policy_load import STARTUP
from harness.config.toml_reader import nearest
from harness.errors import ConfigError
from harness.model import Criterion, Policy


def check_selects(policy: Policy, known: Mapping[str, frozenset[str]], *, target: str | None = None) -> None:
    """Refuse a criterion one of whose patterns matches no check of any suite.

    `known` has the check ids that suites say they record, with `*` for a computed part, and the suites of each. With
    `target`, criteria for other targets are left out: their suites are not collected.
    Raises `ConfigError` with the nearest check id.
    """
    for criterion in policy.criteria:
        if criterion.target is not None and target is not None and criterion.target != target:
            continue
        if criterion.id != STARTUP.id:
            _check_criterion(criterion, known)


def _check_criterion(criterion: Criterion, known: Mapping[str, frozenset[str]]) -> None:
    suite = criterion.select.suite
    suites = frozenset().union(*known.values())
    if suite is not None and suite not in suites:
        raise _error(criterion, f"no suite {suite!r}; {nearest(suite, suites)}")
    checks = [check for check, homes in known.items() if suite is None or suite in homes]
    for pattern in criterion.select.checks:
        if not any(overlap(pattern, check) for check in checks):
            where = f"suite {suite}" if suite is not None else "any suite"
            raise _error(criterion, f"{pattern!r} matches no check of {where}; {nearest(pattern, checks)}")


def _error(criterion: Criterion, what: str) -> ConfigError:
    name, _, line = criterion.source.rpartition(":")
    place = name or None
    return ConfigError(
        what,
        path=place,
        line=int(line) if place is not None and line.isdigit() else None,
        key=f"criterion {criterion.id!r}: select",
    )


@lru_cache(maxsize=4096)
def overlap(one: str, other: str) -> bool:
    """Is there a text that both patterns (`*`, `?`) match?"""
    if not one and not other:
        return True
    if one.startswith("*"):
        return overlap(one[1:], other) or (bool(other) and overlap(one, other[1:]))
    if other.startswith("*"):
        return overlap(other, one)
    if not one or not other:
        return False
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])
