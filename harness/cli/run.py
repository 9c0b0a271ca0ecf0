"""`harness run SUITE…`: suites alone, without a verdict."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.progress import showing
from harness.cli.terminal import echo, echo_json
from harness.errors import UsageError


class SplitAtDashes(Command):
    """Keeps what stands behind `--` for pytest; click alone would mix it with the suites' names."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the line at the first `--`."""
        if "--" in args:
            cut = args.index("--")
            ctx.obj = tuple(args[cut + 1 :])
            args = args[:cut]
        else:
            ctx.obj = ()
        return super().parse_args(ctx, args)


@click.command(cls=SplitAtDashes, epilog="Example: harness run security --url http://127.0.0.1:8000 -- -k headers")
@click.argument("suites", nargs=-1, metavar="SUITE… [-- WORDS FOR PYTEST]")
@options.target_selection
@options.out
@options.share
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, options.MOST_PROCESSES),
    default=None,
    help="Test processes (default: cores + 1, at most 4).",
)
@options.active
@options.traces
@options.json
@options.debug_words
@click.pass_context
def command(
    ctx: click.Context,
    *,
    suites: tuple[str, ...],
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    out: Path | None,
    workers: int | None,
    active: bool,
    traces: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Run suites against a target; what stands behind `--` goes to pytest.

    Exit status: 0 all passed, 1 something failed, 3 something is unclear or nothing ran.
    """
    from harness.cli.findings_text import print_findings
    from harness.jobs.gate_plan import suites_of
    from harness.jobs.suites import run_alone
    from harness.run import read_run_record
    from harness.runner.discovery import choose
    from harness.runner.pytest_process import SuiteOptions, usual_workers
    from harness.stack.selection import select_target

    selection = select_target(target=target, backend=backend, url=url, name=name, overrides=options.overrides(env))
    known = suites_of(selection.target)
    if not suites:
        raise UsageError(f"which suites? {', '.join(suite.name for suite in known)}")
    how = SuiteOptions(workers=workers or usual_workers(), active=active, traces=traces, extra=ctx.obj)
    with showing() as listen:
        path, counts = run_alone(selection, choose(known, suites, ()), how, out or Path("reports"), listen)
    if as_json:
        echo_json(msgspec.json.encode(counts).decode())
        return counts.exit_code
    print_findings(counts.failures, read_run_record(path).invocation, debug=debug)
    echo(
        f"{counts.passed} passed, {counts.failed} failed, {counts.errors} errors, {counts.skipped} skipped,"
        f" {counts.flaky} flaky   page: {path / 'report' / 'index.html'}"
    )
    if not (counts.passed or counts.failed or counts.errors):
        echo(f"nothing ran; pytest's words are in {path / 'logs'}", err=True)
    return counts.exit_code
