"""`harness logs`: what the processes of a stack print."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json

_PAUSE_SECONDS = 0.1


@click.command(cls=Command, epilog="Example: harness logs --follow service-1")
@click.argument("process", required=False)
@options.name
@click.option("--follow", "-f", is_flag=True, help="Go on as the logs grow, until the stack ends or Ctrl-C.")
@options.json
@options.debug
def command(*, process: str | None, name: str, follow: bool, as_json: bool) -> None:
    """Show the logs of a stack's processes, or of one PROCESS (service-1, postgres, valkey, smtp, prepare-1, …)."""
    from harness.errors import UsageError
    from harness.stack import find_stack

    info = find_stack(name)
    if info is None:
        raise UsageError(f"no stack {name!r} is up; start it: harness up --name {name}")
    if as_json and follow:
        raise UsageError("--json prints one document: it cannot --follow")
    logs = {path.stem: path for path in sorted((Path(info.state_dir) / "logs").glob("*.log"))}
    if process is not None:
        if process not in logs:
            raise UsageError(f"stack {name!r} has no process {process!r}; it has: {', '.join(logs)}")
        logs = {process: logs[process]}
    if as_json:
        texts = {part: path.read_text(encoding="utf-8", errors="replace") for part, path in logs.items()}
        echo_json(json.dumps({"name": name, "logs": texts}))
        return
    _print(logs, name if follow else None, labelled=process is None)


def _print(logs: dict[str, Path], while_up: str | None, *, labelled: bool) -> None:
    """Print the logs; with `while_up`, what is added to them, too, as long as that stack is up."""
    from harness.stack import find_stack

    files = {part: path.open("rb") for part, path in logs.items()}
    rests = dict.fromkeys(files, b"")
    try:
        while True:
            up = while_up is not None and find_stack(while_up) is not None
            for part, file in files.items():
                label = f"{part} | ".encode() if labelled else b""
                rests[part] = _print_lines(file, rests[part], label, whole=not up)
            if not up:
                return
            time.sleep(_PAUSE_SECONDS)
    finally:
        for file in files.values():
            file.close()


def _print_lines(file: BinaryIO, rest: bytes, label: bytes, *, whole: bool) -> bytes:
    """Print the complete lines that are new; returns the beginning of one that is not complete yet."""
    *lines, rest = (rest + file.read()).split(b"\n")
    if whole and rest:
        lines, rest = [*lines, rest], b""
    if sys.stdout.isatty():
        for line in lines:
            echo((label + line).decode(errors="replace"))
        return rest
    # to a file or another program as they are
    out = sys.stdout.buffer
    out.writelines(label + line + os.linesep.encode() for line in lines)
    out.flush()
    return rest
