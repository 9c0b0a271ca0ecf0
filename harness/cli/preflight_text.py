"""The readiness checks and their score, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.cli.console import Console
from harness.model import Observation, Outcome
from harness.preflight import Score

_WIDTH = 160
"""Columns where nobody's terminal says how many there are."""
_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.ERROR: "bold yellow", Outcome.SKIP: "dim"}


def preflight_document(run: str, target: str, seen: Sequence[Observation], score: Score) -> dict[str, Any]:
    """What `harness preflight --json` prints."""
    return {
        "run": run,
        "target": target,
        "score": score.value,
        **{word: sum(each.outcome is outcome for each in seen) for word, outcome in _COUNTS.items()},
        "checks": [
            {
                "check": each.check,
                "title": each.detail.get("title", each.check),
                "subject": each.subject,
                "outcome": each.outcome,
                "value": each.value,
                "unit": each.unit,
                "seconds": each.detail.get("seconds"),
                "message": each.detail.get("message", ""),
                "remedy": each.detail.get("remedy", ""),
                "counts": each.check not in score.left_out,
            }
            for each in seen
        ],
    }


_COUNTS = {"passed": Outcome.PASS, "failed": Outcome.FAIL, "errors": Outcome.ERROR, "skipped": Outcome.SKIP}


def print_preflight(seen: Sequence[Observation], score: Score) -> None:
    """A line a check: outcome, time, what was found; below it, where something is wrong, what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in seen:
        said = Text(str(each.detail.get("message", "")))
        remedy = each.detail.get("remedy")
        if remedy:
            said.append(f"\n→ {remedy}", style="bold")
        seconds = each.detail.get("seconds")
        table.add_row(
            Text(each.outcome.value, style=_STYLES.get(each.outcome, "")),
            Text(str(each.detail.get("title", each.check))),
            Text("" if seconds is None else f"{1000 * float(seconds):.1f} ms"),
            said,
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    passed = sum(part.earned == part.weight for part in score.parts)
    left_out = f", {len(score.left_out)} left out: the target has no such thing" if score.left_out else ""
    console.print(f"\nSystem Readiness Score {score.value:g} of 100 ({passed} of {len(score.parts)} checks{left_out})")
