"""`summary.md`: the step summary of a CI run. The verdict, why, and what is not proven; nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.model import Outcome, Ruling
from harness.report.findings import STATUS_WORDS, headline, not_proven, outcome_counts, skipped, tally, why
from harness.report.sources import RunFiles
from harness.report.text import cell, clock, number, plural
from harness.run import replace_file

_ROWS = 60


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
    if run.verdict is not None:
        counts = [f"{number(count)} {STATUS_WORDS[status]}" for status, count in tally(run.verdict.criteria)]
        blocks.append(f"Criteria: {', '.join(counts) or 'none'}.")
        blocks += _criteria(not_proven(run.verdict))
        blocks += _listed("Held back", run.verdict.held_back)
    blocks += _listed("Skipped", (f"{plural(len(each.lines), 'test')}: {each.reason}" for each in skipped(run)))
    blocks += _listed("Not built", notes)
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
    lines = [f"- {cell(item, 600)}" for item in items]
    if len(lines) > _ROWS:
        lines = [*lines[:_ROWS], f"- {len(lines) - _ROWS} more are on the page"]
    return [f"**{title}:**", "\n".join(lines)] if lines else []


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
