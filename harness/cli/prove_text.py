"""How a proof looks in a terminal: results as they come in, and the end of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.progress import Plain, described
from harness.model import Listener, Progress
from harness.prove.model import Defect, Fate, Result
from harness.prove.proof import Proof, missed

_SHOWN = 12
_COLOURS = {Fate.KILLED: "green", Fate.INCONCLUSIVE: "yellow", Fate.NOT_APPLIED: "yellow"}
Hear = Callable[[Result], None]


class _Table:
    """The latest results under the count of each fate, drawn anew several times a second."""

    def __init__(self, total: int) -> None:
        self._begun = time.monotonic()
        self._total = total
        self._results: list[Result] = []
        self._latest = Progress(phase="", text="")

    def listen(self, happened: Progress) -> None:
        """Show the phase from now on."""
        self._latest = happened

    def hear(self, result: Result) -> None:
        """Show the result from now on."""
        self._results.append(result)

    def __rich__(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for result in self._results[-_SHOWN:]:
            fate = Text(result.fate.value, style=_COLOURS.get(result.fate, "red"))
            table.add_row(fate, result.id, Text(result.expected, style="dim"), f"{result.seconds:.1f} s")
        counts = Counter(one.fate.value for one in self._results)
        told = "  ".join(f"{fate} {number}" for fate, number in counts.items())
        elapsed = f"{time.monotonic() - self._begun:5.0f} s  {len(self._results)}/{self._total} defects"
        return Group(table, Text(f"{elapsed}  {told}"), Text(described(self._latest), style="dim"))


@contextmanager
def showing_results(defects: Sequence[Defect]) -> Iterator[tuple[Listener, Hear]]:
    """A live table on a terminal; a line for each result elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        table = _Table(len(defects))
        with Live(table, console=console, transient=True, refresh_per_second=4):
            yield table.listen, table.hear
        return
    plain = Plain()

    def hear(result: Result) -> None:
        plain(Progress(phase=result.fate.value, text=f"{result.id} ({result.seconds:.1f} s)"))

    yield plain, hear
    plain.release()


def print_proof(proof: Proof, folder: Path) -> None:
    """What was detected, and each defect that was not, with what was seen."""
    for result in proof.results:
        if result.detected:
            continue
        note = f" (accepted: {result.accepted})" if result.accepted else ""
        note = f" (equivalent: {result.equivalent})" if result.equivalent else note
        sign = "✗" if missed(result, foreign=proof.foreign) else "·"
        click.echo(f"{sign} {result.fate.value:14} {result.id}: expected {result.expected}; {result.reason}{note}")
    for alarm in (*proof.health.alarms, *proof.health.broken):
        click.echo(f"✗ false alarm    {alarm}")
    health = proof.health
    click.echo(f"{proof.detected} of {proof.total} defects detected  {folder / 'index.html'}")
    if health.upper95 is not None:
        click.echo(
            f"{len(health.alarms)} false alarms in {health.runs} healthy runs: "
            f"their rate is at most {health.upper95:.0%} (one-sided 95 %)"
        )
