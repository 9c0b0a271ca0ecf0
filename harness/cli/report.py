"""`harness report`: write the reports of a run again, and show the readiness page."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click
import msgspec

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json


@click.command(cls=Command, epilog="Example: harness report latest --open")
@click.argument("run")
@click.option("--open", "show", is_flag=True, help="Open the readiness page; without a desktop its path is printed.")
@options.out
@options.json
@options.debug
def command(run: str, *, show: bool, out: Path | None, as_json: bool) -> None:
    """Write the reports of RUN (a folder, a run's id, or `latest`) again.

    The verdict is not touched: reports only print what the run holds.
    """
    from harness.report import write_reports
    from harness.run import find_run, read_run_record
    from harness.stack.supervisor.scratch import guarded_folder

    folder = find_run(run, out or Path("reports"))
    files = write_reports(folder, guarded_folder)
    name = read_run_record(folder).run
    page = folder / "report" / "index.html"
    if as_json:
        document = {"run": name, "files": [str(path.relative_to(folder)) for path in files]}
        echo_json(msgspec.json.format(msgspec.json.encode(document), indent=1).decode())
    else:
        for path in files:
            echo(path)
    if show and not (_has_desktop() and webbrowser.open(page.as_uri())) and not as_json:
        echo(f"no desktop's browser here; the page is {page}", err=True)


def _has_desktop() -> bool:
    """A browser of the terminal would take the terminal over; only a desktop's is wanted."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
