"""`harness gate`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.progress import showing
from harness.cli.terminal import echo, echo_json, echo_log
from harness.cli.verdict_text import EXITS, print_verdict

if TYPE_CHECKING:
    from harness.stack.named import Mode


@click.command(cls=Command, epilog="Example: harness gate --target dealradar --policy quick --env CACHE_ENABLED=false")
@options.target_selection
@click.option(
    "--policy",
    metavar="web|quick|release|PATH",
    default=None,
    help="What to rule by (default: the profile's `policy`, else web).",
)
@options.out
@options.share
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, options.MOST_PROCESSES),
    default=None,
    help="Test processes (default: cores + 1, at most 4).",
)
@options.listed("--only", metavar="SUITE,…", help="Run these suites only; at best INCONCLUSIVE.")
@options.listed("--without", metavar="SUITE,…", help="Leave these suites out; at best INCONCLUSIVE.")
@options.mode
@options.instances
@options.tls
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port of the service (default: a free one).")
@click.option("--keep-up", is_flag=True, help="Leave the stack up at the end, under --name.")
@options.active
@options.traces
@options.json
@options.debug_words
def command(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    policy: str | None,
    out: Path | None,
    workers: int | None,
    only: str | None,
    without: str | None,
    mode: Mode | None,
    instances: int | None,
    tls: bool,
    port: int | None,
    keep_up: bool,
    active: bool,
    traces: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Start the target, test it, rule GO, NO-GO or INCONCLUSIVE, and stop it (--mode fresh, the default).

    With --mode reuse or auto it is tested on the stack that `harness up` started, which stays up.

    Exit status: 0 GO, 1 NO-GO, 2 usage, 3 INCONCLUSIVE, 4 the harness or the stack failed, 130 interrupted.
    """
    from harness.jobs.gate import run_gate
    from harness.jobs.gate_plan import make_plan
    from harness.machine.extras import lacking
    from harness.runner.pytest_process import SuiteOptions, usual_workers
    from harness.stack.named import find_stack
    from harness.stack.selection import select_target

    selection = select_target(
        target=target,
        backend=backend,
        url=url,
        name=name,
        overrides=options.overrides(env),
        port=port,
        keep_up=keep_up,
        mode=mode,
        instances=instances,
        tls=tls,
    )
    plan = make_plan(
        selection,
        policy=policy,
        only=options.words("--only", only),
        without=options.words("--without", without),
        options=SuiteOptions(workers=workers or usual_workers(), active=active, traces=traces),
        out=out or Path("reports"),
    )
    with showing() as listen:
        result = run_gate(plan, listen)
    if result.service_log:
        echo("the service did not start; the end of its log:", err=True)
        echo_log(result.service_log)
    if as_json:
        echo_json((result.run / "verdict.json").read_text(encoding="utf-8"))
    else:
        print_verdict(result.verdict, result.evidence, result.run, debug=debug)
    without_browser = lacking("playwright", "browser")
    if without_browser is not None:
        echo(f"no page was opened in a browser: {without_browser}", err=True)
    if selection.keep and find_stack(selection.keep) is not None:
        echo(f"stack {selection.keep} stays up: `harness status --name {selection.keep}`, `harness down`", err=True)
    if result.unreported is not None:
        raise result.unreported
    return EXITS[result.verdict.verdict]
