"""What a proof was made of: without it nobody could say of which build it holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from harness.errors import BrokenRunError
from harness.machine.bundle import root
from harness.model import Build, Evidence, Outcome, Target
from harness.prove.book import ProofPlan
from harness.prove.model import Result
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFacts:
    """What stands beside the results."""

    id: str
    """Name of the proof's folder."""
    target: str
    policy: str
    build: Build
    fingerprint: str
    """Digest of the sources that were tried; "" for a service at a URL, and for sources that changed meanwhile."""
    changed: bool
    """Did the sources change while the proof ran? Then nobody knows of which it holds."""
    url: str
    overrides: tuple[str, ...]
    """Names of the settings that `--env` changed."""
    asked: str
    """The words that narrowed the proof; "" for the whole catalogue."""
    how: str
    """Other words of the command line that are needed to do the same again."""
    narrowed: str
    """The suites that were left out, as words."""
    full: bool
    seed: int
    """What draw and sample were made from."""
    start: str
    end: str
    checks: tuple[str, ...]
    """Checks that ran on the healthy service."""
    folders: Mapping[str, str]
    """Id of a defect -> where its evidence lies, relative to the proof's folder."""
    harness: str = harness.__version__


def begin(plan: ProofPlan) -> Begun:
    """Look at what is to be tried, before anything is."""
    return Begun(start=utc_now(), build=_build(plan.target, plan.url), fingerprint=_fingerprint(plan))


def facts_of(plan: ProofPlan, folder: ProofFolder, results: Iterable[Result], begun: Begun) -> ProofFacts:
    """Look them up once a proof has ended."""
    changed = _fingerprint(plan) != begun.fingerprint
    return ProofFacts(
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
        checks=healthy_checks(folder),
        folders={one.id: place for one in results if (place := _place(folder, one))},
    )


def facts_document(facts: ProofFacts) -> dict[str, Any]:
    """What `proof.json` says beside `prove --json` (DESIGN 4.2)."""
    return {
        "id": facts.id,
        "target": facts.target,
        "policy": facts.policy,
        "build": {"kind": facts.build.kind, "id": facts.build.id, "dirty": facts.build.dirty},
        "fingerprint": facts.fingerprint,
        "changed": facts.changed,
        "url": facts.url,
        "overrides": list(facts.overrides),
        "asked": facts.asked,
        "how": facts.how,
        "narrowed": facts.narrowed,
        "full": facts.full,
        "seed": facts.seed,
        "start": facts.start,
        "end": facts.end,
        "harness": facts.harness,
        "healthy_checks": list(facts.checks),
        "folders": dict(facts.folders),
    }


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


def _build(target: Target, url: str) -> Build:
    return reported_build(target, url) if url else identify_build(target)


def _fingerprint(plan: ProofPlan) -> str:
    return "" if plan.url else fingerprint(plan.target)


def _how(plan: ProofPlan) -> str:
    words = ["--full"] if plan.full else []
    words += ["--active"] if plan.active else []
    words += [f"--catalogue {shlex.quote(str(plan.catalogue))}"] if plan.catalogue != root() / CATALOGUE else []
    return " ".join(words)
