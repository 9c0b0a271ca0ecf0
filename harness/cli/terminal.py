"""All that a command prints passes through here, and what a target or a run said is made fit for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from harness.machine.foreign_text import clipped, escaped_json, for_terminal

LONGEST = 2000
"""Characters of a message."""
_LOOKED_AT = 50 * LONGEST
_MOST_LINES = 200


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a line."""
    click.echo(for_terminal(str(text)), err=err)


def echo_json(document: str) -> None:
    """Print a JSON document."""
    click.echo(escaped_json(document), nl=not document.endswith("\n"))


def echo_error(message: str, output: str = "") -> None:
    """Print an error in one line, without what looks like a secret; below it the last lines of a log."""
    from harness.machine.redaction import Redactor

    line = " ".join(clipped(message, _LOOKED_AT).split())
    echo(clipped(f"error: {Redactor()(for_terminal(line))}", LONGEST), err=True)
    if output:
        echo_log(output)


def echo_log(text: str) -> None:
    """Print the last lines of a log on standard error, each cut to what one reads, without what looks like a secret."""
    from harness.machine.redaction import Redactor

    lines = for_terminal(Redactor()(text[-_MOST_LINES * LONGEST :]).rstrip()).split("\n")[-_MOST_LINES:]
    echo("\n".join(clipped(line, LONGEST) for line in lines), err=True)


def write_progress(text: str | Iterable[str]) -> None:
    """Write to standard error as it is: whole lines, or the beginning of one."""
    for part in [text] if isinstance(text, str) else text:
        sys.stderr.write(for_terminal(part))
    sys.stderr.flush()
