"""Tries patched copies of the service: one gate over each, as a process of its own, and what that says of the patch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.model import MutantStatus, Policy, Status, Target
from harness.prove.controls import ControlRuns
from harness.prove.model import Defect, NoVerdictError, Result
from harness.prove.patch.worker import GateSpec, read_failure, write_spec
from harness.prove.selection import JudgedRun, Selection, criterion_of, decide_status, judge_run, select_tests
from harness.runner.pytest_process import end_process
from harness.stack.source_copy import ServiceSource, copy_source

_MOST_OF_LOG = 1500
_POLL_S = 0.1
_GATE_ENDS_WITHIN_S = 0.8
"""A gate that is told to end takes its tests and its stack down; one that does not is killed, and its supervisor sees
to the rest: whoever pressed Ctrl-C waits for all gates of the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """What every trial of a proof has in common."""

    target: Target
    overrides: Mapping[str, str]
    source: ServiceSource
    policy: Policy
    suites: tuple[str, ...]
    """All suites that may run."""
    narrowed: str
    """The words that left others out."""
    workers: int
    """Test processes of a gate over all of them."""
    folder: Path
    """Where runs are kept."""
    scratch: Path
    """Where copies of the service are made; emptied as we go."""
    environment: Mapping[str, str]
    """What makes a process end with the proof, whatever happens to us."""
    seconds: float
    """Within which a gate must come to its verdict."""
    stop: threading.Event
    """Ends all trials."""


def try_patch(defect: Defect, config: TrialConfig, controls: ControlRuns, healthy: JudgedRun, *, full: bool) -> Result:
    """Plant one patch and see what the gate says.

    First only the tests that can notice it as expected, up to the first that does; whatever else comes out, and with
    `full`, all of them. Raises ConfigError for a patch that does not apply.
    """
    begun = time.monotonic()
    run: JudgedRun | None = None
    try:
        status, reason = MutantStatus.SURVIVED, ""
        if not full:
            run, status, reason = _try_expected(defect, config, controls, healthy)
        if status is not MutantStatus.KILLED:
            run = run_trial(config, f"{defect.id}-full", defect.folder / defect.patch, None)
            control = healthy.status(defect.expect.criterion)
            status, reason = decide_status(defect.expect, run, control, narrowed=bool(config.narrowed))
    except NoVerdictError as error:
        status, reason = MutantStatus.INCONCLUSIVE, error.message
    result = defect.came_to(status, reason=reason, seconds=time.monotonic() - begun)
    return msgspec.structs.replace(result, failed=run.failed, checks=run.checks) if run else result


def _try_expected(
    defect: Defect, config: TrialConfig, controls: ControlRuns, healthy: JudgedRun
) -> tuple[JudgedRun | None, MutantStatus, str]:
    criterion = criterion_of(config.policy, defect.expect.criterion)
    selection = select_tests(criterion, defect.expect.check, healthy.evidence)
    control = controls.status(selection) if selection is not None else None
    if selection is None or control is not Status.PASS:
        return None, MutantStatus.INCONCLUSIVE, ""
    run = run_trial(config, defect.id, defect.folder / defect.patch, selection)
    return run, *decide_status(defect.expect, run, control, narrowed=False)


def run_trial(config: TrialConfig, name: str, patch: Path | None, selection: Selection | None) -> JudgedRun:
    """A gate over a copy with that patch; None for no patch, or for all suites.

    Raises ConfigError for a patch that does not apply, NoVerdictError if there is no verdict.
    """
    copy = config.scratch / name
    shutil.rmtree(copy, ignore_errors=True)
    try:
        folder = copy_source(config.source, copy, patch)
        service = replace(config.target.service, cwd=str(folder))
        return _run_gate(config, name, copy, replace(config.target, service=service), selection)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _run_gate(config: TrialConfig, name: str, copy: Path, target: Target, selection: Selection | None) -> JudgedRun:
    out = config.folder / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    failure = copy / "failure.json"
    spec = GateSpec(
        target=target,
        overrides=config.overrides,
        policy=config.policy,
        out=str(out),
        suites=config.suites,
        narrowed=config.narrowed,
        workers=config.workers,
        failure=str(failure),
    )
    if selection is not None:
        spec = replace(
            spec,
            suites=tuple(one for one in selection.suites if one in config.suites),
            tests=_listed(selection.tests, copy / "tests.txt"),
            until=selection.until,
            narrowed=f"prove: {selection.criterion} {selection.check}".strip(),
            preflight=selection.preflight,
            workers=0,
        )
    write_spec(spec, copy / "spec.json")
    status = _run_worker(config, copy / "spec.json", out / "gate.log")
    if status != 0:
        known = read_failure(failure)
        text = (out / "gate.log").read_text(encoding="utf-8", errors="replace")[-_MOST_OF_LOG:]
        why = known.message if known else f"the gate ended with {status}"
        raise NoVerdictError(f"no verdict: {why}", output=text)
    return judge_run(next((out / "runs").iterdir()), config.policy)


def _listed(tests: tuple[str, ...], path: Path) -> str:
    """The file that lists these tests; "" for none."""
    if not tests:
        return ""
    path.write_text("\n".join(tests) + "\n", encoding="utf-8")
    return str(path)


def _run_worker(config: TrialConfig, spec: Path, log: Path) -> int:
    """The worker's exit status. Raises NoVerdictError if it does not end in time, or the proof is interrupted."""
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.prove.patch.worker", str(spec)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | dict(config.environment) | {"NO_COLOR": "1"},
        )
        try:
            while process.poll() is None:
                if config.stop.wait(_POLL_S):
                    raise NoVerdictError("the proof was interrupted")
                if time.monotonic() - begun > config.seconds:
                    raise NoVerdictError(f"no verdict within {config.seconds:g} s")
        finally:
            end_process(process, _GATE_ENDS_WITHIN_S)
    return process.returncode
