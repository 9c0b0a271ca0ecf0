"""A load run on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.cli.console import Console
from harness.load.result import LoadResult

_COLUMNS = ("p50", "p90", "p95", "p99", "p99.9", "max")


def print_result(result: LoadResult, run: Path) -> None:
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
        }.get(result.limited_by, "")
        console.print(Text(f"{rate}{whose}"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
