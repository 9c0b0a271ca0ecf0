"""`harness down`: the end of a stack that `up` started."""

from __future__ import annotations

import json

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json


@click.command(cls=Command, epilog="Example: harness down --name default")
@options.name
@options.json
@options.debug
def command(*, name: str, as_json: bool) -> None:
    """Stop a stack and remove its data. Where nothing runs there is nothing to do, and that is no error."""
    from harness.stack import bring_down

    ended = bring_down(name)
    if as_json:
        echo_json(json.dumps({"name": name, "stopped": ended}))
    else:
        echo(f"stack {name} stopped" if ended else f"no stack {name} is up")
