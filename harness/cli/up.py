"""`harness up`: a stack that stays up for a person to work against."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.stack_text import print_stack
from harness.cli.terminal import echo, write_progress
from harness.model import Listener, Noted, ProgressEvent, StackAdvanced

if TYPE_CHECKING:
    from harness.stack.named import Mode
    from harness.stack.selection import TargetSelection


@click.command(
    cls=Command, epilog="Example: harness up --instances 3 --workers 2 --env CACHE_ENABLED=false, then harness status"
)
@options.target
@options.stack
@options.name
@options.env
@options.mode
@options.instances
@options.tls
@click.option("--workers", type=click.IntRange(0, 64), default=None, help="Workers (default: as the profile says).")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port of the service (default: a free one).")
@click.option(
    "--release", metavar="REF", default=None, help="Its code and settings: of [releases.named], or a git ref."
)
@click.option("--roll", "rolls", is_flag=True, help="Move the stack that is up to this release and --env, under load.")
@options.json
@options.debug
def command(
    *,
    target: str | None,
    backend: str | None,
    name: str,
    env: tuple[str, ...],
    mode: Mode | None,
    instances: int | None,
    tls: bool,
    workers: int | None,
    port: int | None,
    release: str | None,
    rolls: bool,
    as_json: bool,
) -> int:
    """Start a stack that stays up, or reuse the one that is.

    The same name with another target, build, backend or --env is refused (exit 2) unless --mode is fresh (default:
    auto); `harness down` ends the stack.
    """
    from harness.errors import UsageError
    from harness.stack import bring_up
    from harness.stack.selection import select_target

    selection = select_target(target=target, backend=backend, url=None, name=name, overrides=options.overrides(env))
    if not selection.starts:
        raise UsageError("--stack attach starts nothing; `harness up` takes embedded or docker")
    if rolls:
        if any(each is not None for each in (mode, instances, workers, port)) or tls:
            raise UsageError("--roll: a stack that is up keeps its shape; leave --mode, --instances and the like out")
        return _roll(name, selection, release, as_json=as_json)
    found = selection.target
    if release is not None:
        from harness.jobs.rollback import target_of_release

        found = target_of_release(found, release)

    notes: list[str] = []
    try:
        brought = bring_up(
            found,
            name=name,
            backend=selection.backend,
            overrides=selection.overrides,
            instances=instances or 1,
            tls=tls,
            workers=workers,
            port=port,
            listen=_listener(notes),
            mode=mode or "auto",
        )
    finally:
        _show("")
    for note in notes:
        echo(note, err=True)
    if brought.reused and brought.info.name == name:
        echo(f"stack {name} is up already", err=True)
    print_stack(brought.info, as_json=as_json)
    return 0


def _roll(name: str, selection: TargetSelection, release: str | None, *, as_json: bool) -> int:
    from harness.cli.progress import showing
    from harness.cli.rollback_text import print_results
    from harness.jobs.rollback import roll_stack

    with showing() as listen:
        result = roll_stack(name, selection.target, selection.overrides, release, listen)
    print_results((result,), as_json=as_json)
    return 0 if result.outcome == "done" else 1


def _listener(notes: list[str]) -> Listener:
    """Shows phases on a terminal as they pass; what should stay is noted, and printed once the stack is up."""

    def listen(event: ProgressEvent) -> None:
        match event:
            case Noted(text):
                notes.append(text)
            case StackAdvanced(step):
                _show(step)

    return listen


def _show(text: str) -> None:
    """A line on a terminal that the next one replaces; nowhere else, where an error must be the first line."""
    if sys.stderr.isatty():
        erase_line = "\r\x1b[K"
        sys.stderr.write(erase_line)
        write_progress(text)
