"""The run in Markdown: `summary.md` for a CI run's page, and `CHECKLIST.md`, what a release manager ticks off.

The summary is the verdict, why, what was found, and what is not proven; nothing else. In the checklist measured items
carry the judge's word, others wait for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from harness.model import Outcome, Ruling, Status
from harness.report.causes import Finding, findings
from harness.report.findings import STATUS_WORDS, headline, not_proven, outcome_counts, skipped, tally, why
from harness.report.rollbacks import rollback_rows
from harness.report.sources import RunFiles
from harness.report.text import cell, clock, number, plural
from harness.run import replace_file

_ROWS = 60
_PLACES = 3
MANUAL_ITEMS = (
    ("release.owner", "Somebody is named who decides, and somebody who is on call during the release."),
    ("release.notes", "The change log says what users and operators will notice."),
    ("release.waivers", "Every waiver in this run was read, and its owner still stands by it."),
    ("release.rollback", "It is known who runs the way back, by which level, and on whose word."),
    ("release.watch", "Dashboards and alerts of the target are open, and it is known which of them must stay quiet."),
    ("release.window", "No other change of the same service or its database is planned for the same hours."),
    ("release.announce", "Support and those who depend on the service know when it happens."),
)
"""What no instrument can see. An item's id is what a sign-off names."""


def write_summary(run: RunFiles, notes: Sequence[str] = ()) -> Path:
    """Write the run's `summary.md`, with `notes` (what could not be built) at its end; returns its path."""
    path = run.path / "summary.md"
    replace_file(path, summary(run, notes).encode())
    return path


def summary(run: RunFiles, notes: Sequence[str] = ()) -> str:
    """The summary as GitHub-flavoured Markdown."""
    blocks = [
        f"## {headline(run.verdict)}: {cell(run.facts.target or 'no target')}",
        f"**{cell(why(run), 2_000)}**",
        _facts(run),
    ]
    blocks += _listed("Found", (_told(each) for each in findings(run.evidence)))
    if run.verdict is not None:
        counts = [f"{number(count)} {STATUS_WORDS[status]}" for status, count in tally(run.verdict.criteria)]
        blocks.append(f"Criteria: {', '.join(counts) or 'none'}.")
        blocks += _criteria(not_proven(run.verdict))
        blocks += _listed("Held back", (cell(one.text, 600) for one in run.verdict.held_back))
    blocks += _listed(
        "Skipped", (f"{plural(len(each.lines), 'test')}: {cell(each.reason, 600)}" for each in skipped(run))
    )
    blocks += _listed("Not built", (cell(note, 600) for note in notes))
    blocks.append(f"The whole report is `report/index.html` in the folder of run `{run.facts.run}`.")
    return "\n\n".join(blocks) + "\n"


def _facts(run: RunFiles) -> str:
    facts, verdict = run.facts, run.verdict
    build = run.build
    counts = outcome_counts(run.evidence)
    words = {
        "build": f"{build.kind} {build.id[:40]}{' (dirty)' if build.dirty else ''}".strip(),
        "policy": run.policy_name,
        "started": clock(facts.start),
        "proven share": f"{number(verdict.score)} %" if verdict is not None else "none",
        "evidence": ", ".join(f"{number(counts[each])} {each.value}" for each in Outcome if counts[each]) or "none",
    }
    return "\n".join(_row(cells) for cells in (words.keys(), ["---"] * len(words), map(cell, words.values())))


def _told(finding: Finding) -> str:
    """A finding in one line of Markdown."""
    first, places = finding.first, finding.places
    bad = finding.severity if finding.outcome is Outcome.FAIL else "not tried"
    named = ", ".join([*places[:_PLACES], *(["…"] if len(places) > _PLACES else [])])
    where = f" ({plural(len(places), 'place')}: {cell(named)})" if places else ""
    remedy = f" *{cell(first.remedy)}*" if first.remedy else ""
    return f"**{bad}** {cell(first.check)}: {cell(finding.says, 600)}{where}{remedy}"


def _criteria(rulings: Sequence[Ruling]) -> list[str]:
    if not rulings:
        return ["Every criterion of the policy is proven."]
    rows = [["criterion", "status", "measured", "demanded", "reason"], ["---"] * 5]
    rows += [
        [
            cell(each.id) + ("" if each.required else " (optional)"),
            STATUS_WORDS[each.status],
            cell(each.measured),
            cell(each.threshold),
            cell(each.reason, 600),
        ]
        for each in rulings[:_ROWS]
    ]
    table = "\n".join(_row(cells) for cells in rows)
    return [table, f"{len(rulings) - _ROWS} more are on the page."] if len(rulings) > _ROWS else [table]


def _listed(title: str, items: Iterable[str]) -> list[str]:
    """A list under a title; the items are Markdown."""
    lines = [f"- {item}" for item in items]
    if len(lines) > _ROWS:
        lines = [*lines[:_ROWS], f"- {len(lines) - _ROWS} more are on the page"]
    return [f"**{title}:**", "\n".join(lines)] if lines else []


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write_checklist(run: RunFiles) -> Path:
    """Write the run's `CHECKLIST.md`; returns its path."""
    path = run.path / "CHECKLIST.md"
    replace_file(path, checklist(run).encode())
    return path


def checklist(run: RunFiles) -> str:
    """The checklist as Markdown. A box is ticked only for a criterion that was proven."""
    facts = run.facts
    build = run.build
    lines = [
        f"# Release checklist: {cell(facts.target or 'no target')}",
        "",
        f"Verdict: **{headline(run.verdict)}**. {cell(why(run), 2_000)}",
        "",
        (
            f"Build {cell(f'{build.kind} {build.id}'.strip())}{' (dirty)' if build.dirty else ''}, "
            f"policy {cell(run.policy_name)}, run `{facts.run}`, started {clock(facts.start)}."
        ),
        "",
        "## Measured",
        "",
    ]
    if run.verdict is None:
        lines.append("Nothing was ruled on in this run.")
    else:
        walked = {f"rollback.{row.level}": row.words for row in rollback_rows(run.evidence)}
        rulings = sorted(run.verdict.criteria, key=lambda each: each.area)
        for area, items in groupby(rulings, key=lambda each: each.area):
            lines += [f"### {cell(area)}", "", *(_measured(item, walked.get(item.id, "")) for item in items), ""]
    lines += ["", "## By a person", ""]
    lines += [f"- [ ] `{item}` {words} *(not signed)*" for item, words in MANUAL_ITEMS]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _measured(ruling: Ruling, walked: str) -> str:
    """One box; `walked` tells what a rollback took, for the criteria that are about one."""
    box = "x" if ruling.status is Status.PASS else " "
    optional = "" if ruling.required else ", optional"
    words = cell(ruling.requires or ruling.threshold, 400)
    line = f"- [{box}] `{ruling.id}` {words}: **{STATUS_WORDS[ruling.status]}**{optional}"
    if ruling.status is Status.PASS:
        told = walked or ruling.measured
        return f"{line} ({cell(told)})" if told else line
    return f"{line}. {cell(ruling.reason, 400)}"
