"""How a proof looks in a terminal: results as they come in, and the end of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.console import Console
from harness.cli.progress import Plain, words_of
from harness.cli.terminal import echo
from harness.model import DEFECT_KINDS, Listener, MutantStatus, PhaseAdvanced, ProgressEvent
from harness.prove.events import HealthyRunEnded, MutantBegan, TrafficRecorded
from harness.prove.model import Defect, OnResult, Result
from harness.prove.proof import Proof, counts, excused, score
from harness.prove.report.page import verdict_words
from harness.prove.results import PAGE
from harness.report.text import one_line, percent, plural

_SHOWN, _LONGEST = 12, 400
_UNKNOWN = (MutantStatus.INCONCLUSIVE, MutantStatus.NOT_APPLIED)
_COLOURS = {MutantStatus.KILLED: "green", MutantStatus.INCONCLUSIVE: "yellow", MutantStatus.NOT_APPLIED: "yellow"}


class _ResultTable:
    """The latest results under the count of each status, drawn anew several times a second."""

    def __init__(self, total: int) -> None:
        self._begun = time.monotonic()
        self._total = total
        self._results: list[Result] = []
        self._latest: ProgressEvent | None = None

    def listen(self, event: ProgressEvent) -> None:
        """Show the event from now on."""
        self._latest = event

    def add(self, result: Result) -> None:
        """Show the result from now on."""
        self._results.append(result)

    def __rich__(self) -> Group:
        return Group(self._rows(), _line(self._counts()), _line(Text(_describe(self._latest), style="dim")))

    def _rows(self) -> Table:
        """A line each, whatever the width: what is too long ends in an ellipsis."""
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=2, style="dim")
        table.add_column(no_wrap=True, justify="right")
        for result in self._results[-_SHOWN:]:
            status = Text(f"{_sign(result)} {_word(result.status)}", style=_COLOURS.get(result.status, "red"))
            table.add_row(status, Text(result.id), Text(result.expected), f"{result.seconds:.1f} s")
        return table

    def _counts(self) -> Text:
        elapsed = f"{time.monotonic() - self._begun:5.0f} s  {len(self._results)}/{self._total} defects"
        counts = Counter(one.status for one in self._results)
        words = [(f"  {_word(status)} {number}", _COLOURS.get(status, "red")) for status, number in counts.items()]
        return Text.assemble(elapsed, *words)


def _words(event: ProgressEvent) -> tuple[str, str]:
    match event:
        case HealthyRunEnded(number, alarm):
            return f"healthy {number}", alarm or "ended, and nothing speaks against it"
        case TrafficRecorded(name, exchanges):
            return f"wire: {name}", f"{exchanges} exchanges seen"
        case MutantBegan(phase, mutant):
            return phase, mutant
    return words_of(event)


def _describe(event: ProgressEvent | None) -> str:
    """A phase, and how many defects of it are done."""
    if event is None:
        return ""
    phase, happened = _words(event)
    match event:
        case MutantBegan(done=done, total=total) | PhaseAdvanced(done=done, total=total) if total:
            number = f"{done}/{total}"
        case _:
            number = ""
    return "  ".join(word for word in (phase, number, happened) if word)


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _word(status: MutantStatus) -> str:
    return status.value.replace("_", " ")


def _sign(result: Result) -> str:
    if result.detected:
        return "✓"
    return "·" if excused(result) or result.equivalent else "?" if result.status in _UNKNOWN else "✗"


@contextmanager
def showing_results(defects: Sequence[Defect]) -> Iterator[tuple[Listener, OnResult]]:
    """A live table on a terminal; a line for each result elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        table = _ResultTable(len(defects))
        with Live(table, console=console, transient=True, refresh_per_second=4):
            yield table.listen, table.add
        return
    plain = Plain(_words)

    def on_result(result: Result) -> None:
        plain.release()
        plain.print(_word(result.status), f"{result.id} ({result.seconds:.1f} s)")

    yield plain, on_result
    plain.release()


def print_proof(proof: Proof, folder: Path) -> None:
    """Each defect that was not detected, with what was seen; then what the proof came to."""
    for line in (*_troubles(proof), *_sums(proof), f"page: {folder / PAGE}"):
        echo(line)


def _troubles(proof: Proof) -> Iterator[str]:
    for result in proof.results:
        if not result.detected:
            yield f"{_sign(result)} {_word(result.status):14} {result.id}  {_why(result)}"
    for alarm in proof.healthy.alarms:
        yield f"✗ false alarm    {one_line(alarm, _LONGEST)}"
    for broken in proof.healthy.broken:
        yield f"? healthy run    {one_line(broken, _LONGEST)}"


def _shares(proof: Proof) -> str:
    kinds = [(kind, [one for one in proof.results if one.kind == kind]) for kind in DEFECT_KINDS]
    shares = [f"{kind} {sum(one.detected for one in own)} of {sum(map(counts, own))}" for kind, own in kinds if own]
    return ", ".join(shares) or "none tried"


def _sums(proof: Proof) -> Iterator[str]:
    word, _ = verdict_words(proof)
    yield f"{word.upper()}  {proof.detected} of {proof.total} defects detected ({_shares(proof)})"
    if proof.healthy.upper95 is not None:
        alarms = plural(len(proof.healthy.alarms), "false alarm")
        runs = plural(proof.healthy.runs, "healthy run")
        yield f"{alarms} in {runs}: their rate is at most {percent(proof.healthy.upper95)} (one-sided {percent(0.95)})"
    for of, draw in proof.draws:
        found = score(draw.results)
        if found:
            yield (
                f"random draw of the {of}, seed {draw.seed}: {found.killed} of {found.tried} detected,"
                f" {percent(found.low)} to {percent(found.high)} at {percent(0.95)}"
            )


def _why(result: Result) -> str:
    if result.equivalent:
        return one_line(f"equivalent: {result.equivalent}", _LONGEST)
    seen = f"expected {result.expected or 'any check'}: {result.reason}"
    return one_line(f"accepted: {result.accepted}" if excused(result) else seen, _LONGEST)
