"""`harness preflight`: the readiness checks alone, with the System Readiness Score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli import options
from harness.cli.command_line import Command
from harness.cli.preflight_text import preflight_document, print_preflight
from harness.cli.progress import showing
from harness.cli.terminal import echo, echo_json, echo_log
from harness.errors import StartupError
from harness.machine.bundle import root
from harness.machine.lock import MachineLock
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import Listener, Observation, Outcome, StackInfo
from harness.preflight import not_asked, readiness_score, run_live, run_static, score_observation, validate_weights
from harness.pytest_plugin.session import teach
from harness.run import Run, create_run, seal, stack_facts
from harness.runner.artifacts import keep_logs
from harness.stack.build import commit_of
from harness.stack.selection import TargetSelection, bring_up, select_target


@click.command(cls=Command, epilog="Example: harness preflight --target dealradar --env RATE_LIMIT_PER_MINUTE=1000000")
@options.target_selection
@options.out
@options.share
@options.json
@options.debug
def command(
    *,
    target: str | None,
    backend: str | None,
    url: str | None,
    name: str,
    env: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    debug: bool,  # noqa: ARG001 - read by `main`
) -> int:
    """Check readiness alone: settings, servers, folders, service; with times, remedies and the System Readiness Score.

    Exit status: 0 ready, 1 something is wrong, 2 usage, 3 something could not be asked, 4 the stack failed.
    """
    selection = select_target(target=target, backend=backend, url=url, name=name, overrides=options.overrides(env))
    validate_weights(selection.target)
    with showing() as listen:
        run, seen, log_tail = _check(selection, out or Path("reports"), listen)
    score = readiness_score(seen, selection.target.preflight_weights)
    if as_json:
        echo_json(json.dumps(preflight_document(run.id, selection.target.name, seen, score), indent=1))
    else:
        print_preflight(seen, score)
        echo(f"evidence: {run.path}")
    if log_tail:
        echo_log(log_tail)
    return exit_status(seen)


def exit_status(seen: Sequence[Observation]) -> int:
    """1 for a failure, 3 for an error or where nothing was asked, else 0 (DESIGN 4.1)."""
    outcomes = {each.outcome for each in seen}
    if Outcome.FAIL in outcomes:
        return 1
    return 3 if Outcome.ERROR in outcomes or Outcome.PASS not in outcomes else 0


def _check(selection: TargetSelection, out: Path, listen: Listener) -> tuple[Run, tuple[Observation, ...], str]:
    """Bring the stack up, ask, and leave a sealed run behind; with the log's tail if the service did not start."""
    redact = Redactor()
    learn_target(redact, selection.target, selection.overrides)
    run = create_run(
        out,
        kind="preflight",
        target=selection.target,
        policy=None,
        commit=commit_of(root()).id or None,
        documents={"profile": selection.target},
        redact=redact,
    )
    state = "interrupted"
    seen: list[Observation] = []
    log_tail = ""
    try:
        try:
            _ask(selection, run, redact, seen, listen)
        except StartupError as error:
            seen += not_asked(redact(error.message))
            log_tail = redact(error.output)
        run.record([*seen, score_observation(readiness_score(seen, selection.target.preflight_weights))])
        state = "finished"
    finally:
        run.close("finished" if state == "finished" else "interrupted")
        seal(run.path)
    return run, tuple(seen), log_tail


def _ask(selection: TargetSelection, run: Run, redact: Redactor, seen: list[Observation], listen: Listener) -> None:
    folders = (str(run.path),)

    def before_service(info: StackInfo) -> None:
        teach(redact, info)
        seen.extend(run_static(selection.target, info, folders))

    with MachineLock().shared(), bring_up(selection, listen, before_service) as stack:
        teach(redact, stack.info)
        with run.editing() as document:
            document["stack"] = stack_facts(stack.info)
            document["build"] = stack.info.build
        if not selection.starts:
            seen.extend(run_static(selection.target, stack.info, folders))
        seen.extend(run_live(selection.target, stack.info))
        keep_logs(run.path, stack.info, redact)
