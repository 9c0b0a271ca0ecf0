"""`harness watch`: what a service answers after its release, and whether that may go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json
from harness.errors import UsageError
from harness.model import ROLLBACK_LEVELS, RollbackLevel

if TYPE_CHECKING:
    from harness.jobs.rollback import RollbackOrder

_RATE = 50.0
"""Reads a second that count what a rollback costs."""
_PATH = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_RUN = click.Path(path_type=Path)


@click.command(cls=Command, epilog="Example: harness watch --url https://shop.example.org --for 30m")
@options.target
@options.url
@click.option("--name", metavar="NAME", default=None, help="Watch the stack of that name, which `harness up` started.")
@click.option("--policy", metavar="watch|PATH", default="watch", show_default=True, help="With a table [watch].")
@click.option("--for", "lasts", metavar="30m", default=None, help="How long, then a verdict (default: until Ctrl-C).")
@click.option("--every", metavar="1s", default=None, help="From one question for a path to the next.")
@click.option("--baseline", type=_RUN, default=None, metavar="RUN", help="The release's gate, or an earlier watch.")
@click.option("--capacity", type=float, default=None, metavar="N", help="Requests a second that load has measured.")
@click.option("--webhook", metavar="URL", default=None, help="POST each alert there as JSON.")
@click.option(
    "--mail", metavar="TO", multiple=True, help="Mail alerts to these instead of the policy's [watch.mail] to."
)
@click.option("--state", type=_FOLDER, default=None, metavar="DIR", help="Keep budgets and alerts over a restart.")
@click.option("--metrics", type=_PATH, default=None, metavar="FILE", help="Write the watch's own state as OpenMetrics.")
@click.option(
    "--rules", type=_PATH, default=None, metavar="FILE", help="Write Prometheus' rules of the policy, and end."
)
@click.option("--dashboard", type=_PATH, default=None, metavar="FILE", help="Write a dashboard for Grafana, and end.")
@click.option(
    "--rollback",
    type=click.Choice(ROLLBACK_LEVELS),
    default=None,
    help="When an alert pages, end the watch and roll the stack of --name back.",
)
@options.out
@options.share
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a line on standard output, nothing else.")
@options.debug_words
def command(
    *,
    target: str | None,
    url: str | None,
    name: str | None,
    policy: str,
    lasts: str | None,
    every: str | None,
    baseline: Path | None,
    capacity: float | None,
    webhook: str | None,
    mail: tuple[str, ...],
    state: Path | None,
    metrics: Path | None,
    rules: Path | None,
    dashboard: Path | None,
    rollback: RollbackLevel | None,
    out: Path | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Watch a service from outside by paced reads: error budgets, burn-rate alerts, its own figures.

    Exit status: 0 GO, 1 NO-GO (a budget burnt, a figure out of its bounds, no answer at all), 2 usage, 3 INCONCLUSIVE
    (too little data), 130 interrupted twice; the first Ctrl-C ends the watch with a verdict. With --rollback it is
    that of the release that was watched, whatever became of the rollback.
    """
    if rules is not None or dashboard is not None:
        return _write_files(target, policy, rules, dashboard)
    from harness.jobs.watch_plan import WatchRequest, make_watch_plan

    request = WatchRequest(
        target=target,
        url=url,
        name=name,
        policy=policy,
        lasts=lasts,
        every=every,
        baseline=baseline,
        capacity_rps=capacity,
        webhook=webhook,
        mail_to=mail,
        state=state,
        metrics_file=metrics,
        out=out or Path("reports"),
        rolls_back=rollback is not None,
    )
    plan = make_watch_plan(request)
    order = _order(rollback, name) if rollback is not None and name is not None else None
    from harness.cli.verdict_text import EXITS, print_verdict
    from harness.cli.watch_text import print_json_verdict, watching
    from harness.jobs.watch import run_watch

    with watching(as_json=as_json) as listen:
        result = run_watch(plan, listen)
    if as_json:
        print_json_verdict(result.run, result.verdict)
    else:
        print_verdict(result.verdict, result.evidence, result.run, debug=debug)
    if order is not None and result.paged:
        _roll_back(order, as_json=as_json)
    if result.unreported is not None:
        raise result.unreported
    return EXITS[result.verdict.verdict]


def _order(level: RollbackLevel, name: str) -> RollbackOrder:
    """What is rolled back when an alert pages. Raises UsageError, before the watch, for what cannot be."""
    from harness.jobs.rollback import RollbackOrder, plan_rollback

    order = RollbackOrder(name=name, level=level, to=None, stop_at=ROLLBACK_LEVELS[-1], rate=_RATE)
    plan_rollback(order)
    return order


def _roll_back(order: RollbackOrder, *, as_json: bool) -> None:
    from harness.cli.progress import showing
    from harness.cli.rollback_text import print_results, results_document
    from harness.jobs.rollback import order_rollback

    echo(f"an alert pages: rolling back, level {order.level}", err=True)
    with showing() as listen:
        results = order_rollback(order, listen)
    if as_json:
        echo_json(json.dumps({"type": "rollback"} | results_document(results)))
    else:
        print_results(results, as_json=False)


def _write_files(target: str | None, policy: str, rules: Path | None, dashboard: Path | None) -> int:
    from harness.config import load_target
    from harness.jobs.watch_plan import load_rules
    from harness.machine.bundle import root
    from harness.model import Watched
    from harness.watch.export import grafana_dashboard, prometheus_rules

    watched = load_target(target, root()).watch if target else Watched()
    _, found = load_rules(policy)
    for path, write in ((rules, prometheus_rules), (dashboard, grafana_dashboard)):
        if path is None:
            continue
        try:
            path.write_text(write(found, watched), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
        echo(f"written: {path}")
    return 0
