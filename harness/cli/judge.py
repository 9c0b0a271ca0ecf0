"""`harness judge`: rule again from the evidence on disk."""

from __future__ import annotations

import os
from pathlib import Path

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.terminal import echo, echo_json
from harness.errors import BrokenRunError
from harness.model import Policy, Verdict


@click.command(cls=Command, epilog="Example: harness judge latest --policy release")
@click.argument("run")
@click.option("--policy", metavar="web|quick|release|PATH", help="Rule by another policy; nothing in the run changes.")
@options.out
@options.json
@options.debug_words
def command(run: str, *, policy: str | None, out: Path | None, as_json: bool, debug: bool) -> int:
    """Rule on RUN (a folder, a run's id, or `latest`) again, with the policy and waivers kept in it.

    The same evidence gives the same verdict, byte for byte. Exits 0 for GO, 1 for NO-GO, 3 for INCONCLUSIVE.
    """
    from harness.cli.verdict_text import EXITS, print_verdict
    from harness.config import waivers_from_document
    from harness.judge import judge, verdict_document
    from harness.run import find_run, load_record, read_document

    folder = find_run(run, out or Path("reports"))
    rules = _kept_policy(folder) if policy is None else _other_policy(folder, policy)
    kept = folder / "waivers.json"
    waivers = waivers_from_document(read_document(kept)) if os.path.lexists(kept) else ()
    record = load_record(folder, sealed=True)
    verdict = judge(rules, waivers, record)
    text = verdict_document(verdict)
    if policy is None:
        _keep(folder, verdict, text)
    if as_json:
        echo_json(text.decode())
    else:
        print_verdict(verdict, record.evidence, folder, debug=debug)
    return EXITS[verdict.verdict]


def _kept_policy(folder: Path) -> Policy:
    from harness.config import policy_from_document
    from harness.run import read_document

    if not os.path.lexists(folder / "policy.json"):
        raise BrokenRunError(f"{folder}: holds no policy.json; say which policy to rule by with --policy")
    return policy_from_document(read_document(folder / "policy.json"))


def _other_policy(folder: Path, given: str) -> Policy:
    """The policy that was asked for, held against the suites of the run's target where they are still there."""
    from harness.config import load_policy, target_from_document
    from harness.jobs.gate_plan import check_policy, suites_of
    from harness.machine.bundle import root
    from harness.run import read_document

    rules = load_policy(given, root())
    kept = folder / "profile.json"
    if os.path.lexists(kept):
        target = target_from_document(read_document(kept))
        if all(Path(path).is_dir() for path in target.suites.paths):
            check_policy(rules, target, suites_of(target))
    return rules


def _keep(folder: Path, verdict: Verdict, text: bytes) -> None:
    """Write `verdict.json` unless that would overwrite something sealed with something else."""
    from harness.run import is_regular, is_sealed, read_regular, replace_file

    path = folder / "verdict.json"
    if not is_sealed(folder):
        replace_file(path, text)
        return
    if not is_regular(path) or read_regular(path) != text:
        echo(
            f"the run is sealed, and its verdict.json was not overwritten: this ruling ({verdict.verdict}) differs "
            "from the sealed one",
            err=True,
        )
