"""Evidence as the page shows it: by suite and check, what went wrong in full, what passed in one row each.

Preflight has a table of its own, with the System Readiness Score as preflight recorded it: the page computes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from harness.model import Evidence, Outcome
from harness.report.text import amount, clock, number, one_line, plain, seconds

ROWS = 250
"""Rows of one check and kind that the page carries; the rest are counted, and stay in `evidence.jsonl`."""

SCORE_CHECK = "preflight.score"
_TEXT = 3_000
TROUBLE = (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY)
"""Outcomes that a reader looks for."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the run that belongs to a line; `href` is empty where the line names something else."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of evidence, ready to print."""

    seq: int
    outcome: str
    superseded: bool
    subject: str
    value: str
    interval: str
    basis: str
    """How a figure was made: statistic, method, level, sample size."""
    n: int
    at: str
    test: str
    says: tuple[tuple[str, str], ...]
    curl: tuple[str, ...]
    listed: tuple[str, ...]
    """What an instrument found, in full."""
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """All lines of one check."""

    check: str
    anchor: str
    counts: tuple[tuple[str, int], ...]
    trouble: bool
    lines: tuple[LineView, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class SuiteGroup:
    """All checks of one suite, those with trouble first."""

    suite: str
    counts: tuple[tuple[str, int], ...]
    checks: tuple[CheckGroup, ...]


def suite_groups(
    evidence: Sequence[Evidence], wanted: frozenset[int], holds: Callable[[str], bool]
) -> tuple[SuiteGroup, ...]:
    """Group the lines; those in `wanted` (linked from a criterion) are never left out.

    `holds` says whether a path that a line names is a file of this run.
    """
    suites: dict[str, dict[str, list[Evidence]]] = {}
    for line in evidence:
        suites.setdefault(line.suite, {}).setdefault(line.check, []).append(line)
    groups: list[SuiteGroup] = []
    for suite, checks in sorted(suites.items()):
        views = [
            _check_group(f"e-{len(groups)}-{index}", check, lines, wanted, holds)
            for index, (check, lines) in enumerate(sorted(checks.items()))
        ]
        views.sort(key=lambda view: not view.trouble)
        every = [line for lines in checks.values() for line in lines]
        groups.append(SuiteGroup(one_line(suite, 120), _counts(every), tuple(views)))
    return tuple(groups)


def _check_group(
    anchor: str, check: str, lines: Sequence[Evidence], wanted: frozenset[int], holds: Callable[[str], bool]
) -> CheckGroup:
    trouble = [line for line in lines if line.outcome in TROUBLE]
    quiet = [line for line in lines if line.outcome not in TROUBLE]
    kept = [*_bounded(trouble, wanted), *_bounded(quiet, wanted)]
    return CheckGroup(
        check=one_line(check, 160),
        anchor=anchor,
        counts=_counts(lines),
        trouble=any(not line.superseded for line in trouble),
        lines=tuple(_line(line, holds) for line in kept),
        left_out=len(lines) - len(kept),
    )


def _bounded(lines: Sequence[Evidence], wanted: frozenset[int]) -> list[Evidence]:
    return [*lines[:ROWS], *(line for line in lines[ROWS:] if line.seq in wanted)]


def _counts(lines: Sequence[Evidence]) -> tuple[tuple[str, int], ...]:
    order = (*TROUBLE, Outcome.SKIP, Outcome.MEASURED, Outcome.PASS)
    current = [line.outcome for line in lines if not line.superseded]
    return tuple((each.value, current.count(each)) for each in order if each in current)


def _line(line: Evidence, holds: Callable[[str], bool]) -> LineView:
    interval = line.interval
    return LineView(
        seq=line.seq,
        outcome=line.outcome.value,
        superseded=line.superseded,
        subject=one_line(line.subject, 400),
        value="" if line.value is None else amount(line.value, one_line(line.unit, 20)),
        interval=f"{number(interval[0])} to {number(interval[1])}" if interval else "",
        basis=_basis(line),
        n=line.n,
        at=clock(line.at),
        test=one_line(line.test or "", 400),
        says=_says(line),
        curl=tuple(plain(text, _TEXT) for text in line.curl) if line.outcome in TROUBLE else (),
        listed=tuple(plain(text, _TEXT) for text in line.listed),
        artifacts=tuple(_artifact(name, holds) for name in line.artifacts[:20]),
    )


def _basis(line: Evidence) -> str:
    words = [one_line(line.statistic or "", 120), one_line(line.method, 120)]
    level = line.level_or(None)
    if isinstance(level, int | float):
        words.append(f"{number(level * 100)} %" if 0 < level <= 1 else number(level))
    return ", ".join(word for word in words if word)


def _says(line: Evidence) -> tuple[tuple[str, str], ...]:
    """What the line tells beyond its figure; a pass needs no words, a skip only its reason."""
    if line.outcome is Outcome.PASS:
        return ()
    message, reason = ("message", line.message), ("reason", line.reason)
    if line.outcome is Outcome.SKIP:
        texts = [reason, message]
    else:
        texts = [message, reason, ("expected", "\n".join(line.expected)), ("observed", "\n".join(line.observed))]
    if line.message == line.reason:
        del texts[1]
    told = [(name, plain(text, _TEXT)) for name, text in texts if text]
    if line.rest:
        told.append(("detail", _rest(line.rest)))
    return tuple(told)


def _rest(rest: Mapping[str, Any]) -> str:
    parts = []
    for key, value in rest.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8", "replace")
        parts.append(f"{key}: {one_line(text, 300)}")
    return plain(" · ".join(parts), _TEXT)


def _artifact(name: str, holds: Callable[[str], bool]) -> Artifact:
    """A link only to what lies in this run: evidence may name anything, a script address too."""
    return Artifact(one_line(name, 200), f"../{quote(name)}" if holds(name) else "")


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """One readiness check."""

    check: str
    subject: str
    outcome: str
    value: str
    took: str
    says: str
    remedy: str
    seq: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """All of preflight; `score` is None where none was recorded."""

    rows: tuple[PreflightRow, ...]
    score: float | None
    score_says: str


def preflight_part(evidence: Sequence[Evidence]) -> Preflight:
    """What the lines of suite `preflight` say."""
    lines = [line for line in evidence if line.suite == "preflight" and not line.superseded]
    score = next((line for line in reversed(lines) if line.check == SCORE_CHECK), None)
    return Preflight(
        rows=tuple(_preflight_row(line) for line in lines if line.check != SCORE_CHECK),
        score=score.value if score is not None else None,
        score_says=one_line(score.says, 400) if score is not None else "",
    )


def _preflight_row(line: Evidence) -> PreflightRow:
    return PreflightRow(
        check=one_line(line.title or line.check.removeprefix("preflight."), 80),
        subject=one_line(line.subject, 200),
        outcome=line.outcome.value,
        value="" if line.value is None else amount(line.value, one_line(line.unit, 20)),
        took=seconds(line.seconds) if line.seconds is not None else "",
        says=one_line(line.says, 400),
        remedy=one_line(line.remedy, 400),
        seq=line.seq,
    )
