"""`report/index.html`: builds the page's parts from a run; `frame` puts them into the templates beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.model import Status, Threshold
from harness.report import causes, findings
from harness.report.html.facts import headline_facts, machine_words, phase_rows, repeat_commands, version_rows
from harness.report.html.found import findings_part
from harness.report.html.frame import render_alone
from harness.report.html.latency import latency_figure, read_timeline
from harness.report.html.lines import TROUBLE, preflight_part, suite_groups
from harness.report.html.ratios import CHECK as RATIO_CHECK
from harness.report.html.ratios import ratio_axis, ratio_figure, ratio_rows, ratio_scale
from harness.report.html.rollbacks import rollback_figure
from harness.report.html.rulings import areas, ruling_views
from harness.report.proven import proven_part
from harness.report.rollbacks import rollback_rows
from harness.report.sources import RunFiles
from harness.report.text import one_line, plain, seconds
from harness.run import make_folder, replace_file

_TONES = {"GO": "go", "NO-GO": "no-go", "INCONCLUSIVE": "inconclusive"}
_LONG_LIST = 100


def write_page(run: RunFiles, notes: Sequence[str] = ()) -> Path:
    """Write the run's `report/index.html`, with `notes` (what could not be built); returns its path."""
    path = make_folder(run.path / "report") / "index.html"
    replace_file(path, render(run, notes).encode("utf-8", "replace"))
    return path


def render(run: RunFiles, notes: Sequence[str] = ()) -> str:
    """The page as text."""
    parts = (
        _verdict_part(run) | _rulings_part(run) | _gaps_part(run) | proven_part(run) | _plots(run) | _record_part(run)
    )
    return render_alone("page.html", parts | {"notes": [one_line(note, 600) for note in notes]})


def _verdict_part(run: RunFiles) -> dict[str, Any]:
    verdict = run.verdict
    word = findings.headline(verdict)
    return {
        "word": word,
        "tone": _TONES.get(word, "none"),
        "why": plain(findings.why(run), 1_500),
        "target": one_line(run.facts.target or "no target", 120),
        "policy": one_line(run.policy_name, 120),
        "judged": verdict is not None,
        "score": verdict.score if verdict is not None else None,
        "facts": headline_facts(run),
        "tally": [
            (findings.STATUS_WORDS[status], status.value.replace("_", "-"), count)
            for status, count in (findings.tally(verdict.criteria) if verdict is not None else ())
        ],
    }


def _rulings_part(run: RunFiles) -> dict[str, Any]:
    """What was found, and the criteria, those first that are not proven."""
    found = findings_part(causes.findings(run.evidence), run.facts.invocation)
    views = ruling_views(run, found.of_line)
    open_ones, held_back = (findings.not_proven(run.verdict), run.verdict.held_back) if run.verdict else ((), ())
    absent = [each.id for each in open_ones if each.status is Status.NOT_APPLICABLE]
    return {
        "found": found,
        "open_rulings": [views[each.id] for each in open_ones if each.id not in absent],
        "absent_rulings": [views[name] for name in absent],
        "waived": [view for view in views.values() if view.waiver is not None],
        "held_back": [plain(one.text, 800) for one in held_back],
        "areas": areas(tuple(views.values())),
    }


def _gaps_part(run: RunFiles) -> dict[str, Any]:
    """What no criterion speaks of, and what is missing."""
    uncovered = findings.uncovered(run)
    return {
        "uncovered": uncovered,
        "uncovered_trouble": any(outcome in TROUBLE for each in uncovered for outcome, _ in each.outcomes),
        "skipped": findings.skipped(run),
        "without_line": [one_line(test, 300) for test in findings.without_line(run)],
        "long_list": _LONG_LIST,
        "narrowed": one_line(run.facts.narrowed, 300),
        "problems": [one_line(problem, 400) for problem in run.problems[:_LONG_LIST]],
    }


def _plots(run: RunFiles) -> dict[str, Any]:
    timeline = read_timeline(run.path)
    limit = _demand(run, "load.latency")
    rows = ratio_rows(run.evidence)
    demand = _demand(run, RATIO_CHECK)
    scale = ratio_scale(rows, demand) if rows else None
    rolled = rollback_rows(run.evidence)
    return {
        "latency": [
            (name, latency_figure(timeline, limit, width=width)) for name, width in (("wide", 960.0), ("narrow", 380.0))
        ]
        if timeline
        else [],
        "timeline": timeline,
        "ratios": [(row, ratio_figure(row, scale, demand)) for row in rows] if scale else [],
        "ratio_axis": ratio_axis(scale, demand) if scale else None,
        "rollbacks": [(row, rollback_figure(row, rolled)) for row in rolled],
        "preflight": preflight_part(run.evidence),
        "phases": phase_rows(run.facts),
        "timings": [
            (one_line(name, 40), seconds(took))
            for name, took in (run.facts.stack.timings if run.facts.stack else {}).items()
        ],
    }


def _record_part(run: RunFiles) -> dict[str, Any]:
    wanted = frozenset(
        seq for each in (run.verdict.criteria if run.verdict is not None else ()) for seq in each.evidence[:200]
    )
    counts = findings.outcome_counts(run.evidence)
    return {
        "suites": suite_groups(run.evidence, wanted, run.holds),
        "evidence_count": len(run.evidence),
        "outcomes": [(outcome.value, count) for outcome, count in sorted(counts.items())],
        "run_id": one_line(run.facts.run, 120),
        "state": run.facts.state,
        "machine": machine_words(run.facts),
        "versions": version_rows(run.facts),
        "commands": repeat_commands(run),
        "build": run.build,
        "evidence_sha256": run.evidence_sha256,
        "judged_sha256": run.verdict.evidence_sha256 if run.verdict is not None else None,
        "manifest_sha256": run.manifest_sha256,
        "files": _files(run),
    }


def _demand(run: RunFiles, check: str) -> Threshold | None:
    """What the policy demands of a check's figure, to draw beside it."""
    criteria = run.policy.criteria if run.policy is not None else ()
    for criterion in criteria:
        demand = criterion.demand
        if demand is not None and check in criterion.select.checks:
            return demand
    return None


def _files(run: RunFiles) -> list[tuple[str, str]]:
    """Files of the run that the page may link to, with what they are."""
    known = (
        ("evidence.jsonl", "every observation"),
        ("verdict.json", "the verdict, for programs"),
        ("run.json", "the record of the run"),
        ("policy.json", "the policy as used"),
        ("profile.json", "the target's profile as used"),
        ("waivers.json", "the waivers as used"),
        ("manifest.json", "the seal"),
        ("allure-report/index.html", "the Allure report"),
        ("logs", "logs of the stack"),
        ("artifacts", "traces and screenshots"),
    )
    return [(name, words) for name, words in known if run.holds(name)]
