"""`CHECKLIST.md`: what a release manager ticks off. Measured items carry the judge's word, others wait for a person."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from harness.model import Ruling, Status
from harness.report.findings import STATUS_WORDS, headline, why
from harness.report.sources import RunFiles
from harness.report.text import cell, clock
from harness.run import replace_file

MANUAL_ITEMS = (
    ("release.owner", "Somebody is named who decides, and somebody who is on call during the release."),
    ("release.notes", "The change log says what users and operators will notice."),
    ("release.waivers", "Every waiver in this run was read, and its owner still stands by it."),
    ("release.rollback", "The way back is known: which level, who runs it, and how long it took when it was last run."),
    ("release.watch", "Dashboards and alerts of the target are open, and it is known which of them must stay quiet."),
    ("release.window", "No other change of the same service or its database is planned for the same hours."),
    ("release.announce", "Support and those who depend on the service know when it happens."),
)
"""What no instrument can see. An item's id is what a sign-off names."""


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
        rulings = sorted(run.verdict.criteria, key=lambda each: each.area)
        for area, items in groupby(rulings, key=lambda each: each.area):
            lines += [f"### {cell(area)}", "", *(_measured(item) for item in items), ""]
    lines += ["", "## By a person", ""]
    lines += [f"- [ ] `{item}` {words} *(not signed)*" for item, words in MANUAL_ITEMS]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _measured(ruling: Ruling) -> str:
    box = "x" if ruling.status is Status.PASS else " "
    optional = "" if ruling.required else ", optional"
    words = cell(ruling.requires or ruling.threshold, 400)
    line = f"- [{box}] `{ruling.id}` {words}: **{STATUS_WORDS[ruling.status]}**{optional}"
    if ruling.status is Status.PASS:
        return f"{line} ({cell(ruling.measured)})" if ruling.measured else line
    return f"{line}. {cell(ruling.reason, 400)}"
