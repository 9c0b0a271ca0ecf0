"""`harness backup`: the database of a stack that is up, backed up, verified, restored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.backup import Expected, Flaw

UNSOUND = 1
_SHOWN = 10
"""Files that are named one by one."""
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(cls=Command, epilog="Example: harness backup take --name default")
@click.argument("action", type=click.Choice(["take", "verify", "restore"]))
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--name", metavar="NAME", default=None, help="The stack whose database it is (take: default).")
@click.option(
    "--method", type=click.Choice(["base", "dump"]), default=None, help="take: how (default: base if it can)."
)
@click.option("--since", type=_FOLDER, default=None, metavar="BACKUP", help="take: that one and the log since.")
@click.option("--policy", metavar="release|PATH", default=None, help="verify: whose backup_max_age_h holds.")
@click.option("--max-age", metavar="24h", default=None, help="verify: an older backup is refused, whatever the policy.")
@click.option("--into", type=_FOLDER, default=None, metavar="DIR", help="restore: keep the server's data there.")
@options.json
@options.debug
def command(
    *,
    action: str,
    folder: Path | None,
    name: str | None,
    method: str | None,
    since: Path | None,
    policy: str | None,
    max_age: str | None,
    into: Path | None,
    as_json: bool,
) -> int:
    """Take a backup of a stack's database; verify one without starting anything; restore one into a fresh server.

    take [FOLDER] copies the server's files and its log up to a point (or dumps). verify FOLDER names each file that was
    changed or is missing. restore FOLDER starts a server of its own, compares all tables, and ends it.

    Exit status: 0 done and sound, 1 the backup is damaged, unfit, or not what it was taken of, 2 usage, 4 it failed.
    """
    _check_options(action, name=name, method=method, since=since, policy=policy, max_age=max_age, into=into)
    if action == "take":
        return _take(folder, name or "default", method, since, as_json=as_json)
    if folder is None:
        raise UsageError(f"backup {action}: name the backup's FOLDER")
    if action == "verify":
        return _verify(folder, name, _oldest(policy or "release", max_age), as_json=as_json)
    return _restore(folder, into, as_json=as_json)


def _check_options(action: str, **given: object) -> None:
    belong = {"take": ("name", "method", "since"), "verify": ("name", "policy", "max_age"), "restore": ("into",)}[
        action
    ]
    for option, value in given.items():
        if value is not None and option not in belong:
            raise UsageError(f"--{option.replace('_', '-')}: `backup {action}` has no use for it; leave it out")


def _take(folder: Path | None, name: str, method: str | None, since: Path | None, *, as_json: bool) -> int:
    from harness.backup import Method, advance_backup, open_backup, source_of, take_backup
    from harness.run import utc_now
    from harness.stack import find_stack

    if since is not None and method == "dump":
        raise UsageError("--method dump --since: a dump has no log to go on with; leave one of them out")
    info = find_stack(name)
    if info is None:
        raise UsageError(f"no stack {name!r} is up; start it: harness up --name {name}")
    place = folder or Path("reports", "backups", f"{name}-{utc_now().replace(':', '')[:17]}Z")
    chosen: Method | None = "base" if method == "base" else "dump" if method == "dump" else None
    source = source_of(info)
    backup = advance_backup(source, open_backup(since), place) if since else take_backup(source, place, chosen)
    manifest = backup.manifest
    if as_json:
        document = {
            "folder": str(backup.folder),
            "method": manifest.method,
            "why": manifest.why,
            "at": manifest.point.at,
            "seconds": manifest.seconds,
            "locked_ms": manifest.locked_ms,
            "bytes": manifest.bytes,
            "tables": len(manifest.facts.tables),
            "rows": manifest.facts.rows,
            "unlogged": dict(manifest.facts.unlogged),
        }
        echo_json(json.dumps(document))
        return 0
    kind = "base backup" if manifest.method == "base" else f"dump ({manifest.why})"
    echo(f"{place}: {kind}, {manifest.bytes / 2**20:.1f} MiB in {manifest.seconds:.1f} s")
    echo(f"{len(manifest.facts.tables)} tables with {manifest.facts.rows} rows, as they were at {manifest.point.at}")
    lost = manifest.facts.unlogged if manifest.method == "base" else {}
    for table, rows in lost.items():
        echo(f"note: {table} is UNLOGGED: its {rows} rows are in no base backup", err=True)
    echo(f"never restored yet: harness backup restore {place}")
    return 0


def _oldest(policy: str, max_age: str | None) -> float | None:
    """Seconds after which a backup is too old."""
    from harness.config import load_policy
    from harness.load.stages import parse_duration
    from harness.machine.bundle import root

    if max_age is not None:
        return parse_duration(max_age)
    hours = load_policy(policy, root()).backup_max_age_h
    return None if hours is None else hours * 3600


def _verify(folder: Path, name: str | None, oldest_s: float | None, *, as_json: bool) -> int:
    from harness.backup import find_flaws, open_backup
    from harness.backup.manifest import now

    moment = now()
    flaws = find_flaws(folder, _expected(name, oldest_s), moment)
    backup = None if flaws else open_backup(folder)
    restored = backup.restored if backup else None
    differences = restored.differences if restored else ()
    if as_json:
        document = {
            "folder": str(folder),
            "sound": not flaws,
            "flaws": [{"path": flaw.path, "text": flaw.text} for flaw in flaws],
            "age_s": round(backup.age_s(moment)) if backup else None,
            "restored": restored.at if restored else None,
            "differences": [{"kind": one.kind, "name": one.name, "text": one.text} for one in differences],
        }
        echo_json(json.dumps(document))
    elif flaws:
        _tell_flaws(folder, flaws)
    elif restored is None:
        echo(f"{folder}: sound; never restored: not proven to be a backup")
    else:
        what = f"{len(differences)} differences, the first: {differences[0]}" if differences else "compared"
        echo(f"{folder}: sound; restored at {restored.at}: {what}")
    return UNSOUND if flaws or differences else 0


def _restore(folder: Path, into: Path | None, *, as_json: bool) -> int:
    from harness.backup import find_flaws, open_backup, restore
    from harness.backup.manifest import now

    flaws = find_flaws(folder, _expected(None, None), now())
    restoration = None if flaws else restore(open_backup(folder), into)
    differences = restoration.differences if restoration else ()
    kept = into if restoration and not differences else None
    if as_json:
        document = {
            "folder": str(folder),
            "flaws": [{"path": flaw.path, "text": flaw.text} for flaw in flaws],
            "restored": restoration.at if restoration else None,
            "into": str(kept) if kept else None,
            "seconds": restoration.seconds if restoration else None,
            "rows": restoration.rows if restoration else None,
            "differences": [{"kind": one.kind, "name": one.name, "text": one.text} for one in differences],
        }
        echo_json(json.dumps(document))
    elif restoration is None:
        _tell_flaws(folder, flaws)
        echo("nothing was restored")
    else:
        for one in differences:
            echo(f"not as it was: {one}")
        what = f"{len(differences)} differences" if differences else "as it was taken"
        where = f", kept in {kept}" if kept else ""
        echo(f"{folder}: restored in {restoration.seconds:.1f} s, {restoration.rows} rows, {what}{where}")
    return UNSOUND if flaws or differences else 0


def _expected(name: str | None, oldest_s: float | None) -> Expected:
    from harness.backup import Expected, find_programs, read_server, source_of
    from harness.stack import find_stack

    major = find_programs().major
    if name is None:
        return Expected(major=major, max_age_s=oldest_s)
    info = find_stack(name)
    if info is None:
        raise UsageError(f"no stack {name!r} is up, whose backup this should be; start it, or leave --name out")
    source = source_of(info)
    with source.connect() as connection:
        server = read_server(source, connection)
    return Expected(system=server.system, stack=server.stack, database=source.database, major=major, max_age_s=oldest_s)


def _tell_flaws(folder: Path, flaws: tuple[Flaw, ...]) -> None:
    for flaw in flaws[:_SHOWN]:
        echo(f"{folder}: {flaw}")
    if len(flaws) > _SHOWN:
        echo(f"{folder}: {len(flaws) - _SHOWN} more; --json names all")
