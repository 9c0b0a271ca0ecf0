"""A watch on the terminal: a table that changes, plain lines, or a JSON document a line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.console import Console
from harness.cli.progress import Plain, described
from harness.cli.terminal import echo_json
from harness.judge import verdict_document
from harness.model import Listener, Noted, ProgressEvent, Verdict
from harness.watch.told import AlertTold, SeriesStatus, WatchAdvanced, WatchBegan, WatchStatus

_COLOURS = {"page": "bold red", "ticket": "yellow", "burning": "yellow", "no data": "dim", "well": "green"}
_MOST_ROWS = 30
_MOST_LINES = 8
_COLUMNS = ("state", "slo", "of", "answers", "bad", "short burn", "long burn", "budget used")


@contextmanager
def watching(*, as_json: bool) -> Iterator[Listener]:
    """Something that shows a watch for as long as the context lasts."""
    console = Console(stderr=True)
    if as_json:
        yield JsonLines()
    elif console.is_terminal:
        view = View()
        with Live(view, console=console, transient=True, refresh_per_second=4):
            yield view
    else:
        plain = Plain(words_of)
        plain.release()
        yield plain


class JsonLines:
    """`started`, `status`, `alert` and `note`, each with its `type` (docs/watch.md#json-lines)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, event: ProgressEvent) -> None:
        """Print one line."""
        match event:
            case WatchBegan(target, url, paths, seconds):
                said: object = {"target": target, "url": url, "paths": paths, "seconds": seconds}
                self._print("started", said)
            case WatchAdvanced(status):
                self._print("status", status)
            case AlertTold(message):
                self._print("alert", message)
            case Noted(text):
                self._print("note", {"text": text})

    def _print(self, kind: str, said: object) -> None:
        with self._lock:
            echo_json(msgspec.json.encode({"type": kind} | msgspec.to_builtins(said)).decode())


def print_json_verdict(run: Path, verdict: Verdict) -> None:
    """The last line: the verdict, as `verdict.json` has it."""
    document = msgspec.json.decode(verdict_document(verdict))
    echo_json(msgspec.json.encode({"type": "verdict", "folder": str(run)} | document).decode())


class View:
    """How things stand, and what was told last."""

    def __init__(self) -> None:
        self._status: WatchStatus | None = None
        self._head = ""
        self._lines: list[Text] = []

    def __call__(self, event: ProgressEvent) -> None:
        """Show the event from now on."""
        match event:
            case WatchAdvanced(status):
                self._status = status
            case WatchBegan(target, url, paths):
                self._head = f"{target} at {url}, {len(paths)} paths"
            case AlertTold(message):
                colour = "green" if message.event == "resolved" else _COLOURS[message.severity]
                self._lines.append(Text(": ".join(words_of(event)), style=colour))
            case _:
                self._lines.append(Text(described(event)))
        del self._lines[:-_MOST_LINES]

    def __rich__(self) -> Group:
        """The table as it is now."""
        status = self._status
        if status is None:
            return Group(Text(self._head or "looking for what there is to watch"), *self._lines)
        figures = [
            Text(f"{each.name} {_number(each.value)}", style="yellow" if each.problem else "")
            for each in status.figures
        ]
        head = f"{self._head}; {status.seconds:.0f} s, {status.answers} answers, {status.refused} refused"
        return Group(Text(head), _table(status), Text("  ").join(figures), *self._lines)


def _table(status: WatchStatus) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in _COLUMNS:
        justify: Literal["left", "right"] = "left" if heading in _COLUMNS[:3] else "right"
        table.add_column(heading, justify=justify, overflow="ellipsis", no_wrap=True)
    worst = sorted(status.series, key=lambda each: (list(_COLOURS).index(each.state), each.slo))
    for each in worst[:_MOST_ROWS]:
        table.add_row(*_cells(each))
    return table


def _cells(each: SeriesStatus) -> tuple[Text, ...]:
    used = "-" if each.budget_used is None else f"{each.budget_used:.1%}"
    texts = (each.slo, each.subject, str(each.total), str(each.bad), _number(each.short_burn), _number(each.long_burn))
    return (Text(each.state, style=_COLOURS[each.state]), *map(Text, (*texts, used)))


def words_of(event: ProgressEvent) -> tuple[str, str]:
    """The words of what happens in a watch; how things stand only counts on."""
    match event:
        case WatchBegan(target, url, paths):
            return "watch", f"{target} at {url}: {', '.join(paths[:5])}{' …' if len(paths) > 5 else ''}"
        case AlertTold(message):
            link = f" ({message.runbook})" if message.runbook else ""
            return f"{message.event}, {message.severity}", f"{message.alert}: {message.text}{link}"
        case Noted(text):
            return "note", text
    return "", ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
