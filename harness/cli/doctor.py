"""`harness doctor`: what this machine has and lacks for each backend and suite."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli import options
from harness.preflight.tools import PARTS, Tool, survey, works
from harness.probes.chromium import USUAL_PLACES

_CANNOT_RUN = 4
_WIDTH = 160


@click.command(epilog="Example: harness doctor --stack docker")
@options.stack
@options.json
@options.debug
def command(*, backend: str | None, as_json: bool, debug: bool) -> int:  # noqa: ARG001 - `debug` is read by `main`
    """What this machine has and lacks for each backend and suite, with the command that mends it.

    Exit status: 4 if the backend given by --stack cannot run here, else 0.
    """
    downloads = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    places = replace(USUAL_PLACES, downloads=Path(downloads)) if downloads else USUAL_PLACES
    tools = survey(os.environ.get("HARNESS_CHROMIUM"), places)
    if as_json:
        document = {"parts": {part: works(tools, part) for part in PARTS}, "tools": [asdict(tool) for tool in tools]}
        click.echo(json.dumps(document, indent=1))
    else:
        _print(tools)
    if backend is not None and not works(tools, backend):
        lacks = ", ".join(tool.name for tool in tools if not tool.ok and tool.part in (backend, "all"))
        click.echo(f"error: --stack {backend} cannot run here, it lacks: {lacks}", err=True)
        return _CANNOT_RUN
    return 0


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
