"""`harness preflight`: the readiness checks alone, with the System Readiness Score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.console import Console
from harness.cli.progress import showing
from harness.cli.terminal import echo, echo_json, echo_log
from harness.jobs.preflight import PreflightResult, run_preflight
from harness.model import Observation, Outcome
from harness.preflight import ReadinessScore
from harness.stack.selection import select_target

_WIDTH = 160
"""Columns where nobody's terminal says how many there are."""
_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.ERROR: "bold yellow", Outcome.SKIP: "dim"}
_COUNTS = {"passed": Outcome.PASS, "failed": Outcome.FAIL, "errors": Outcome.ERROR, "skipped": Outcome.SKIP}


@click.command(cls=Command, epilog="Example: harness preflight --target dealradar --env RATE_LIMIT_PER_MINUTE=1000000")
@options.target_selection
@options.out
@options.share
@options.json
@options.debug
def command(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> int:
    """Check readiness alone: settings, servers, folders, service; with times, remedies and the System Readiness Score.

    Exit status: 0 ready, 1 something is wrong, 2 usage, 3 something could not be asked, 4 the stack failed.
    """
    selection = select_target(target=target, backend=backend, url=url, name=name, overrides=options.overrides(env))
    with showing() as listen:
        result = run_preflight(selection, out or Path("reports"), listen)
    if as_json:
        echo_json(json.dumps(_document(result), indent=1))
    else:
        _print(result.observations, result.score)
        echo(f"evidence: {result.run}")
    if result.service_log:
        echo_log(result.service_log)
    return result.exit_code


def _document(result: PreflightResult) -> dict[str, Any]:
    seen, score = result.observations, result.score
    return {
        "run": result.run.name,
        "target": result.target,
        "score": score.value,
        **{word: sum(each.outcome is outcome for each in seen) for word, outcome in _COUNTS.items()},
        "checks": [
            {
                "check": each.check,
                "title": each.title or each.check,
                "subject": each.subject,
                "outcome": each.outcome,
                "value": each.value,
                "unit": each.unit,
                "seconds": each.seconds,
                "message": each.message,
                "remedy": each.remedy,
                "counts": each.check not in score.left_out,
            }
            for each in seen
        ],
    }


def _print(seen: Sequence[Observation], score: ReadinessScore) -> None:
    """A line a check: outcome, time, what was found; below it, where something is wrong, what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in seen:
        said = Text(each.message)
        if each.remedy:
            said.append(f"\n→ {each.remedy}", style="bold")
        table.add_row(
            Text(each.outcome.value, style=_STYLES.get(each.outcome, "")),
            Text(each.title or each.check),
            Text("" if each.seconds is None else f"{1000 * each.seconds:.1f} ms"),
            said,
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    passed = sum(part.earned == part.weight for part in score.parts)
    left_out = f", {len(score.left_out)} left out: the target has no such thing" if score.left_out else ""
    console.print(f"\nSystem Readiness Score {score.value:g} of 100 ({passed} of {len(score.parts)} checks{left_out})")
