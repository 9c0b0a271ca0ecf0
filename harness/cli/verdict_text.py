"""A verdict on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.cli.console import Console
from harness.model import Decision, Evidence, Ruling, Status, ToDo, Verdict

EXITS = {Decision.GO: 0, Decision.NO_GO: 1, Decision.INCONCLUSIVE: 3}
_COLOURS = {
    Decision.GO: "bold green",
    Decision.NO_GO: "bold red",
    Decision.INCONCLUSIVE: "bold yellow",
    Status.PASS: "green",
    Status.FAIL: "red",
    Status.INCONCLUSIVE: "yellow",
    Status.NOT_RUN: "yellow",
    Status.WAIVED: "magenta",
    Status.NOT_APPLICABLE: "dim",
}
_MOST_STEPS = 3
_WIDTH = 160
"""Columns where nothing says how wide the reader's are."""


def print_verdict(verdict: Verdict, evidence: Sequence[Evidence], run: Path, *, debug: bool) -> None:
    """Criteria, what is not proven, what was found, then the verdict and where the page lies; with `debug` pytest's own
    words too.
    """
    from harness.cli.findings_text import print_findings
    from harness.run import read_run_record

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(_table(verdict.criteria))
    for ruling in verdict.criteria:
        if ruling.status not in (Status.PASS, Status.NOT_APPLICABLE):
            _print_open(console, ruling)
    for one in verdict.held_back:
        _print_whole(console, f"held back: {one.text}")
    for each in verdict.todo:
        _print_whole(console, f"to do: {_to_do(each)}")
    for step in verdict.next_steps[:_MOST_STEPS]:
        _print_whole(console, f"next step: add {step}")
    console.print()
    print_findings(evidence, read_run_record(run).invocation, debug=debug)
    console.print()
    console.print(
        Text.assemble(
            (f"{verdict.verdict}", _COLOURS[verdict.verdict]),
            f"  {verdict.target} by policy {verdict.policy}, proven share {verdict.score:g} %",
        )
    )
    page = run / "report" / "index.html"
    _print_whole(console, f"page: {page}" if page.is_file() else f"evidence: {run}")


def _to_do(each: ToDo) -> str:
    """One line: what failed, where, and what to do about it."""
    more = f" and {len(each.subjects) - 1} more" if len(each.subjects) > 1 else ""
    said = each.remedy or each.message
    return f"{each.check} ({each.severity}) on {each.subjects[0]}{more}" + (f": {said}" if said else "")


def _print_open(console: Console, ruling: Ruling) -> None:
    """What is not proven, and why."""
    needed = "" if ruling.required else " (not required)"
    head = Text.assemble((f"{ruling.status}", _COLOURS[ruling.status]), f" {ruling.id}{needed}: {ruling.reason}")
    console.print(head, soft_wrap=True)


def _print_whole(console: Console, text: str) -> None:
    """A line that people copy: the terminal may wrap it, we do not."""
    console.print(Text(text), soft_wrap=True)


def _table(rulings: tuple[Ruling, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("status", "criterion", "measured", "demanded", "n"):
        table.add_column(heading, justify="right" if heading == "n" else "left", overflow="fold")
    for ruling in rulings:
        table.add_row(
            Text(str(ruling.status), style=_COLOURS[ruling.status]),
            Text(ruling.id),
            Text(ruling.measured),
            Text(ruling.threshold),
            str(ruling.n),
        )
    return table
