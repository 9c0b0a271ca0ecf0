"""A proof as a page: what was detected, what was not and why, and what is guarded. One file that stands alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

from harness.model import DEFECT_KINDS, Build, MutantStatus, Policy, ProofRecord
from harness.prove.model import Defect, Result
from harness.prove.proof import Draw, Proof, counts, mean_seconds, missed, score
from harness.prove.report.entries import STATUSES, DefectEntry, entries_of, guarded_part, standing, texts
from harness.report.html.frame import render_alone
from harness.report.text import clock, number, one_line, percent, plain, plural, seconds

K = TypeVar("K", str, tuple[str, str])
Mark = Literal["expected", "also", "silent"]
"""A check that failed, and was meant to; one that failed beside it; one that was meant to, and did not fail."""
_TEMPLATES = Path(__file__).with_name("templates")
_LINE, _TEXT = 300, 1_500
_KIND_WORDS = {
    "patch": "Patches: mistakes in the sources",
    "wire": "Wire: mistakes before a running service",
    "gate": "Lies told to the gate",
}
_VERDICTS = {0: ("Proven", "go"), 1: ("Not proven", "no-go")}
_MEASURED = ("Measured", "go")
"""Nothing but a draw: that proves nothing, and says how much is looked at."""
_UNCLEAR = ("Unclear", "inconclusive")
_OF = {
    "wire": "Mutants of the wire: operator, operation and facet",
    "source": "Mutants of the sources: operator, file and place",
}
_SEEN_BY = {
    "wire": "Each of these changes was sent to the tests that read the changed exchange, and none of them minded.",
    "source": "The tests that run these lines were run with each of these changes, and none of them minded.",
}


def render_proof(proof: Proof, record: ProofRecord, defects: Sequence[Defect], policy: Policy) -> str:
    """The page as text; `defects` are those that were to be tried, for their titles."""
    mutants = (mutant for _, draw in proof.draws for mutant in draw.mutants)
    entries = entries_of(proof, record, (*defects, *mutants))
    anchors = {id_: entry.anchor for id_, entry in entries.items()}
    parts = {
        **_headline(proof, record),
        **_findings(proof, record, entries),
        **_matrix(proof, record, defects, policy, entries),
        "draws": [_draw_part(of, draw, entries) for of, draw in proof.draws],
        **guarded_part(proof.guarded, anchors),
        **_record(proof, record),
        "kinds": [
            (_KIND_WORDS[kind], _by_area([one for one in proof.results if one.kind == kind], entries))
            for kind in DEFECT_KINDS
            if any(one.kind == kind for one in proof.results)
        ],
    }
    style = (_TEMPLATES / "proof.css").read_text(encoding="utf-8")
    return render_alone("proof.html", parts, beside=_TEMPLATES, style=style)


def verdict_words(proof: Proof) -> tuple[str, str]:
    """The proof's verdict in a word, and the tone of it."""
    if proof.exit_code == 0 and not proof.total:
        return _MEASURED
    return _VERDICTS.get(proof.exit_code, _UNCLEAR)


_NOTHING_NAMED = "No named defect was tried. The draw says how much of the service the suites look at."


def why_words(proof: Proof) -> str:
    """The verdict in a sentence or three."""
    share = f"{proof.detected} of {plural(proof.total, 'defect')} {'was' if proof.total == 1 else 'were'} detected."
    mistakes, unclear = plural(len(proof.missed), "mistake"), plural(len(proof.unclear), "defect")
    unapplied, alarms = plural(len(proof.unapplied), "defect"), plural(len(proof.healthy.alarms), "false alarm")
    sentences = (
        (True, share if proof.total else _NOTHING_NAMED if proof.drawn else "No defect was tried: nothing is proven."),
        (proof.missed, f"The gate would have let {mistakes} pass, or blamed something else for it."),
        (proof.unclear, f"Of {unclear} nothing is known: what was tried did not end."),
        (proof.unapplied, f"{unapplied} changed nothing."),
        (proof.healthy.alarms, f"{alarms}: the healthy service was held back too."),
    )
    return " ".join(sentence for holds, sentence in sentences if holds)


def _headline(proof: Proof, record: ProofRecord) -> dict[str, object]:
    word, tone = verdict_words(proof)
    found = [standing(one) for one in proof.results]
    return {
        "word": word,
        "tone": tone,
        "why": why_words(proof) + (" Only a part of the catalogue was tried." if record.asked else ""),
        "target": one_line(record.target, 120),
        "share": 100 * proof.detected / proof.total if proof.total else None,
        "detected": proof.detected,
        "total": proof.total,
        "tally": [(*STATUSES[name], found.count(name)) for name in STATUSES if name in found],
        "facts": (
            ("Build", _build_words(record.build)),
            ("Policy", one_line(record.policy, 120)),
            ("Started", clock(record.start)),
            ("Healthy runs", _health_words(proof)),
            (
                "Time a defect",
                ", ".join(f"{kind} {seconds(mean)}" for kind, mean in mean_seconds(proof.results).items()),
            ),
            *((f"Random draw, {of}", _score_words(draw)) for of, draw in proof.draws),
        ),
    }


def _health_words(proof: Proof) -> str:
    healthy = proof.healthy
    if healthy.upper95 is None:
        return "none: false alarms are not excluded"
    alarms = plural(len(healthy.alarms), "false alarm") if healthy.alarms else "no false alarm"
    rate = percent(healthy.upper95)
    return f"{number(healthy.runs)}, {alarms}; their rate is at most {rate} (one-sided {percent(0.95)})"


def _score_words(draw: Draw) -> str:
    found = score(draw.results)
    if found is None:
        return "none of it could be tried"
    return f"{found.killed} of {found.tried} detected, {percent(found.low)} to {percent(found.high)} at {percent(0.95)}"


def _build_words(build: Build) -> str:
    if build.kind == "unknown":
        return "unknown"
    return f"{build.kind} {one_line(build.id, 80)[:12]}{', with uncommitted changes' if build.dirty else ''}"


def _findings(proof: Proof, record: ProofRecord, entries: Mapping[str, DefectEntry]) -> dict[str, object]:
    of: dict[str, list[DefectEntry]] = {name: [] for name in STATUSES}
    for one in proof.results:
        of[standing(one)].append(entries[one.id])
    against, idle = of["survived"] + of["misattributed"], of["not_exercised"] + of["not_applied"]
    return {
        "asked": one_line(record.asked, _LINE),
        "narrowed": one_line(record.narrowed, _LINE),
        "changed": record.changed,
        "overrides": one_line(", ".join(record.overrides), _LINE),
        "alarms": [plain(each, _TEXT) for each in proof.healthy.alarms],
        "broken": [plain(each, _TEXT) for each in proof.healthy.broken],
        # before a service of somebody else these only say that they do not fit
        "open": against if proof.foreign else against + idle,
        "idle": idle if proof.foreign else [],
        "unclear": of["inconclusive"],
        "accepted": of["accepted"],
        "equivalent": of["equivalent"],
    }


def _matrix(
    proof: Proof, record: ProofRecord, defects: Sequence[Defect], policy: Policy, entries: Mapping[str, DefectEntry]
) -> dict[str, object]:
    """The detection matrix: which check failed on which defect, and what that says of the checks.

    Lies run no checks and have no row. What a drawn mutant made fail is not blind either.
    """
    tried = [one for one in proof.results if one.kind != "gate"]
    expected = {one.id: one.expect.check for one in defects}
    selects = {one.id: one.select.checks for one in policy.criteria}
    marks = {one.id: _marks(one, expected.get(one.id, ""), selects.get(one.expected, ())) for one in tried}
    checks = sorted(set[str]().union(*marks.values()))
    failed = set[str]().union(*(one.checks for one in (*tried, *proof.drawn)))

    def row(one: Result) -> tuple[DefectEntry, list[str]]:
        return entries[one.id], [marks[one.id].get(check, "") for check in checks]

    groups = _grouped(tried, lambda one: (one.kind, one.area))
    return {
        "columns": texts(checks),
        "groups": [(f"{kind}: {one_line(area, 80)}", [*map(row, own)]) for (kind, area), own in groups],
        "blind": texts(sorted(set(record.healthy_checks) - failed)),
        "ran": len(record.healthy_checks),
        "alone": [(one_line(check, 160), _of(own, entries)) for check, own in _seen_by_one(tried)],
        "full": record.full,
    }


def _marks(result: Result, check: str, selected: Sequence[str]) -> dict[str, Mark]:
    """Marks of one row: what the defect made fail, and the expected `check` if it should have failed."""
    meant = (check,) if check else selected
    marks: dict[str, Mark] = {
        one: "expected" if any(fnmatchcase(one, pattern) for pattern in meant) else "also" for one in result.checks
    }
    if check and "*" not in check and check not in marks and _was_exercised(result):
        marks[check] = "silent"
    return marks


def _was_exercised(result: Result) -> bool:
    return not result.equivalent and result.status not in (MutantStatus.NOT_APPLIED, MutantStatus.NOT_EXERCISED)


def _seen_by_one(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Checks that alone saw some defect, with those that they saw."""
    return _grouped([one for one in results if one.detected and len(one.checks) == 1], lambda one: one.checks[0])


def _grouped(results: Iterable[Result], key: Callable[[Result], K]) -> list[tuple[K, list[Result]]]:
    """Results by key, in the order of the keys."""
    groups: dict[K, list[Result]] = {}
    for one in results:
        groups.setdefault(key(one), []).append(one)
    return sorted(groups.items(), key=lambda group: group[0])


def _draw_part(of: str, draw: Draw, entries: Mapping[str, DefectEntry]) -> dict[str, object]:
    found = [standing(one) for one in draw.results]
    order = list(STATUSES)
    return {
        "of": _OF[of],
        "seen_by": _SEEN_BY[of],
        "seed": draw.seed,
        "words": _score_words(draw),
        "tally": [(*STATUSES[name], found.count(name)) for name in STATUSES if name in found],
        "open": [entries[one.id] for one in draw.results if missed(one, foreign=True)],
        "rest": [
            entries[one.id]
            for one in sorted(draw.results, key=lambda one: order.index(standing(one)))
            if not missed(one, foreign=True)
        ],
    }


def _by_area(results: Sequence[Result], entries: Mapping[str, DefectEntry]) -> list[tuple[str, str, list[DefectEntry]]]:
    return [
        (
            one_line(area, 80),
            f"{sum(one.detected for one in own)} of {sum(map(counts, own))} detected",
            _of(own, entries),
        )
        for area, own in _grouped(results, lambda one: one.area)
    ]


def _of(results: Sequence[Result], entries: Mapping[str, DefectEntry]) -> list[DefectEntry]:
    return [entries[one.id] for one in results]


def _record(proof: Proof, record: ProofRecord) -> dict[str, object]:
    words = "harness prove"
    words += f" --wire --url {shlex.quote(record.url)}" if record.url else f" --target {shlex.quote(record.target)}"
    words += f" --policy {shlex.quote(record.policy)}"
    words += f" {record.asked}" if record.asked else ""
    words += f" {record.how}" if record.how else ""
    words += f" --healthy {proof.healthy.runs}" if proof.healthy.runs else ""
    drawn = [len(draw.results) for _, draw in proof.draws]
    words += f" --draw {max(drawn)}" if drawn else ""
    words += f" --seed {record.seed}" if drawn or "--sample" in record.asked else ""
    return {
        "command": one_line(words + "".join(f" --env {shlex.quote(name)}=…" for name in record.overrides), 1_000),
        "proof_id": one_line(record.id, 120),
        "fingerprint": record.fingerprint,
        "url": one_line(record.url, 200),
        "start": record.start,
        "end": record.end,
        "made_by": one_line(record.harness, 40),
    }
