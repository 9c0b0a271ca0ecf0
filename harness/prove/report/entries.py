"""What became of each defect, in words for a proof's page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.prove.model import Defect, Result
from harness.prove.proof import Proof, excused
from harness.prove.report.provenance import ProofFacts
from harness.report.text import one_line, plain, seconds

_ID, _LINE, _TEXT = 160, 300, 1_500
FATES: Mapping[str, tuple[str, str]] = {
    "killed": ("pass", "detected"),
    "survived": ("fail", "survived"),
    "misattributed": ("error", "misattributed"),
    "not_exercised": ("not-run", "not exercised"),
    "not_applied": ("not-applicable", "not applied"),
    "inconclusive": ("inconclusive", "inconclusive"),
    "accepted": ("waived", "accepted"),
    "equivalent": ("skip", "equivalent"),
}
"""What became of a defect -> the icon, which is also the colour, and the word beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
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
    """What became of it, as `FATES` names it: an excuse counts for more than survival."""
    if result.equivalent:
        return "equivalent"
    return "accepted" if excused(result) else result.fate.value


def entries_of(proof: Proof, facts: ProofFacts, defects: Sequence[Defect]) -> dict[str, Entry]:
    """Every result by its id, drawn ones too."""
    known = {one.id: one for one in defects}
    results = (*proof.results, *(proof.draw.results if proof.draw else ()))
    return {
        one.id: _entry(one, known.get(one.id), f"d{index}", facts.folders.get(one.id, ""))
        for index, one in enumerate(results)
    }


def _entry(result: Result, defect: Defect | None, anchor: str, folder: str) -> Entry:
    icon, word = FATES[standing(result)]
    return Entry(
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
