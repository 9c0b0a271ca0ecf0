"""`harness load`: load a service at an open arrival rate, and believe the figures only if the generator kept time."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.console import Console
from harness.cli.progress import showing
from harness.cli.terminal import echo_json
from harness.errors import UsageError
from harness.jobs.load import LoadSpec, measure_load
from harness.load import PROFILES, LoadResult, parse_duration, profile_stages
from harness.model import MOST_RATE
from harness.stack.selection import select_target

_COLUMNS = ("p50", "p90", "p95", "p99", "p99.9", "max")


@click.command(cls=Command, epilog="Example: harness load --profile steady --rate 100 --duration 30s --path /api/deals")
@options.target_selection
@click.option(
    "--profile", type=click.Choice(PROFILES), default="steady", show_default=True, help="How the rate goes over time."
)
@click.option("--rate", type=float, default=None, metavar="N", help="Requests a second (default: the target's).")
@click.option("--duration", default=None, metavar="30s", help="How long (default: the load profile's).")
@click.option("--path", "paths", multiple=True, metavar="/x", help="GET this instead of the scenario (repeatable).")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Locust processes.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=None, help="Repeat the arrivals of an earlier run.")
@options.out
@options.share
@options.active
@options.json
@options.debug
def command(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    profile: str,
    rate: float | None,
    duration: str | None,
    paths: tuple[str, ...],
    workers: int,
    seed: int | None,
    out: Path | None,
    active: bool,
    as_json: bool,
) -> int:
    """Load a service at an open arrival rate; latency counts from the moment a request was due.

    Exit status: 0 measured, 2 usage or not allowed, 3 the generator is not to be believed, 4 the stack failed.
    """
    selection = select_target(target=target, backend=backend, url=url, name=name, overrides=options.overrides(env))
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise UsageError(f"--rate {rate:g}: requests a second were expected, above 0 and at most {MOST_RATE:,}")
    seconds = parse_duration(duration) if duration else None
    spec = LoadSpec(
        profile=profile,
        stages=profile_stages(profile, selection.target.load.rate, rate=rate, seconds=seconds),
        paths=paths,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        workers=workers,
        active=active,
    )
    with showing() as listen:
        run, result = measure_load(selection, spec, out or Path("reports"), listen)
    if as_json:
        document = {"run": run.name} | msgspec.to_builtins(result.document())
        echo_json(json.dumps(document, indent=1))
    else:
        _print(result, run)
    return 3 if result.inconclusive else 0


def _print(result: LoadResult, run: Path) -> None:
    """Latencies of each endpoint, errors by kind, how well the generator did, and whether any of it counts."""
    console = Console(highlight=False)
    console.print(_table(result))
    for name, endpoint in result.endpoints.items():
        if endpoint.kinds and name != "ALL":
            kinds = ", ".join(f"{count} {kind}" for kind, count in endpoint.kinds.items())
            console.print(Text(f"errors of {name}: {kinds}"))
    late = result.generator.lateness_p99_ms
    console.print(
        Text(
            f"offered {result.offered_rps:.1f}/s ({result.arrivals}, seed {result.seed}), answered"
            f" {result.achieved_rps:.1f}/s, dropped {result.dropped};"
            f" sent minus due p99 {'none sent' if late is None else f'{late:.1f} ms'}"
        )
    )
    if result.canary is not None:
        console.print(
            Text(f"canary: stood still for {result.canary.pause_ms:.0f} ms, seen as {result.canary.seen_ms:.0f} ms")
        )
    _print_steps(console, result)
    if result.inconclusive:
        console.print(Text(f"INCONCLUSIVE: {result.inconclusive}", style="bold yellow"))
    console.print(Text(f"run: {run}", overflow="fold"))


def _table(result: LoadResult) -> Table:
    table = Table(box=None, pad_edge=False, title="latency in ms, from the moment due (p50 of service time aside)")
    for heading in ("endpoint", "count", "errors", *_COLUMNS, "service p50"):
        table.add_column(heading, justify="left" if heading == "endpoint" else "right", overflow="fold")
    for name, endpoint in result.endpoints.items():
        figures = {key: quantile.value for key, quantile in endpoint.latency.items()}
        if endpoint.latency_max_ms is not None:
            figures["max"] = endpoint.latency_max_ms
        table.add_row(
            Text(name),
            str(endpoint.count),
            str(endpoint.errors),
            *(_number(figures.get(column)) for column in _COLUMNS),
            _number(endpoint.service_ms.get("p50")),
        )
    return table


def _print_steps(console: Console, result: LoadResult) -> None:
    if len(result.steps) < 2:
        return
    for step in result.steps:
        verdict = f"not sustained: {step.why_not}" if step.why_not else "sustained"
        console.print(Text(f"{step.name}: {step.offered_rps:.0f}/s offered, p95 {_number(step.p95_ms)} ms, {verdict}"))
    if result.ended_early:
        sustained = result.sustained_rps
        rate = f"{sustained:g} requests a second are sustained" if sustained is not None else "no step was sustained"
        whose = {
            "generator": "; the generator stopped there, what the service can do beyond is not known",
            "service": "; the service stopped there",
        }.get(result.limited_by or "", "")
        console.print(Text(f"{rate}{whose}"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
