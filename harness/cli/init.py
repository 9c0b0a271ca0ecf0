"""`harness init URL`: drafts a profile for a service that runs."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.profile_draft import Draft

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@click.command(
    cls=Command,
    epilog="Example: harness init http://127.0.0.1:8000 --out shop.toml, then harness gate --target shop.toml",
)
@click.argument("url", metavar="URL")
@click.option(
    "--name", metavar="NAME", default=None, help="Name of the target (default: what the service calls itself)."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="PATH",
    help="The file to write (default: profiles/NAME.toml); one that exists is left alone.",
)
@options.json
@options.debug
def command(*, url: str, name: str | None, out: Path | None, as_json: bool) -> None:
    """Draft a profile for a running service, from at most 80 plain reads, and its front page in a browser.

    Each line of the draft says what it was guessed from; what was not found stands there as a comment to complete.
    Exit status: 2 for a URL that is none or a file that exists, 4 if nothing answers.
    """
    from harness.profile_draft import DraftReader, draft_profile, service_address

    url = service_address(url)
    name = _checked_name(name)
    # a place that is known is looked at before anything is asked
    path = _free_place(out or Path("profiles") / f"{name}.toml") if out or name else None
    with DraftReader(url) as reader:
        draft = draft_profile(reader, name)
    path = path or _free_place(Path("profiles") / f"{draft.name}.toml")
    _write(path, draft.toml)
    if as_json:
        echo_json(json.dumps(_document(draft, path), indent=1))
    else:
        _print(draft, path)


def _checked_name(name: str | None) -> str:
    """The name as given; "" for the service's own."""
    if name is None:
        return ""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: small letters, digits, '-', '_' and '.' make a name, at most 64")
    return name


def _free_place(path: Path) -> Path:
    """The path, if a file can be made there. Raises `UsageError` before anything is asked."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists and is not overwritten; give another place with --out PATH")
    folder = path.parent
    if folder == Path("profiles") and not folder.exists():
        folder = Path()
    if not folder.is_dir():
        raise UsageError(f"--out {path}: there is no folder {folder}; make it, or give another place with --out PATH")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: nothing can be written there; give another place with --out PATH")
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists and is not overwritten; give another place with --out PATH") from None


def _document(draft: Draft, path: Path) -> dict[str, object]:
    return {
        "profile": str(path),
        "name": draft.name,
        "url": draft.url,
        "requests": draft.requests,
        "remarks": list(draft.remarks),
        "guessed": [
            {"table": part.table, "key": key.name, "value": key.value, "why": key.why}
            for part in draft.parts
            for key in part.keys
        ],
        "not_found": list(draft.not_found),
        "would_prove_most": list(draft.steps),
    }


def _print(draft: Draft, path: Path) -> None:
    for part in draft.parts:
        for key in part.keys:
            why = f"  ({key.why})" if key.why else ""
            shown = key.value if isinstance(key.value, str) else json.dumps(key.value)
            echo(f"{part.table}.{key.name} = {shown}{why}")
    if draft.not_found:
        echo(f"not found: {', '.join(draft.not_found)}; the draft says how to add them")
    for remark in draft.remarks:
        echo(remark)
    for step in draft.steps:
        echo(f"would prove most: {step}")
    echo(f"wrote {path} from {draft.requests} reads; check it, then: harness gate --target {shlex.quote(str(path))}")
