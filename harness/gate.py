"""The main job: up, preflight, suites, judge, reports, down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.aim import Aim, bring_up
from harness.catalogue import Suite
from harness.errors import StartupError
from harness.judge import judge, verdict_document
from harness.keeping import keep_logs, redact_results
from harness.model import Listener, Observation, Outcome, Policy, Progress, StackInfo, Target, Verdict, Waiver
from harness.places import root
from harness.policy import policy_document, waivers_document
from harness.preflight import not_asked, readiness_score, run_live, run_static, score_observation
from harness.profile import target_document
from harness.pytest_plugin.session import teach
from harness.redact import Redactor
from harness.report import write_reports
from harness.run import Run, create_run, load_record, seal, stack_facts
from harness.stack import Stack
from harness.stack.build import commit_of, identify_build
from harness.startup import attached_startup
from harness.suite_run import SuiteOptions, run_suites, timed
from harness.turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """All that a gate needs to know, checked before anything starts."""

    aim: Aim
    policy: Policy
    waivers: tuple[Waiver, ...]
    suites: tuple[Suite, ...]
    narrowed: str
    options: SuiteOptions
    out: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Where the run lies, and its verdict."""

    run: Path
    verdict: Verdict


def run_gate(plan: GatePlan, listen: Listener) -> GateResult:
    """Rule on a release.

    Raises `StackError` where the stack, not the service, kept the gate from testing, and `ReportError` where a report
    could not be written after the verdict.
    """
    redact = Redactor()
    run = open_gate_run(plan, redact)
    with closed_at_the_end(run, redact):
        static: list[Observation] = []
        try:
            with stack_for(plan.aim, run, redact, listen, static.extend) as stack:
                with timed(run, "preflight", listen) as waited, Turns().shared() as seconds:
                    waited(seconds)
                    record_preflight(run, plan.aim.target, stack.info, static)
                run_suites(run, plan.suites, stack, fresh_stack(plan.aim, redact, listen), plan.options, listen)
                keep_logs(run.path, stack.info, redact)
        except StartupError as error:
            run.record([_startup_failed(plan.aim, error), *not_asked(error.message)])
            (run.path / "logs" / "startup.log").write_text(redact(error.output), encoding="utf-8")
    return rule_and_report(run.path, plan.policy, plan.waivers, listen)


def open_gate_run(plan: GatePlan, redact: Redactor) -> Run:
    """The run's folder, with everything in it that is known before the start."""
    target = plan.aim.target
    run = create_run(
        plan.out,
        kind="gate",
        target=target,
        policy=plan.policy.name,
        commit=commit_of(root()).id or None,
        documents={
            "profile": target_document(target),
            "policy": policy_document(plan.policy),
            "waivers": waivers_document(plan.waivers),
        },
        redact=redact,
    )
    with run.editing() as document:
        document["narrowed"] = plan.narrowed
    return run


@contextmanager
def closed_at_the_end(run: Run, redact: Redactor) -> Iterator[None]:
    """Close the run's evidence whichever way it ends; what did not finish says so."""
    state = "interrupted"
    try:
        yield
        state = "finished"
    finally:
        redact_results(run.path, redact)
        run.close("finished" if state == "finished" else "interrupted")


@contextmanager
def stack_for(
    aim: Aim,
    run: Run,
    redact: Redactor,
    listen: Listener,
    tell: Callable[[tuple[Observation, ...]], None] = lambda _: None,
) -> Iterator[Stack]:
    """The run's stack: static preflight before the service starts, criterion `startup` once it answers.

    `tell` hears what static preflight found, for the readiness score.
    """

    def before_service(info: StackInfo) -> None:
        teach(redact, info)
        found = run_static(aim.target, info, folders=(str(run.path),))
        tell(found)
        run.record(found)

    with timed(run, "stack up", listen) as waited, Turns().shared() as seconds:
        waited(seconds)
        begun = time.monotonic()
        stack = bring_up(aim, listen, before_service)
    with stack:
        teach(redact, stack.info)
        with run.editing() as document:
            document["stack"] = stack_facts(stack.info)
            document["build"] = identify_build(aim.target, stack.info)
        if aim.starts:
            run.record([_startup_passed(stack.info, time.monotonic() - begun)])
        else:
            before_service(stack.info)
            run.record([attached_startup(aim.target, stack.info)])
        yield stack


def record_preflight(run: Run, target: Target, info: StackInfo, static: Sequence[Observation]) -> None:
    """Live preflight, and the System Readiness Score over all of it."""
    live = run_live(target, info)
    score = readiness_score([*static, *live], target.preflight_weights)
    run.record([*live, score_observation(score)])


def fresh_stack(aim: Aim, redact: Redactor, listen: Listener) -> Callable[[], Stack] | None:
    """Makes further stacks like this one, for suites that want one of their own; None where we cannot start any."""
    if not aim.starts:
        return None

    def start() -> Stack:
        started = bring_up(aim, listen)
        teach(redact, started.info)
        return started

    return start


def rule_and_report(run: Path, policy: Policy, waivers: tuple[Waiver, ...], listen: Listener) -> GateResult:
    """Judge the closed run, seal it, and write its reports."""
    verdict = judge(policy, waivers, load_record(run))
    (run / "verdict.json").write_bytes(verdict_document(verdict))
    seal(run)
    listen(Progress(phase="reports", text="begun"))
    with Turns().shared():
        write_reports(run)
    return GateResult(run=run, verdict=verdict)


def _startup_passed(info: StackInfo, seconds: float) -> Observation:
    return Observation(
        suite="gate",
        check="startup",
        subject=info.url,
        outcome=Outcome.PASS,
        value=round(seconds, 3),
        unit="s",
        detail={"parts": dict(info.timings)},
    )


def _startup_failed(aim: Aim, error: StartupError) -> Observation:
    return Observation(
        suite="gate",
        check="startup",
        subject=aim.target.name,
        outcome=Outcome.FAIL,
        detail={"message": error.message, "reason": error.message, "log": error.output},
    )
