"""`harness doctor`: what this machine has and lacks for each backend and suite."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.console import Console
from harness.cli.terminal import echo, echo_json
from harness.preflight.doctor import PARTS, Tool, survey, works
from harness.probes.chromium import USUAL_PLACES
from harness.stack.orphans import Orphan, find_orphans, remove_orphans

_CANNOT_RUN = 4
_WIDTH = 160


@click.command(cls=Command, epilog="Example: harness doctor --stack docker")
@options.stack
@click.option("--reap", is_flag=True, help="End and remove what an older crash left; nothing of a stack that runs.")
@options.json
@options.debug
def command(*, backend: str | None, reap: bool, as_json: bool) -> int:
    """What this machine has and lacks for each backend and suite, with the command that mends it; and what an older
    crash left, which --reap takes away.

    Exit status: 4 if the backend given by --stack cannot run here, or something that was left cannot be removed, else
    0.
    """
    downloads = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    places = replace(USUAL_PLACES, downloads=Path(downloads)) if downloads else USUAL_PLACES
    tools = survey(os.environ.get("HARNESS_CHROMIUM"), places)
    left = find_orphans()
    stays = remove_orphans(left) if reap else left
    if as_json:
        _print_document(tools, left, stays, reap=reap)
    else:
        _print(tools)
        _print_left(left, stays, reap=reap)
    if backend is not None and not works(tools, backend):
        echo(f"error: --stack {backend} cannot run here, it lacks: {_lacks(tools, backend)}", err=True)
        return _CANNOT_RUN
    if reap and stays:
        echo(f"error: {stays[0].kind} {stays[0].name} is still there; remove it as its owner or root", err=True)
        return _CANNOT_RUN
    return 0


def _lacks(tools: Sequence[Tool], backend: str) -> str:
    return ", ".join(tool.name for tool in tools if not tool.ok and tool.part in (backend, "all"))


def _print_document(tools: Sequence[Tool], left: Sequence[Orphan], stays: Sequence[Orphan], *, reap: bool) -> None:
    document = {
        "parts": {part: works(tools, part) for part in PARTS},
        "tools": [asdict(tool) for tool in tools],
        "left": [{**asdict(one), "reaped": reap and one not in stays} for one in left],
    }
    echo_json(json.dumps(document, indent=1))


def _print_left(left: Sequence[Orphan], stays: Sequence[Orphan], *, reap: bool) -> None:
    if not left:
        return
    echo("\nleft by an older crash:" if not reap else "\nleft by an older crash, and now:")
    for one in left:
        state = ("still there  " if one in stays else "removed  ") if reap else ""
        echo(f"  {state}{one.kind}{f' {one.pid}' if one.pid else ''}  {one.name}")
    if not reap:
        echo("→ harness doctor --reap")


def _print(tools: Sequence[Tool]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for tool in tools:
        found = Text(tool.found)
        if tool.mend:
            found.append(f"\n→ {tool.mend}", style="bold")
        table.add_row(
            Text("ok", style="green") if tool.ok else Text("missing", style="bold yellow"), Text(tool.name), found
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    console.print()
    for part, what in PARTS.items():
        state = Text("ready", style="green") if works(tools, part) else Text("lacking", style="bold yellow")
        console.print(Text.assemble(state, f"  {what}"))
