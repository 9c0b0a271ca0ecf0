"""`harness verify`: has a sealed byte of a run changed since its verdict?"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json
from harness.machine.foreign_text import clipped

CHANGED = 1
NOT_SEALED = 3
_SHOWN = 1500
"""Characters of names that are shown; `--json` has all."""


@click.command(cls=Command, epilog="Example: harness verify latest")
@click.argument("run")
@options.out
@options.json
@options.debug
def command(run: str, *, out: Path | None, as_json: bool) -> int:
    """Compare the files of RUN (a folder, a run's id, or `latest`) with the digests in its manifest.

    Exits 0 if nothing changed, 1 if something did, 3 if the run was never sealed. Without a key this finds accidents,
    not forgery: whoever can write the run can write its manifest.
    """
    from harness.run import changed_files, find_run, is_sealed

    folder = find_run(run, out or Path("reports"))
    sealed = is_sealed(folder)
    changed = changed_files(folder)
    if as_json:
        document = {"run": folder.name, "sealed": sealed, "changed": changed}
        echo_json(msgspec.json.format(msgspec.json.encode(document), indent=1).decode())
    elif not sealed:
        echo(f"{folder}: never sealed (no manifest.json): its run ended before a verdict")
    elif changed:
        echo(f"{folder}: {len(changed)} sealed files changed: {clipped(', '.join(changed), _SHOWN)}")
    else:
        echo(f"{folder}: unchanged since its verdict")
    if not sealed:
        return NOT_SEALED
    return CHANGED if changed else 0
