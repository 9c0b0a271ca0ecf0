"""`harness status`: where a stack is reached, and how it is."""

from __future__ import annotations

import json

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.stack_text import print_stack, stack_document
from harness.cli.terminal import echo, echo_json


@click.command(cls=Command, epilog="Example: harness status --json")
@options.name
@options.json
@options.debug
def command(*, name: str, as_json: bool) -> None:
    """Show a stack's addresses, and whether its service is ready."""
    from harness.stack import all_stacks, find_stack, health_problem

    info = find_stack(name)
    if info is None:
        if as_json:
            echo_json(json.dumps(stack_document(name, None)))
            return
        others = ", ".join(other.name for other in all_stacks())
        echo(f"no stack {name} is up" + (f"; up: {others}" if others else "; start one: harness up"))
        return
    print_stack(info, as_json=as_json)
    problem = health_problem(info)
    if problem is not None:
        echo(f"not ready: {problem}", err=True)
