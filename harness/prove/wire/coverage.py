"""Guarded, not merely called: of which facets of which operations would a change have been noticed? (DESIGN 5)"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.probes.openapi import OpenApi
from harness.prove.model import Defect, Fate, Result
from harness.prove.wire.facets import Seen, covers
from harness.prove.wire.operators import facet_of

State = Literal["guarded", "unguarded", "not_tried", "not_called"]
STATES: tuple[State, ...] = ("guarded", "unguarded", "not_tried", "not_called")
ANY = "any"
"""The facet of an operation that was never called and promises nothing."""

_UNNOTICED = (Fate.SURVIVED, Fate.MISATTRIBUTED)
_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One facet of one operation, and what became of the mutants of it."""

    operation: str
    facet: str
    state: State
    killed: tuple[str, ...] = ()
    survived: tuple[str, ...] = ()
    """Ids of mutants; a guarded facet may have some of these too."""


def promised(document: OpenApi) -> dict[str, tuple[str, ...]]:
    """Operation -> the statuses that the document promises, as facets; `4XX` and `default` promise no single one."""
    return {
        one.name: tuple(f"status {status}" for status in one.statuses if status.isdigit())
        for one in document.operations
    }


def guarded(
    operations: Mapping[str, Collection[str]],
    seen: Iterable[Seen],
    results: Iterable[Result],
    mutants: Iterable[Defect],
    noticed: Mapping[str, Collection[str]] | None = None,
) -> tuple[Row, ...]:
    """A row for each facet of each operation, seen in the healthy run or promised by the document (`promised`).

    A facet is guarded if a mutant of it was killed, unguarded if mutants of it were tried and none was. A mutant that
    changes several operations guards none of them when it is killed, since one may have given it away for all; unless
    `noticed` says at which operations (id -> operations that the failed tests asked for). One that survives was
    unnoticed at all of them. Equivalent mutants, and those that ended otherwise, say nothing.
    """
    exchanges = tuple(seen)
    facets: dict[str, set[str]] = {}
    for one in exchanges:
        facets.setdefault(one.operation, set()).update(one.facets)
    killed, survived = _outcomes(exchanges, results, {one.id: one for one in mutants}, noticed or {})
    rows = [
        _row(operation, facet, killed.get((operation, facet), []), survived.get((operation, facet), []))
        for operation, found in facets.items()
        for facet in found
    ]
    for operation, promises in operations.items():
        missing = set(promises) - facets.get(operation, set())
        if operation not in facets and not missing:
            missing = {ANY}
        rows += [Row(operation=operation, facet=facet, state="not_called") for facet in missing]
    return tuple(sorted(rows, key=lambda row: (row.operation.partition(" ")[::-1], row.facet)))


def _row(operation: str, facet: str, killed: list[str], survived: list[str]) -> Row:
    state: State = "guarded" if killed else "unguarded" if survived else "not_tried"
    return Row(operation=operation, facet=facet, state=state, killed=tuple(killed), survived=tuple(survived))


def _outcomes(
    seen: tuple[Seen, ...],
    results: Iterable[Result],
    mutants: Mapping[str, Defect],
    noticed: Mapping[str, Collection[str]],
) -> tuple[dict[_Pair, list[str]], dict[_Pair, list[str]]]:
    """Which mutants were noticed, and which not, at which facets."""
    killed: dict[_Pair, list[str]] = {}
    survived: dict[_Pair, list[str]] = {}
    for result in results:
        mutant = mutants.get(result.id)
        if mutant is None or mutant.kind != "wire" or result.equivalent or mutant.equivalent:
            continue
        reached = sorted(_reached(mutant, seen))
        if result.fate is Fate.KILLED:
            told = noticed.get(result.id)
            if told is not None:
                reached = [pair for pair in reached if pair[0] in told]
            elif len({operation for operation, _ in reached}) > 1:
                continue
            into = killed
        elif result.fate in _UNNOTICED:
            into = survived
        else:
            continue
        for pair in reached:
            into.setdefault(pair, []).append(result.id)
    return killed, survived


def _reached(mutant: Defect, seen: tuple[Seen, ...]) -> set[_Pair]:
    """Operations and facets that the mutant changes."""
    facet = facet_of(mutant)
    return {(one.operation, own) for one in seen if takes(mutant, one) for own in one.facets if covers(facet, own)}


def takes(mutant: Defect, seen: Seen) -> bool:
    """Does the mutant's `where` take exchanges like this one?"""
    where = mutant.where
    return (
        fnmatchcase(str(seen.status), where.status.replace("x", "?"))
        and fnmatchcase(seen.content_type, where.content_type)
        and any(fnmatchcase(name, where.operation) for name in (seen.operation, f"{seen.method} {seen.path}"))
    )
