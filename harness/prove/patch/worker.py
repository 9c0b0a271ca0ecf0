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
from harness.model import Policy, Progress, Target
from harness.runner.phases import SuiteOptions
from harness.stack.selection import TargetSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOrder:
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


_ORDER = Reader(GateOrder)


def write_order(order: GateOrder, path: Path) -> None:
    """Write what `main` reads, for it alone: the target's secrets are in it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(order))


def main(words: list[str]) -> int:
    """Run the gate that the file orders; 0 once there is a verdict, whatever it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # whatever was inherited: a gate that is told to end takes its stack down
        signal.signal(number, signal.default_int_handler)
    order = _ORDER.json(Path(words[0]).read_bytes())
    try:
        run_gate(plan_of(order), _tell)
    except HarnessError as error:
        sys.stderr.write(f"error: {error.message}\n{error.output}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def plan_of(order: GateOrder) -> GatePlan:
    """The order as the gate's own plan."""
    words = [word for check in order.until for word in ("--until-fails", check)]
    if order.tests:
        words += ["--tests-file", order.tests]
    return GatePlan(
        selection=TargetSelection(target=order.target, backend="embedded", overrides=order.overrides),
        policy=order.policy,
        waivers=(),
        suites=tuple(suite for suite in suites_of(order.target) if suite.name in order.suites),
        narrowed=order.narrowed,
        options=SuiteOptions(workers=order.workers, retries=order.policy.retries, extra=tuple(words)),
        out=Path(order.out),
        preflight=order.preflight,
        reports=False,
    )


def _tell(progress: Progress) -> None:
    sys.stderr.write(f"{progress.phase}: {progress.text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
