"""What became of each defect and each facet, in words for a proof's page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from harness.model import FACET_STATES, FacetState, ProofRecord
from harness.prove.model import Defect, FacetCoverage, Result
from harness.prove.proof import Proof, excused
from harness.report.text import one_line, plain, seconds

_ID, _NAME, _LINE, _TEXT = 160, 200, 300, 1_500
_MOST_LINKS = 12
STATUSES: Mapping[str, tuple[str, str]] = {
    "killed": ("pass", "detected"),
    "survived": ("fail", "survived"),
    "misattributed": ("error", "misattributed"),
    "not_exercised": ("not-run", "not exercised"),
    "not_applied": ("not-applicable", "not applied"),
    "inconclusive": ("inconclusive", "inconclusive"),
    "stillborn": ("not-applicable", "does not start"),
    "accepted": ("waived", "accepted"),
    "equivalent": ("skip", "equivalent"),
}
"""What became of a defect -> the icon, which is also the colour, and the word beside it."""

_STATE_WORDS: Mapping[FacetState, tuple[str, str]] = {
    "guarded": ("pass", "guarded"),
    "unguarded": ("fail", "unguarded"),
    "not_tried": ("not-run", "not tried"),
    "not_called": ("not-applicable", "not called"),
}
"""State of a facet -> the icon, which is also the colour, and the word beside it."""
_ORDER: tuple[FacetState, ...] = ("unguarded", "guarded", "not_tried", "not_called")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectEntry:
    """One defect, ready to print."""

    id: str
    anchor: str
    icon: str
    word: str
    title: str
    why: str
    expected: str
    failed: tuple[str, ...]
    checks: tuple[str, ...]
    reason: str
    excuse: str
    """Why it may survive, or why nobody could notice it."""
    applied: int | None
    before: str
    after: str
    took: str
    folder: str


def standing(result: Result) -> str:
    """What became of it, as `STATUSES` names it: an excuse counts for more than survival."""
    if result.equivalent:
        return "equivalent"
    return "accepted" if excused(result) else result.status.value


def entries_of(proof: Proof, record: ProofRecord, defects: Sequence[Defect]) -> dict[str, DefectEntry]:
    """Every result by its id, drawn ones too."""
    known = {one.id: one for one in defects}
    return {
        one.id: _entry(one, known.get(one.id), f"d{index}", record.folders.get(one.id, ""))
        for index, one in enumerate((*proof.results, *proof.drawn))
    }


def _entry(result: Result, defect: Defect | None, anchor: str, folder: str) -> DefectEntry:
    icon, word = STATUSES[standing(result)]
    return DefectEntry(
        id=one_line(result.id, _ID),
        anchor=anchor,
        icon=icon,
        word=word,
        title=one_line(defect.title, _LINE) if defect else "",
        why=plain(defect.why, _TEXT) if defect else "",
        expected=_expected(result, defect),
        failed=texts(result.failed),
        checks=texts(result.checks),
        reason=plain(result.reason, _TEXT),
        excuse=plain(result.equivalent or result.accepted, _TEXT),
        applied=result.applied,
        before=plain(result.before, _TEXT),
        after=plain(result.after, _TEXT),
        took=seconds(result.seconds),
        folder=quote(f"{folder}/") if folder else "",
    )


def _expected(result: Result, defect: Defect | None) -> str:
    check = f", by {defect.expect.check}" if defect and defect.expect.check else ""
    return one_line(f"{result.expected or 'any check of what is changed'}{check}", _LINE)


def texts(found: Collection[str]) -> tuple[str, ...]:
    """Ids, ready to print."""
    return tuple(one_line(each, _ID) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetEntry:
    """One facet, ready to print: ids of mutants with their anchors, "" for one without."""

    name: str
    state: FacetState
    icon: str
    word: str
    killed: tuple[tuple[str, str], ...]
    survived: tuple[tuple[str, str], ...]


def guarded_part(coverage: Sequence[FacetCoverage], anchors: Mapping[str, str]) -> dict[str, object]:
    """Counts of all, and the facets of each operation: what is unguarded comes first."""
    operations = []
    for operation, own in groupby(coverage, key=lambda row: row.operation):
        found = sorted(own, key=lambda row: _ORDER.index(row.state))
        operations.append((one_line(operation, _NAME), _tally(found), [_facet_entry(row, anchors) for row in found]))
    operations.sort(key=lambda one: _ORDER.index(one[2][0].state))
    return {
        "operations": operations,
        "states": _tally(coverage),
        "filters": [(state, *_STATE_WORDS[state]) for state in FACET_STATES],
    }


def _tally(coverage: Collection[FacetCoverage]) -> list[tuple[str, str, int]]:
    found = [row.state for row in coverage]
    return [(*_STATE_WORDS[state], found.count(state)) for state in FACET_STATES if state in found]


def _facet_entry(row: FacetCoverage, anchors: Mapping[str, str]) -> FacetEntry:
    icon, word = _STATE_WORDS[row.state]
    return FacetEntry(
        name=one_line(row.facet, _NAME),
        state=row.state,
        icon=icon,
        word=word,
        killed=_links(row.killed, anchors),
        survived=_links(row.survived, anchors),
    )


def _links(ids: Sequence[str], anchors: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    shown = [(one_line(each, _ID), anchors.get(each, "")) for each in ids[:_MOST_LINKS]]
    return (*shown, *([(f"and {len(ids) - _MOST_LINKS} more", "")] if len(ids) > _MOST_LINKS else []))
