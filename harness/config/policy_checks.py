"""A policy held against the checks that there are, and what these measure, before anything starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from harness.config.policy_load import STARTUP
from harness.config.toml_reader import nearest
from harness.errors import ConfigError
from harness.model import Criterion, Measurement, Policy, Threshold


def check_selects(
    policy: Policy,
    known: Mapping[str, frozenset[str]],
    *,
    target: str | None = None,
    measured: Collection[Measurement] = (),
) -> None:
    """Refuse a criterion one of whose patterns matches no check of any suite, or whose number no check measures.

    `known` has the check ids that suites say they record, with `*` for a computed part, and the suites of each;
    `measured` what they say they measure. With `target`, criteria for other targets are left out: their suites are not
    collected. Raises `ConfigError` with the nearest word.
    """
    for criterion in policy.criteria:
        if criterion.target is not None and target is not None and criterion.target != target:
            continue
        if criterion.id != STARTUP.id:
            checks = _check_patterns(criterion, known)
            if criterion.demand is not None and measured:
                _check_number(criterion, criterion.demand, checks, measured)


def _check_patterns(criterion: Criterion, known: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The checks that the criterion looks at."""
    suite = criterion.select.suite
    suites = frozenset().union(*known.values())
    if suite is not None and suite not in suites:
        raise _error(criterion, f"no suite {suite!r}; {nearest(suite, suites)}")
    checks = _checks_of(suite, known)
    for pattern in criterion.select.checks:
        if not _overlaps_one(pattern, checks):
            where = f"suite {suite}" if suite is not None else "any suite"
            raise _error(criterion, f"{pattern!r} matches no check of {where}; {nearest(pattern, checks)}")
    return tuple(check for check in checks if _overlaps_one(check, criterion.select.checks))


def _checks_of(suite: str | None, known: Mapping[str, frozenset[str]]) -> list[str]:
    return [check for check, homes in known.items() if suite is None or suite in homes]


def _check_number(
    criterion: Criterion, demand: Threshold, checks: Sequence[str], measured: Collection[Measurement]
) -> None:
    """What a source does not say is not refused, unless it is nearly a word that there is."""
    own = [one for one in measured if _overlaps_one(one.check, checks)]
    units = {one.unit for one in own if overlap(one.statistic, demand.stat)}
    if not units:
        _check_statistic(criterion, demand.stat, own, measured)
    elif not _overlaps_one(demand.unit, units):
        what = f"{demand.stat} is measured in {' or '.join(map(repr, sorted(units)))}, not in {demand.unit!r}"
        raise _error(criterion, what, "demand.unit")


def _check_statistic(
    criterion: Criterion, stat: str, own: Collection[Measurement], measured: Collection[Measurement]
) -> None:
    words = {one.statistic for one in own or measured if "*" not in one.statistic}
    if stat not in words and (own or _nearly(stat, words)):
        raise _error(criterion, f"no such statistic {stat!r}; {_nearest(stat, words)}", "demand.stat")


def _overlaps_one(pattern: str, others: Iterable[str]) -> bool:
    return any(overlap(pattern, other) for other in others)


def _nearly(word: str, known: Iterable[str]) -> bool:
    return any(word.casefold() == other.casefold() for other in known) or "did you mean" in nearest(word, known)


def _nearest(word: str, known: Collection[str]) -> str:
    """As `nearest`, for which a letter is far from its capital."""
    same = next((other for other in known if other.casefold() == word.casefold()), None)
    return f"did you mean {same!r}?" if same is not None else nearest(word, known)


def _error(criterion: Criterion, what: str, key: str = "select") -> ConfigError:
    name, _, line = criterion.source.rpartition(":")
    place = name or None
    return ConfigError(
        what,
        path=place,
        line=int(line) if place is not None and line.isdigit() else None,
        key=f"criterion {criterion.id!r}: {key}",
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
    return _begin_alike(one, other) and overlap(one[1:], other[1:])


def _begin_alike(one: str, other: str) -> bool:
    return bool(one and other) and (one[0] == other[0] or "?" in (one[0], other[0]))
