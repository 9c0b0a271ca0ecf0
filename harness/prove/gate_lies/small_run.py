"""Scenes for `harness judge`: a run as the gate leaves it, written and sealed by the real writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.config import load_policy, load_waivers
from harness.jobs.session import run_session
from harness.machine.bundle import root
from harness.model import Build, Observation, Outcome, Service, Target
from harness.prove.gate_lies.process import ending_of, install
from harness.prove.gate_lies.scene import Ending, Scene
from harness.prove.gate_lies.small_gate import POLICY
from harness.run import seal

TARGET = "small"
STARTED = Observation(suite="gate", check="startup", subject="service", outcome=Outcome.PASS)
CLEAN = Build(kind="commit", id="4f0c1f6f0d0c6a8f3f9d2a1b7c5e8d9a0b1c2d3e")
Spoil = Callable[[Path], None]
"""What happens to the run's folder between its end and the judge."""


def nothing(_run: Path) -> None:
    """Leave the run as it is."""


def passed(check: str = "own.answers", subject: str = "/") -> Observation:
    """A test that passed."""
    return seen(Outcome.PASS, check, subject)


def failed(check: str = "own.answers", subject: str = "/item") -> Observation:
    """A test that failed."""
    return seen(Outcome.FAIL, check, subject)


def seen(outcome: Outcome, check: str, subject: str, **detail: object) -> Observation:
    """A test's outcome."""
    name = f"own/test_own.py::test[{check}-{subject}]"
    return Observation(suite="own", check=check, subject=subject, outcome=outcome, detail=detail, test=name)


def make_run(
    scratch: Path,
    lines: Sequence[Observation],
    *,
    policy: str = POLICY,
    waivers: str = "",
    build: Build = CLEAN,
    collected: Sequence[str] = (),
    target: str = TARGET,
) -> Path:
    """A run of the target that ended after these lines, with policy and waivers beside it; returns its folder."""
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "policy.toml").write_text(policy, encoding="utf-8")
    (scratch / "waivers.toml").write_text(waivers, encoding="utf-8")
    rules = load_policy(str(scratch / "policy.toml"), root())
    aimed = Target(name=target, source="", service=Service(url="http://127.0.0.1:1"))
    kept = load_waivers(scratch / "waivers.toml", rules)
    session = run_session("gate", aimed, scratch / "out", policy=rules, waivers=kept)
    session.run.update(lambda record: replace(record, build=build, collected=tuple(collected)))
    session.run.record([STARTED, *lines])
    session.close()
    return session.path


def judged(
    *lines: Observation,
    policy: str = POLICY,
    waivers: Callable[[], str] = str,
    build: Build = CLEAN,
    collected: Sequence[str] = (),
    spoil: Spoil = nothing,
) -> Scene:
    """A scene with a run of these lines, spoiled, then judged."""

    def play(scratch: Path) -> Ending:
        install(scratch)
        run = make_run(scratch, lines, policy=policy, waivers=waivers(), build=build, collected=collected)
        spoil(run)
        # whoever can change a run can seal it too: a lie must be caught by more than a missing seal
        seal(run)
        return ending_of(scratch, "judge", run.name, "--out", "out")

    return play


HEALTHY = judged(passed())
"""A run in which all is well."""
