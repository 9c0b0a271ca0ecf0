"""`harness rollback`: move a running stack back to an earlier release, or try that in a drill."""

from __future__ import annotations

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo
from harness.errors import UsageError
from harness.model import MOST_RATE, ROLLBACK_LEVELS, RollbackLevel


@click.command(cls=Command, epilog="Example: harness rollback --level code --plan")
@click.option(
    "--level", type=click.Choice(ROLLBACK_LEVELS), default=None, help="What goes back: settings, or the code."
)
@click.option("--to", metavar="RELEASE", default=None, help="A name of [releases.named], or a git ref.")
@click.option(
    "--stop-at",
    type=click.Choice(ROLLBACK_LEVELS),
    default=None,
    help="The last level that follows where one is not verified (default: code).",
)
@options.name
@options.target
@options.url
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--drill", is_flag=True, help="Plant a bad release on a stack of its own, and roll back from it.")
@click.option("--resume", "resumes", is_flag=True, help="Finish the rollback that was broken off.")
@click.option("--back", "goes_back", is_flag=True, help="Go back from the rollback that was broken off.")
@click.option("--rate", type=float, default=50.0, show_default=True, metavar="N", help="Reads a second meanwhile.")
@options.json
@options.debug
def command(
    *,
    level: RollbackLevel | None,
    to: str | None,
    stop_at: RollbackLevel | None,
    name: str,
    target: str | None,
    url: str | None,
    only_plan: bool,
    drill: bool,
    resumes: bool,
    goes_back: bool,
    rate: float,
    as_json: bool,
) -> int:
    """Roll a stack that `harness up --instances 2` started back to an earlier release, under load.

    Exit status: 0 it runs and is verified, 1 it runs and something is wrong with it, 2 it cannot be (nothing was
    touched), 4 the other release does not start (all is as it was), 130 interrupted.
    """
    _check(level, to, stop_at, target, url, only_plan=only_plan, drill=drill, takes_up=resumes or goes_back)
    if resumes and goes_back:
        raise UsageError("--resume --back: it goes on, or it goes back; give one of them")
    if not 0 < rate <= MOST_RATE:
        raise UsageError(f"--rate {rate:g}: requests a second were expected, above 0 and at most {MOST_RATE:,}")
    from harness.cli.progress import showing
    from harness.cli.rollback_text import print_drill, print_plan, print_results
    from harness.jobs import rollback as job

    if drill and level is not None:
        with showing() as listen:
            drilled = job.drill_rollback(target, level, rate, listen)
        print_drill(drilled, as_json=as_json)
        return 1 if drilled.problems else 0
    if goes_back:
        with showing() as listen:
            given_up = job.abandon_rollback(name, listen)
        echo(f"all is as it was: release {given_up.before.name} runs", err=as_json)
        return 0
    if level is None:
        with showing() as listen:
            results = job.resume_rollback(name, rate, listen)
    else:
        last = stop_at or ROLLBACK_LEVELS[-1]
        order = job.RollbackOrder(name=name, level=level, to=to, stop_at=last, rate=rate)
        if only_plan:
            print_plan(job.plan_rollback(order), as_json=as_json)
            return 0
        with showing() as listen:
            results = job.order_rollback(order, listen)
    print_results(results, as_json=as_json)
    return 0 if results[-1].outcome == "done" else 1


def _check(
    level: RollbackLevel | None,
    to: str | None,
    stop_at: RollbackLevel | None,
    target: str | None,
    url: str | None,
    *,
    only_plan: bool,
    drill: bool,
    takes_up: bool,
) -> None:
    if url is not None:
        raise UsageError(
            f"--url {url}: what somebody else started cannot be rolled back, since its processes are not ours; "
            "give --name of a stack that `harness up --instances 2` started"
        )
    if level is None and not takes_up:
        raise UsageError(f"--level is missing: {' or '.join(ROLLBACK_LEVELS)}")
    if level is not None and stop_at is not None and ROLLBACK_LEVELS.index(stop_at) < ROLLBACK_LEVELS.index(level):
        raise UsageError(f"--stop-at {stop_at}: it begins at --level {level}; leave --stop-at out")
    if takes_up and (level or to or stop_at or only_plan or drill):
        raise UsageError("--resume and --back take up what was ordered: leave --level, --to and the like out")
    if drill and (to or stop_at or only_plan):
        raise UsageError("--drill plants its own release, and goes one way back: leave --to, --stop-at and --plan out")
    if target is not None and not drill:
        raise UsageError("--target is for --drill; a stack that runs has its own, give --name")
