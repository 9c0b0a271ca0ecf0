"""The part of a proof's page that says what is guarded: operation by operation, facet by facet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.prove.wire.coverage import STATES, Row, State
from harness.report.text import one_line

_ID, _NAME, _MOST = 160, 200, 12
_WORDS: Mapping[State, tuple[str, str]] = {
    "guarded": ("pass", "guarded"),
    "unguarded": ("fail", "unguarded"),
    "not_tried": ("not-run", "not tried"),
    "not_called": ("not-applicable", "not called"),
}
"""State of a facet -> the icon, which is also the colour, and the word beside it."""
_ORDER: tuple[State, ...] = ("unguarded", "guarded", "not_tried", "not_called")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One facet, ready to print: ids of mutants with their anchors, "" for one without."""

    name: str
    state: State
    icon: str
    word: str
    killed: tuple[tuple[str, str], ...]
    survived: tuple[tuple[str, str], ...]


def guarded_part(rows: Sequence[Row], anchors: Mapping[str, str]) -> dict[str, object]:
    """Counts of all, and the facets of each operation: what is unguarded comes first."""
    operations = []
    for operation, own in groupby(rows, key=lambda row: row.operation):
        found = sorted(own, key=lambda row: _ORDER.index(row.state))
        operations.append((one_line(operation, _NAME), _tally(found), [_facet(row, anchors) for row in found]))
    operations.sort(key=lambda one: _ORDER.index(one[2][0].state))
    return {
        "operations": operations,
        "states": _tally(rows),
        "filters": [(state, *_WORDS[state]) for state in STATES],
    }


def _tally(rows: Collection[Row]) -> list[tuple[str, str, int]]:
    found = [row.state for row in rows]
    return [(*_WORDS[state], found.count(state)) for state in STATES if state in found]


def _facet(row: Row, anchors: Mapping[str, str]) -> Facet:
    icon, word = _WORDS[row.state]
    return Facet(
        name=one_line(row.facet, _NAME),
        state=row.state,
        icon=icon,
        word=word,
        killed=_links(row.killed, anchors),
        survived=_links(row.survived, anchors),
    )


def _links(ids: Sequence[str], anchors: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    shown = [(one_line(each, _ID), anchors.get(each, "")) for each in ids[:_MOST]]
    return (*shown, *([(f"and {len(ids) - _MOST} more", "")] if len(ids) > _MOST else []))
