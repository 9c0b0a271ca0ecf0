"""The main job: up, preflight, suites, judge, reports, down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.config import policy_document, target_document, waivers_document
from harness.errors import ReportError, StartupError
from harness.judge import judge, verdict_document
from harness.machine.bundle import root
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import Listener, Observation, Policy, Progress, StackInfo, Target, Verdict, Waiver
from harness.preflight import not_asked, readiness_score, run_live, run_static, score_observation
from harness.pytest_plugin.session import teach
from harness.report import write_reports
from harness.run import Run, create_run, load_record, replace_file, seal, stack_facts
from harness.runner.artifacts import full_disk_named, keep_logs, keep_proof, redact_results
from harness.runner.discovery import Suite
from harness.runner.phases import FreshStack, SuiteOptions, run_suites, timed
from harness.runner.progress import shared_turn
from harness.runner.startup_checks import attached_startup, build_changed, startup_failed, startup_passed, still_running
from harness.stack import Stack
from harness.stack.build import commit_of, identify_build
from harness.stack.selection import TargetSelection, bring_up, let_stay
from harness.stack.supervisor.scratch import guarded_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """All that a gate needs to know, checked before anything starts."""

    selection: TargetSelection
    policy: Policy
    waivers: tuple[Waiver, ...]
    suites: tuple[Suite, ...]
    narrowed: str
    options: SuiteOptions
    out: Path
    preflight: bool = True
    """Without it the criteria over preflight are not run."""
    reports: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Where the run lies, and its verdict."""

    run: Path
    verdict: Verdict
    service_log: str = ""
    """The last lines of a service that did not start."""
    unreported: ReportError | None = None
    """Reports that could not be written; the verdict stands."""


def run_gate(plan: GatePlan, listen: Listener) -> GateResult:
    """Rule on a release.

    Raises `StackError` where the stack, not the service, kept the gate from testing, and `HarnessError` where the disk
    is full: evidence that was not written is no evidence.
    """
    with full_disk_named(plan.out):
        return _run_gate(plan, listen)


def _run_gate(plan: GatePlan, listen: Listener) -> GateResult:
    redact = Redactor()
    learn_target(redact, plan.selection.target, plan.selection.overrides)
    run = open_gate_run(plan, redact)
    service_log = ""
    with closed_at_the_end(run, redact):
        if plan.selection.starts and not plan.selection.overrides:
            keep_proof(run.path, plan.out, plan.selection.target)
        static: list[Observation] = []
        try:
            with stack_for(plan.selection, run, redact, listen, static.extend) as stack:
                if plan.preflight:
                    with timed(run, "preflight", listen) as waited, shared_turn("preflight", listen, waited):
                        record_preflight(
                            run, plan.selection.target, static, run_live(plan.selection.target, stack.info)
                        )
                run_suites(
                    run, plan.suites, stack, fresh_stack(plan.selection, run, redact, listen), plan.options, listen
                )
        except StartupError as error:
            run.record([startup_failed(plan.selection.target.name, error)])
            record_preflight(run, plan.selection.target, static, not_asked(redact(error.message)))
            service_log = redact(error.output)
            (run.path / "logs" / "startup.log").write_text(service_log, encoding="utf-8")
    verdict = rule(run.path, plan.policy, plan.waivers)
    unreported = report(run.path, listen) if plan.reports else None
    return GateResult(run=run.path, verdict=verdict, service_log=service_log, unreported=unreported)


def open_gate_run(plan: GatePlan, redact: Redactor) -> Run:
    """The run's folder, with everything in it that is known before the start."""
    target = plan.selection.target
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
    state: Literal["finished", "interrupted"] = "interrupted"
    try:
        yield
        state = "finished"
    finally:
        try:
            redact_results(run.path, redact)
        except OSError:
            state = "interrupted"
            raise
        finally:
            run.close(state)


@contextmanager
def stack_for(
    selection: TargetSelection,
    run: Run,
    redact: Redactor,
    listen: Listener,
    tell: Callable[[tuple[Observation, ...]], None] = lambda _: None,
) -> Iterator[Stack]:
    """The run's stack: static preflight before the service starts, criterion `startup` once it answers, its logs kept
    however it ends.

    `tell` hears what static preflight found, for the readiness score.
    """

    def before_service(info: StackInfo) -> None:
        teach(redact, info)
        found = run_static(selection.target, info, folders=(str(run.path),))
        tell(found)
        run.record(found)

    with timed(run, "stack up", listen) as waited, shared_turn("stack up", listen, waited):
        begun = time.monotonic()
        stack = bring_up(selection, listen, before_service)
    with stack, logs_kept(run, stack, redact):
        with run.editing() as document:
            document["stack"] = stack_facts(stack.info)
            document["build"] = identify_build(selection.target, stack.info)
        if selection.starts:
            run.record([startup_passed(stack.info, time.monotonic() - begun)])
        else:
            before_service(stack.info)
            run.record([attached_startup(selection.target, stack.info)])
        yield stack
        run.record([*still_running(stack), *build_changed(selection.target, stack.info)])
        let_stay(selection, stack)


@contextmanager
def logs_kept(run: Run, stack: Stack, redact: Redactor, prefix: str = "") -> Iterator[None]:
    """Take what is secret in the stack out of all that the run keeps, and its logs into the run before it ends."""
    teach(redact, stack.info)
    try:
        yield
    finally:
        keep_logs(run.path, stack.info, redact, prefix)


def record_preflight(run: Run, target: Target, static: Sequence[Observation], live: Sequence[Observation]) -> None:
    """Live preflight, and the System Readiness Score over all of it."""
    score = readiness_score([*static, *live], target.preflight_weights)
    run.record([*live, score_observation(score)])


def fresh_stack(selection: TargetSelection, run: Run, redact: Redactor, listen: Listener) -> FreshStack | None:
    """Makes further stacks like this one, for suites that want one of their own; None where we cannot start any."""
    if not selection.starts:
        return None

    @contextmanager
    def start(suite: str, waited: Callable[[float], None]) -> Iterator[Stack]:
        with shared_turn(f"{suite} (alone)", listen, waited):
            # port and name that were asked for belong to the run's first stack
            stack = bring_up(replace(selection, port=None, keep=""), listen)
        with stack, logs_kept(run, stack, redact, f"{suite}-"):
            yield stack

    return start


def rule(run: Path, policy: Policy, waivers: tuple[Waiver, ...]) -> Verdict:
    """Judge the closed run, and seal it with its verdict."""
    verdict = judge(policy, waivers, load_record(run))
    replace_file(run / "verdict.json", verdict_document(verdict))
    seal(run)
    return verdict


def report(run: Path, listen: Listener) -> ReportError | None:
    """Write the run's reports; returns what went wrong, since it changes no verdict."""
    listen(Progress(phase="reports", text="begun"))
    try:
        with shared_turn("reports", listen):
            write_reports(run, guarded_folder)
    except ReportError as error:
        return error
    return None
