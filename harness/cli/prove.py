"""`harness prove`: plant defects, and show that the gate says no to each."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo_json


@click.command(cls=Command, epilog="Example: harness prove --kind patch --area cache --healthy 3")
@options.target
@options.url
@options.env
@options.policy
@options.out
@options.share
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Folder of the defects (default: defects/ beside the suites).",
)
@click.option(
    "--kind", type=click.Choice(["patch", "wire", "gate", "source"]), multiple=True, help="Defects of this kind only."
)
@click.option("--wire", is_flag=True, help="Short for --kind wire: mistakes made by a proxy before a running service.")
@options.listed("--area", metavar="AREA,…", help="Defects of these areas only.")
@options.listed("--only", metavar="ID,…", help="These defects only; `*` stands for anything.")
@options.listed("--without", metavar="SUITE,…", help="Leave these suites out: what does nothing else guard?")
@click.option("--changed", metavar="REF", default=None, help="Defects in files that changed since that git revision.")
@click.option("--healthy", type=click.IntRange(0, 1000), default=None, help="Healthy runs (default: 1 if patches run).")
@click.option(
    "--sample", type=click.IntRange(1, 100_000), default=None, help="About so many of the defects, by --seed."
)
@click.option(
    "--draw",
    type=click.IntRange(0, 1000),
    default=None,
    help="Mutants drawn at random, of the wire or of the source (default: 20).",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=None, help="Number that draw and sample are made from."
)
@click.option(
    "--jobs", type=click.IntRange(1, options.MOST_PROCESSES), default=None, help="Gates at once (default: the cores)."
)
@click.option("--full", is_flag=True, help="Run all suites on every defect, past the first check that fails.")
@click.option("--resume", is_flag=True, help="Go on with the proof that was begun last.")
@options.active
@options.json
@options.debug
def command(
    *,
    target: str | None,
    url: str | None,
    env: tuple[str, ...],
    policy: str,
    out: Path | None,
    catalogue: Path | None,
    kind: tuple[str, ...],
    wire: bool,
    area: str | None,
    only: str | None,
    without: str | None,
    changed: str | None,
    healthy: int | None,
    sample: int | None,
    draw: int | None,
    seed: int | None,
    jobs: int | None,
    full: bool,
    resume: bool,
    active: bool,
    as_json: bool,
) -> int:
    """Plant each defect of the catalogue, and see whether the gate says no for the right reason.

    Exit status: 0 all detected, 1 one was missed, 2 usage, 3 something is unclear, 4 the harness or the stack failed.
    """
    from harness.cli.prove_text import print_proof, showing_results
    from harness.prove.plan import ProofRequest, make_proof_plan
    from harness.prove.results import PROOF
    from harness.prove.run import run_proof
    from harness.stack.selection import select_target

    selection = select_target(target=target, backend=None, url=url, overrides=options.overrides(env))
    request = ProofRequest(
        policy=policy,
        catalogue=catalogue,
        kinds=(*kind, "wire") if wire else kind,
        areas=options.words("--area", area),
        only=options.words("--only", only),
        without=options.words("--without", without),
        changed=changed,
        healthy=healthy,
        jobs=jobs,
        full=full,
        resume=resume,
        sample=sample,
        draw=draw,
        seed=seed,
        active=active,
    )
    plan = make_proof_plan(
        selection.target, request, overrides=selection.overrides, url=selection.url, out=out or Path("reports")
    )
    with showing_results(plan.defects) as (listen, on_result):
        folder, proof = run_proof(plan, listen, on_result)
    if as_json:
        echo_json((folder.path / PROOF).read_text(encoding="utf-8"))
    else:
        print_proof(proof, folder.path)
    return proof.exit_code
