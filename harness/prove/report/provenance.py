"""What a proof was made of: without it nobody could say of which build it holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import BrokenRunError
from harness.machine.bundle import root
from harness.model import Build, Evidence, HealthyRecord, Outcome, ProofRecord
from harness.prove.model import ProofPlan, Result
from harness.prove.plan import CATALOGUE
from harness.prove.results import ProofFolder
from harness.run import load_record, utc_now
from harness.stack.build import fingerprint, identify_build, reported_build

_RAN = (Outcome.PASS, Outcome.FAIL, Outcome.FLAKY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is known before the first defect is planted."""

    start: str
    build: Build
    fingerprint: str
    """Digest of the sources (`harness.stack.build.fingerprint`); "" for a service at a URL."""


def begin(plan: ProofPlan) -> Begun:
    """Look at what is to be tried, before anything is."""
    build = reported_build(plan.target, plan.url) if plan.url else identify_build(plan.target)
    return Begun(start=utc_now(), build=build, fingerprint=_fingerprint(plan))


def record_of(plan: ProofPlan, folder: ProofFolder, results: Iterable[Result], begun: Begun) -> ProofRecord:
    """The proof's record once it has ended, yet without its results."""
    changed = _fingerprint(plan) != begun.fingerprint
    return ProofRecord(
        schema=1,
        healthy=HealthyRecord(runs=0, false_alarms=0),
        detected=0,
        total=0,
        id=folder.path.name,
        target=plan.target.name,
        policy=plan.policy.name,
        build=begun.build,
        fingerprint="" if changed else begun.fingerprint,
        changed=changed,
        url=plan.url,
        overrides=tuple(sorted(plan.overrides)),
        asked=plan.asked,
        how=_how(plan),
        narrowed=plan.narrowed,
        full=plan.full,
        seed=plan.seed,
        start=begun.start,
        end=utc_now(),
        harness=harness.__version__,
        healthy_checks=healthy_checks(folder),
        folders={one.id: place for one in results if (place := _place(folder, one))},
    )


def healthy_checks(folder: ProofFolder) -> tuple[str, ...]:
    """Every check that came to a result in a healthy run of this proof."""
    runs = [*folder.runs.glob("healthy-*/runs/*"), *folder.runs.glob("wire/healthy*/runs/*")]
    return tuple(sorted({line.check for run in runs for line in _evidence(run) if line.outcome in _RAN}))


def _evidence(run: Path) -> tuple[Evidence, ...]:
    """Its lines; none of a run that broke: it is named among those without a verdict, and costs no proof."""
    try:
        return load_record(run).evidence
    except BrokenRunError:
        return ()


def _place(folder: ProofFolder, result: Result) -> str:
    """Where its evidence lies: of the run of all tests where there was one; "" for a lie, which leaves none."""
    for name in (f"{result.id}-full", result.id):
        for parent in ("runs/wire", "runs"):
            if (folder.path / parent / name).is_dir():
                return f"{parent}/{name}"
    return ""


def _fingerprint(plan: ProofPlan) -> str:
    return "" if plan.url else fingerprint(plan.target)


def _how(plan: ProofPlan) -> str:
    words = ["--full"] if plan.full else []
    words += ["--active"] if plan.active else []
    words += [f"--catalogue {shlex.quote(str(plan.catalogue))}"] if plan.catalogue != root() / CATALOGUE else []
    return " ".join(words)
