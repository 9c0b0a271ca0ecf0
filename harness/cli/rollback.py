"""`harness rollback`: move a running stack back to an earlier release, or try that in a drill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo
from harness.errors import UsageError
from harness.model import MOST_RATE, ROLLBACK_LEVELS, RollbackLevel

if TYPE_CHECKING:
    from harness.jobs.rollback import RollbackOrder


@click.command(cls=Command, epilog="Example: harness rollback --level code --plan")
@click.option("--level", type=click.Choice(ROLLBACK_LEVELS), default=None, help="What goes back.")
@click.option("--to", metavar="RELEASE", default=None, help="A name of [releases.named], or a git ref.")
@click.option(
    "--stop-at",
    type=click.Choice(ROLLBACK_LEVELS),
    default=None,
    help="The last level that follows where one is not verified (default: full).",
)
@click.option(
    "--backup",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="FOLDER",
    help="Of level full: restore that one (default: the newest that `up --roll` kept).",
)
@options.name
@options.target
@options.url
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--drill", is_flag=True, help="Plant a bad release on a stack of its own, and roll back from it.")
@click.option("--resume", "resumes", is_flag=True, help="Finish the rollback that was broken off.")
@click.option("--back", "goes_back", is_flag=True, help="Go back from the rollback that was broken off.")
@click.option("--rate", type=float, default=50.0, show_default=True, metavar="N", help="Reads a second meanwhile.")
@options.out
@options.json
@options.debug
def command(
    *,
    level: RollbackLevel | None,
    to: str | None,
    stop_at: RollbackLevel | None,
    backup: Path | None,
    name: str,
    target: str | None,
    url: str | None,
    only_plan: bool,
    drill: bool,
    resumes: bool,
    goes_back: bool,
    rate: float,
    out: Path | None,
    as_json: bool,
) -> int:
    """Roll a stack that `harness up --instances 2` started back to an earlier release, under load.

    Level full restores the database from a backup: what was written since is lost. --plan says what that is.

    Exit status: 0 it runs and is verified, 1 it runs and something is wrong with it, 2 it cannot be (nothing was
    touched), 4 the other release does not start (all is as it was), 130 interrupted.
    """
    asked = _Asked(level, to, stop_at, backup, name, target, rate)
    _check_places(asked, url, drill=drill)
    _check_kinds(asked, only_plan=only_plan, drill=drill, resumes=resumes, goes_back=goes_back)
    if drill:
        return _drill(asked, out or Path("reports"), as_json=as_json)
    if goes_back:
        return _go_back(name, as_json=as_json)
    return _plan(asked, as_json=as_json) if only_plan else _move(asked, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Asked:
    level: RollbackLevel | None
    to: str | None
    stop_at: RollbackLevel | None
    backup: Path | None
    name: str
    target: str | None
    rate: float

    @property
    def order(self) -> RollbackOrder:
        from harness.jobs.rollback import RollbackOrder

        level, last = self.level or ROLLBACK_LEVELS[0], ROLLBACK_LEVELS[-1]
        return RollbackOrder(
            name=self.name, level=level, to=self.to, stop_at=self.stop_at or last, rate=self.rate, backup=self.backup
        )


def _drill(asked: _Asked, out: Path, *, as_json: bool) -> int:
    from harness.cli.progress import showing
    from harness.cli.rollback_text import print_drill
    from harness.jobs.rollback import drill_rollback

    with showing() as listen:
        run, drilled = drill_rollback(asked.target, asked.order.level, asked.rate, out, listen)
    print_drill(drilled, run, as_json=as_json)
    return 1 if drilled.problems else 0


def _go_back(name: str, *, as_json: bool) -> int:
    from harness.cli.progress import showing
    from harness.jobs.rollback import abandon_rollback

    with showing() as listen:
        given_up = abandon_rollback(name, listen)
    echo(f"all is as it was: release {given_up.before.name} runs", err=as_json)
    return 0


def _plan(asked: _Asked, *, as_json: bool) -> int:
    from harness.cli.rollback_text import print_plan
    from harness.jobs.rollback import plan_rollback

    print_plan(plan_rollback(asked.order), as_json=as_json)
    return 0


def _move(asked: _Asked, *, as_json: bool) -> int:
    """A rollback from its first step, or one that was broken off."""
    from harness.cli.progress import showing
    from harness.cli.rollback_text import print_results
    from harness.jobs.rollback import order_rollback, resume_rollback

    with showing() as listen:
        is_new = asked.level is not None
        results = order_rollback(asked.order, listen) if is_new else resume_rollback(asked.name, asked.rate, listen)
    print_results(results, as_json=as_json)
    return 0 if results[-1].outcome == "done" else 1


def _check_places(asked: _Asked, url: str | None, *, drill: bool) -> None:
    if url is not None:
        raise UsageError(
            f"--url {url}: what somebody else started cannot be rolled back, since its processes are not ours; "
            "give --name of a stack that `harness up --instances 2` started"
        )
    if asked.target is not None and not drill:
        raise UsageError("--target is for --drill; a stack that runs has its own, give --name")
    if not 0 < asked.rate <= MOST_RATE:
        raise UsageError(f"--rate {asked.rate:g}: requests a second were expected, above 0 and at most {MOST_RATE:,}")


def _check_kinds(asked: _Asked, *, only_plan: bool, drill: bool, resumes: bool, goes_back: bool) -> None:
    where = any((asked.to, asked.stop_at, asked.backup, only_plan))
    if resumes or goes_back:
        if any((asked.level, where, drill)):
            raise UsageError("--resume and --back take up what was ordered: leave --level, --to and the like out")
        if resumes and goes_back:
            raise UsageError("--resume --back: it goes on, or it goes back; give one of them")
        return
    if asked.level is None:
        raise UsageError(f"--level is missing: {' or '.join(ROLLBACK_LEVELS)}")
    if drill and where:
        raise UsageError(
            "--drill plants its own release, and goes one way back: leave --to, --stop-at, --backup and --plan out"
        )
    _check_levels(asked.level, asked.stop_at, asked.backup)


def _check_levels(first: RollbackLevel, last: RollbackLevel | None, backup: Path | None) -> None:
    if last is not None and ROLLBACK_LEVELS.index(last) < ROLLBACK_LEVELS.index(first):
        raise UsageError(f"--stop-at {last}: it begins at --level {first}; leave --stop-at out")
    if backup is not None and last not in (None, "full"):
        raise UsageError(f"--backup: level full alone restores one, and --stop-at {last} ends before; leave one out")
