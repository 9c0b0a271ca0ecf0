"""One gate over one copy of the service, as a process of its own: `python -m harness.prove.patch.worker <spec.json>`.

A gate that hangs, dies or leaves something behind then costs this defect, and not the proof.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.jobs.gate import GatePlan, run_gate
from harness.jobs.gate_plan import suites_of
from harness.machine.decoding import Reader
from harness.model import Policy, ProgressEvent, Target
from harness.runner.phases import SuiteOptions
from harness.stack.selection import TargetSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """What one gate is to do. Paths are absolute."""

    target: Target
    overrides: Mapping[str, str]
    policy: Policy
    out: str
    suites: tuple[str, ...]
    tests: str = ""
    """A file with the node ids of the tests that run; "" for all of the suites' tests."""
    until: tuple[str, ...] = ()
    """End each suite once such a check has failed."""
    narrowed: str = ""
    """The words that narrowed it; "" for a whole gate."""
    preflight: bool = True
    workers: int = 0
    failure: str
    """The file that says why there is no verdict."""


@dataclass(frozen=True, slots=True)
class GateFailure:
    """Why a gate ended without a verdict."""

    message: str


_SPEC, _FAILURE = Reader(GateSpec), Reader(GateFailure)


def write_spec(spec: GateSpec, path: Path) -> None:
    """Write what `main` reads, for it alone: the target's secrets are in it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(spec))


def read_failure(path: Path) -> GateFailure | None:
    """What `main` wrote of an error; None where it wrote nothing."""
    return _FAILURE.json(path.read_bytes()) if path.is_file() else None


def main(words: list[str]) -> int:
    """Run the gate that the file specifies; 0 once there is a verdict, whatever it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # whatever was inherited: a gate that is told to end takes its stack down
        signal.signal(number, signal.default_int_handler)
    spec = _SPEC.json(Path(words[0]).read_bytes())
    try:
        run_gate(plan_of(spec), _show)
    except HarnessError as error:
        Path(spec.failure).write_bytes(msgspec.json.encode(GateFailure(error.message)))
        sys.stderr.write(f"error: {error.message}\n{error.output}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def plan_of(spec: GateSpec) -> GatePlan:
    """The specification as the gate's own plan."""
    words = [word for check in spec.until for word in ("--until-fails", check)]
    if spec.tests:
        words += ["--tests-file", spec.tests]
    return GatePlan(
        selection=TargetSelection(target=spec.target, backend="embedded", overrides=spec.overrides),
        policy=spec.policy,
        waivers=(),
        suites=tuple(suite for suite in suites_of(spec.target) if suite.name in spec.suites),
        narrowed=spec.narrowed,
        options=SuiteOptions(workers=spec.workers, retries=spec.policy.retries, extra=tuple(words)),
        out=Path(spec.out),
        preflight=spec.preflight,
        reports=False,
    )


def _show(event: ProgressEvent) -> None:
    sys.stderr.write(f"{event}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
