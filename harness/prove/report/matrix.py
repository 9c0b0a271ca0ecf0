"""The detection matrix: which check failed on which defect, and what that says of the checks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.prove.model import Defect, Fate, Result

Mark = Literal["expected", "also", "silent"]
"""A check that failed, and was meant to; one that failed beside it; one that was meant to, and did not fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One defect, and the checks that it made fail or should have."""

    result: Result
    marks: Mapping[str, Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Defects of one kind and area."""

    kind: str
    area: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Defects by checks."""

    checks: tuple[str, ...]
    """The columns: checks with a mark."""
    groups: tuple[Group, ...]
    blind: tuple[str, ...]
    """Checks that ran on the healthy service and failed on no defect at all."""
    alone: Mapping[str, tuple[str, ...]]
    """Check -> detected defects on which no other check failed."""


def matrix_of(
    results: Iterable[Result],
    drawn: Iterable[Result],
    defects: Iterable[Defect],
    selects: Mapping[str, Collection[str]],
    healthy: Iterable[str],
) -> Matrix:
    """Order results of patches and of the wire by kind and area; lies run no checks and have no row.

    `selects` are the patterns of each criterion; what a drawn mutant made fail is not blind either.
    """
    tried = [one for one in results if one.kind != "gate"]
    known = {one.id: one for one in defects}
    rows = [Row(result=one, marks=_marks(one, known.get(one.id), selects)) for one in tried]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.result.kind, row.result.area), []).append(row)
    seeing = {check for one in (*tried, *drawn) for check in one.checks}
    alone: dict[str, list[str]] = {}
    for one in tried:
        if one.detected and len(one.checks) == 1:
            alone.setdefault(one.checks[0], []).append(one.id)
    return Matrix(
        checks=tuple(sorted({check for row in rows for check in row.marks})),
        groups=tuple(Group(kind=kind, area=area, rows=tuple(found)) for (kind, area), found in sorted(groups.items())),
        blind=tuple(sorted(set(healthy) - seeing)),
        alone={check: tuple(ids) for check, ids in sorted(alone.items())},
    )


def _marks(result: Result, defect: Defect | None, selects: Mapping[str, Collection[str]]) -> dict[str, Mark]:
    check = defect.expect.check if defect is not None else ""
    meant = (check,) if check else tuple(selects.get(result.expected, ()))
    marks: dict[str, Mark] = {
        one: "expected" if any(fnmatchcase(one, pattern) for pattern in meant) else "also" for one in result.checks
    }
    tried = not result.equivalent and result.fate not in (Fate.NOT_APPLIED, Fate.NOT_EXERCISED)
    if check and "*" not in check and tried and not any(fnmatchcase(one, check) for one in result.checks):
        marks[check] = "silent"
    return marks
