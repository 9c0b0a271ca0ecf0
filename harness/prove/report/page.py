"""A proof as a page: what was detected, what was not and why, and what is guarded. One file that stands alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.model import Build, Policy
from harness.prove.model import KINDS, Defect, Fate, Result
from harness.prove.proof import Proof, counts, means, missed
from harness.prove.report.entries import FATES, Entry, entries_of, standing, texts
from harness.prove.report.guarded import guarded_part
from harness.prove.report.matrix import Matrix, Row, matrix_of
from harness.prove.report.provenance import ProofFacts
from harness.prove.wire.sampling import score
from harness.report.html.frame import render_alone
from harness.report.text import clock, number, one_line, percent, plain, plural, seconds

_TEMPLATES = Path(__file__).with_name("templates")
_LINE, _TEXT = 300, 1_500
_KIND_WORDS = {
    "patch": "Patches: mistakes in the sources",
    "wire": "Wire: mistakes before a running service",
    "gate": "Lies told to the gate",
}
_OPEN = ("survived", "misattributed", "not_exercised", "not_applied")
"""What speaks against the suites; before a service of somebody else the last two only say that they do not fit."""
_VERDICTS = {0: ("Proven", "go"), 1: ("Not proven", "no-go")}
_UNCLEAR = ("Unclear", "inconclusive")


def render_proof(proof: Proof, facts: ProofFacts, defects: Sequence[Defect], policy: Policy) -> str:
    """The page as text; `defects` are those that were to be tried, for their titles."""
    drawn = proof.draw.results if proof.draw else ()
    mutants = proof.draw.mutants if proof.draw else ()
    selects = {one.id: one.select.checks for one in policy.criteria}
    matrix = matrix_of(proof.results, drawn, defects, selects, facts.checks)
    entries = entries_of(proof, facts, (*defects, *mutants))
    anchors = {id_: entry.anchor for id_, entry in entries.items()}
    parts = _headline(proof, facts) | _findings(proof, facts, entries) | _matrix_part(matrix, entries, facts)
    parts |= _draw_part(proof, entries) | guarded_part(proof.guarded, anchors) | _record(proof, facts)
    parts["kinds"] = [
        (_KIND_WORDS[kind], _by_area([one for one in proof.results if one.kind == kind], entries))
        for kind in KINDS
        if any(one.kind == kind for one in proof.results)
    ]
    return render_alone("proof.html", parts, beside=_TEMPLATES, style=_style())


def verdict_words(proof: Proof) -> tuple[str, str]:
    """The proof's verdict in a word, and the tone of it."""
    return _VERDICTS.get(proof.exit_code, _UNCLEAR)


def why_words(proof: Proof) -> str:
    """The verdict in a sentence or three."""
    share = f"{proof.detected} of {plural(proof.total, 'defect')} {'was' if proof.total == 1 else 'were'} detected."
    words = [share if proof.total else "No defect was tried: nothing is proven."]
    bad = [one for one in proof.results if missed(one, foreign=proof.foreign)]
    if bad:
        words.append(f"The gate would have let {plural(len(bad), 'mistake')} pass, or blamed something else for it.")
    unclear = sum(one.fate is Fate.INCONCLUSIVE and not one.equivalent for one in proof.results)
    if unclear:
        words.append(f"Of {plural(unclear, 'defect')} nothing is known: what was tried did not end.")
    idle = sum(one.fate is Fate.NOT_APPLIED for one in proof.results)
    if idle:
        words.append(f"{plural(idle, 'defect')} changed nothing.")
    if proof.health.alarms:
        words.append(f"{plural(len(proof.health.alarms), 'false alarm')}: the healthy service was held back too.")
    return " ".join(words)


def _headline(proof: Proof, facts: ProofFacts) -> dict[str, object]:
    word, tone = verdict_words(proof)
    found = [standing(one) for one in proof.results]
    return {
        "word": word,
        "tone": tone,
        "why": why_words(proof) + (" Only a part of the catalogue was tried." if facts.asked else ""),
        "target": one_line(facts.target, 120),
        "share": 100 * proof.detected / proof.total if proof.total else None,
        "detected": proof.detected,
        "total": proof.total,
        "tally": [(*FATES[name], found.count(name)) for name in FATES if name in found],
        "facts": (
            ("Build", _build_words(facts.build)),
            ("Policy", one_line(facts.policy, 120)),
            ("Started", clock(facts.start)),
            ("Healthy runs", _health_words(proof)),
            ("Time a defect", ", ".join(f"{kind} {seconds(mean)}" for kind, mean in means(proof.results).items())),
            ("Random draw", _score_words(proof)),
        ),
    }


def _health_words(proof: Proof) -> str:
    health = proof.health
    if health.upper95 is None:
        return "none: false alarms are not excluded"
    alarms = plural(len(health.alarms), "false alarm") if health.alarms else "no false alarm"
    return (
        f"{number(health.runs)}, {alarms}; their rate is at most {percent(health.upper95)} (one-sided {percent(0.95)})"
    )


def _score_words(proof: Proof) -> str:
    if proof.draw is None:
        return "none"
    found = score(proof.draw.results)
    if found is None:
        return "none of it could be tried"
    return f"{found.killed} of {found.tried} detected, {percent(found.low)} to {percent(found.high)} at {percent(0.95)}"


def _build_words(build: Build) -> str:
    if build.kind == "unknown":
        return "unknown"
    return f"{build.kind} {one_line(build.id, 80)[:12]}{', with uncommitted changes' if build.dirty else ''}"


def _findings(proof: Proof, facts: ProofFacts, entries: Mapping[str, Entry]) -> dict[str, object]:
    of = {name: [entries[one.id] for one in proof.results if standing(one) == name] for name in FATES}
    return {
        "asked": one_line(facts.asked, _LINE),
        "narrowed": one_line(facts.narrowed, _LINE),
        "changed": facts.changed,
        "overrides": one_line(", ".join(facts.overrides), _LINE),
        "alarms": [plain(each, _TEXT) for each in proof.health.alarms],
        "broken": [plain(each, _TEXT) for each in proof.health.broken],
        "open": [each for name in _OPEN[: 2 if proof.foreign else 4] for each in of[name]],
        "idle": [each for name in _OPEN[2:] for each in of[name]] if proof.foreign else [],
        "unclear": of["inconclusive"],
        "accepted": of["accepted"],
        "equivalent": of["equivalent"],
    }


def _matrix_part(matrix: Matrix, entries: Mapping[str, Entry], facts: ProofFacts) -> dict[str, object]:
    def row(one: Row) -> tuple[Entry, list[str]]:
        return entries[one.result.id], [one.marks.get(check, "") for check in matrix.checks]

    return {
        "columns": texts(matrix.checks),
        "groups": [
            (f"{one.kind}: {one_line(one.area, 80)}", [row(each) for each in one.rows]) for one in matrix.groups
        ],
        "blind": texts(matrix.blind),
        "ran": len(facts.checks),
        "alone": [(texts((check,))[0], [entries[each] for each in ids]) for check, ids in matrix.alone.items()],
        "full": facts.full,
    }


def _draw_part(proof: Proof, entries: Mapping[str, Entry]) -> dict[str, object]:
    if proof.draw is None:
        return {"drawn": None}
    results = proof.draw.results
    found = [standing(one) for one in results]
    order = list(FATES)
    return {
        "drawn": {
            "seed": proof.draw.seed,
            "words": _score_words(proof),
            "tally": [(*FATES[name], found.count(name)) for name in FATES if name in found],
            "open": [entries[one.id] for one in results if missed(one, foreign=True)],
            "rest": [
                entries[one.id]
                for one in sorted(results, key=lambda one: order.index(standing(one)))
                if not missed(one, foreign=True)
            ],
        }
    }


def _by_area(results: Sequence[Result], entries: Mapping[str, Entry]) -> list[tuple[str, str, list[Entry]]]:
    areas: dict[str, list[Result]] = {}
    for one in results:
        areas.setdefault(one.area, []).append(one)
    return [
        (
            one_line(area, 80),
            f"{sum(one.detected for one in own)} of {sum(map(counts, own))} detected",
            _of(own, entries),
        )
        for area, own in sorted(areas.items())
    ]


def _of(results: Sequence[Result], entries: Mapping[str, Entry]) -> list[Entry]:
    return [entries[one.id] for one in results]


def _record(proof: Proof, facts: ProofFacts) -> dict[str, object]:
    words = "harness prove"
    words += f" --wire --url {shlex.quote(facts.url)}" if facts.url else f" --target {shlex.quote(facts.target)}"
    words += f" --policy {shlex.quote(facts.policy)}"
    words += f" {facts.asked}" if facts.asked else ""
    words += f" {facts.how}" if facts.how else ""
    words += f" --healthy {proof.health.runs}" if proof.health.runs else ""
    words += f" --draw {len(proof.draw.results)}" if proof.draw else ""
    words += f" --seed {facts.seed}" if proof.draw or "--sample" in facts.asked else ""
    return {
        "command": one_line(words + "".join(f" --env {shlex.quote(name)}=…" for name in facts.overrides), 1_000),
        "proof_id": one_line(facts.id, 120),
        "fingerprint": facts.fingerprint,
        "url": one_line(facts.url, 200),
        "start": facts.start,
        "end": facts.end,
        "made_by": one_line(facts.harness, 40),
    }


def _style() -> str:
    return (_TEMPLATES / "proof.css").read_text(encoding="utf-8")
