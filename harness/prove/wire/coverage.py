"""Guarded, not merely called: of which facets of which operations would a change have been noticed?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from harness.model import FacetState, MutantStatus
from harness.probes.openapi import OpenApi
from harness.prove.model import Defect, FacetCoverage, Result
from harness.prove.wire.facets import ObservedExchange, covers
from harness.prove.wire.operations import fits
from harness.prove.wire.operators import facet_of

ANY = "any"
"""The facet of an operation that was never called and promises nothing."""

_UNNOTICED = (MutantStatus.SURVIVED, MutantStatus.MISATTRIBUTED)
_Place = tuple[str, str]
"""An operation and a facet of it."""
_Ids = defaultdict[_Place, list[str]]


def promised(document: OpenApi) -> dict[str, tuple[str, ...]]:
    """Operation -> the statuses that the document promises, as facets; `4XX` and `default` promise no single one."""
    return {
        one.name: tuple(f"status {status}" for status in one.statuses if status.isdigit())
        for one in document.operations
    }


def cover_facets(
    operations: Mapping[str, Collection[str]],
    seen: Iterable[ObservedExchange],
    results: Iterable[Result],
    mutants: Iterable[Defect],
) -> tuple[FacetCoverage, ...]:
    """The coverage of each facet of each operation, seen in the healthy run or promised by the document (`promised`).

    A facet is guarded if a mutant of it was killed at that operation, unguarded if mutants of it were tried and none
    was. A mutant that survives was unnoticed at all operations that it changes. Equivalent mutants, and those that
    ended otherwise, say nothing.
    """
    exchanges = tuple(seen)
    facets: defaultdict[str, set[str]] = defaultdict(set)
    for one in exchanges:
        facets[one.operation] |= one.facets
    killed, survived = _outcomes(exchanges, results, {one.id: one for one in mutants})
    called = [
        _coverage(operation, facet, killed[operation, facet], survived[operation, facet])
        for operation, found in facets.items()
        for facet in found
    ]
    found = [*called, *_not_called(operations, facets)]
    return tuple(sorted(found, key=lambda one: (one.operation.partition(" ")[::-1], one.facet)))


def _coverage(operation: str, facet: str, killed: list[str], survived: list[str]) -> FacetCoverage:
    state: FacetState = "guarded" if killed else "unguarded" if survived else "not_tried"
    return FacetCoverage(operation=operation, facet=facet, state=state, killed=tuple(killed), survived=tuple(survived))


def _not_called(
    operations: Mapping[str, Collection[str]], called: Mapping[str, Collection[str]]
) -> Iterable[FacetCoverage]:
    for operation, promises in operations.items():
        missing = set(promises).difference(called.get(operation, ()))
        if not missing and operation not in called:
            missing = {ANY}
        for facet in missing:
            yield FacetCoverage(operation=operation, facet=facet, state="not_called")


def _outcomes(
    seen: Collection[ObservedExchange], results: Iterable[Result], mutants: Mapping[str, Defect]
) -> tuple[_Ids, _Ids]:
    """Which mutants were noticed, and which not, at which facets."""
    killed, survived = _Ids(list), _Ids(list)
    for result in results:
        mutant = mutants.get(result.id)
        if mutant is None or mutant.kind != "wire" or result.equivalent or mutant.equivalent:
            continue
        for operation, facet in sorted(_changed(mutant, seen)):
            if result.status in _UNNOTICED:
                survived[operation, facet].append(result.id)
            elif result.detected and operation in result.operations:
                killed[operation, facet].append(result.id)
    return killed, survived


def _changed(mutant: Defect, seen: Iterable[ObservedExchange]) -> set[_Place]:
    """Operations and facets that the mutant changes."""
    facet = facet_of(mutant)
    return {(one.operation, own) for one in seen if takes(mutant, one) for own in one.facets if covers(facet, own)}


def takes(mutant: Defect, seen: ObservedExchange) -> bool:
    """Does the mutant's `where` take exchanges like this one?"""
    return fits(mutant.where, seen.status, seen.content_type, seen.operation, f"{seen.method} {seen.path}")
