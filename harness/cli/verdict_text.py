"""A verdict on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model import Decision, Ruling, Status, Verdict

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


def print_verdict(verdict: Verdict, run: Path) -> None:
    """Criteria, then what is not proven and why, then the verdict and where the page lies."""
    console = Console(highlight=False, soft_wrap=False)
    console.print(_table(verdict.criteria))
    for ruling in verdict.criteria:
        if ruling.status not in (Status.PASS, Status.NOT_APPLICABLE):
            needed = "" if ruling.required else " (not required)"
            console.print(
                Text.assemble((f"{ruling.status}", _COLOURS[ruling.status]), f" {ruling.id}{needed}: {ruling.reason}")
            )
    for reason in verdict.held_back:
        console.print(Text(f"held back: {reason}"))
    console.print()
    console.print(
        Text.assemble(
            (f"{verdict.verdict}", _COLOURS[verdict.verdict]),
            f"  {verdict.target} by policy {verdict.policy}, proven share {verdict.score:g} %",
        )
    )
    page = run / "report" / "index.html"
    console.print(Text(f"page: {page if page.is_file() else run}", overflow="fold"))


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
