"""The main job: up, preflight, suites, judge, reports, down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ReportError, StartupError
from harness.jobs.session import RunSession, run_session
from harness.judge import judge, verdict_document
from harness.model import (
    STACK_UP,
    Evidence,
    Invocation,
    Listener,
    Noted,
    Observation,
    PhaseBegan,
    Policy,
    StackInfo,
    Target,
    Verdict,
    Waiver,
)
from harness.preflight import not_asked, readiness_score, run_live, run_static, score_observation
from harness.report import write_reports
from harness.report.proven import KEPT_PROOF, read_proof
from harness.run import Reading, Run, load_record, replace_file
from harness.runner.artifacts import full_disk_named
from harness.runner.discovery import Suite
from harness.runner.phases import FreshStack, SuiteOptions, run_suites, timed
from harness.runner.progress import machine_shared
from harness.runner.startup_checks import (
    attached_startup,
    build_changed,
    gives_no_answer,
    startup_failed,
    startup_passed,
    still_running,
)
from harness.stack import Stack
from harness.stack.build import fingerprint
from harness.stack.ground import doubted, ground_problem
from harness.stack.named import claimed
from harness.stack.selection import TargetSelection, bring_up, let_stay
from harness.stack.supervisor.scratch import guarded_folder

_LATEST_PROOF = Path("prove") / "latest" / "proof.json"


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
    invocation: Invocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Where the run lies, its verdict, and what that rests on."""

    run: Path
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    service_log: str = ""
    """The last lines of a service that did not start."""
    unreported: ReportError | None = None
    """Reports that could not be written; the verdict stands."""


def run_gate(plan: GatePlan, listen: Listener) -> GateResult:
    """Rule on a release.

    Raises `StackError` where the stack, not the service, kept the gate from testing, `HarnessError` where the disk
    is full: evidence that was not written is no evidence, and `UsageError` where the name that the stack is to be kept
    under is somebody else's.
    """
    with full_disk_named(plan.out), claimed(plan.selection.keep):
        return _run_gate(plan, listen)


def _run_gate(plan: GatePlan, listen: Listener) -> GateResult:
    target, selection = plan.selection.target, plan.selection
    with run_session(
        "gate",
        target,
        plan.out,
        policy=plan.policy,
        waivers=plan.waivers,
        narrowed=plan.narrowed,
        overrides=selection.overrides,
        invocation=plan.invocation,
    ) as session:
        if selection.starts and not selection.overrides:
            keep_proof(session.path, plan.out, target)
        service_log = _test(plan, session, listen)
        reading = session.close()
        verdict = judge(plan.policy, plan.waivers, load_record(session.path, reading))
        replace_file(session.path / "verdict.json", verdict_document(verdict))
    unreported = report(session.path, reading, listen) if plan.reports else None
    return GateResult(
        run=session.path,
        verdict=verdict,
        evidence=reading.lines,
        service_log=service_log,
        unreported=unreported,
    )


def _test(plan: GatePlan, session: RunSession, listen: Listener) -> str:
    """Bring the target up and ask all that the plan asks; returns the log's tail of a service that did not start."""
    run, target = session.run, plan.selection.target
    static: list[Observation] = []
    try:
        with stack_for(plan.selection, session, listen, static.extend) as stack:
            if plan.preflight:
                with timed(run, "preflight", listen) as waited, machine_shared("preflight", listen, waited):
                    record_preflight(run, target, static, run_live(target, stack.info), stack.info)
            if gives_no_answer(stack.info):
                # criterion `startup` says so; each test would wait in vain again
                listen(Noted("no suite is begun: the service gives no whole answer in time"))
            else:
                run_suites(run, plan.suites, stack, fresh_stack(plan.selection, session, listen), plan.options, listen)
    except StartupError as error:
        run.record([startup_failed(target.name, error)])
        record_preflight(run, target, static, not_asked(session.redact(error.message)))
        log = session.redact(error.output)
        (run.path / "logs" / "startup.log").write_text(log, encoding="utf-8")
        return log
    return ""


@contextmanager
def stack_for(
    selection: TargetSelection,
    session: RunSession,
    listen: Listener,
    on_static: Callable[[tuple[Observation, ...]], None] = lambda _: None,
) -> Iterator[Stack]:
    """The run's stack: static preflight before the service starts, criterion `startup` once it answers, its logs kept
    however it ends.

    `on_static` is told what static preflight found, for the readiness score.
    """
    run = session.run

    def before_service(info: StackInfo) -> None:
        session.learn(info)
        found = run_static(selection.target, info, folders=(str(run.path),))
        on_static(found)
        run.record(found)

    with timed(run, STACK_UP, listen) as waited, machine_shared(STACK_UP, listen, waited):
        begun = time.monotonic()
        stack = bring_up(selection, listen, before_service)
    with stack, session.on_stack(stack.info):
        if selection.starts:
            run.record([startup_passed(stack.info, time.monotonic() - begun)])
        else:
            before_service(stack.info)
            run.record([attached_startup(selection.target, stack.info)])
        yield stack
        run.record([*still_running(stack), *build_changed(selection.target, stack.info)])
        problem = ground_problem(stack.info)
        if problem is not None:
            listen(Noted(f"{problem}: what failed from then on says nothing of the service"))
        else:
            let_stay(selection, stack)


def record_preflight(
    run: Run,
    target: Target,
    static: Sequence[Observation],
    live: Sequence[Observation],
    info: StackInfo | None = None,
) -> None:
    """Live preflight, and the System Readiness Score over all of it; `info` is the stack that was asked."""
    score = readiness_score([*static, *live], target.preflight.weights)
    found = [*live, score_observation(score)]
    run.record(doubted(found, info) if info is not None else found)


def fresh_stack(selection: TargetSelection, session: RunSession, listen: Listener) -> FreshStack | None:
    """Makes further stacks like this one, for suites that want one of their own; None where we cannot start any."""
    if not selection.starts:
        return None

    @contextmanager
    def start(suite: str, waited: Callable[[float], None]) -> Iterator[Stack]:
        with machine_shared(f"{suite} (alone)", listen, waited):
            # port and name that were asked for belong to the run's first stack
            stack = bring_up(replace(selection, port=None, keep=""), listen)
        with stack, session.keeping_logs(stack.info, f"{suite}-"):
            yield stack

    return start


def report(run: Path, reading: Reading, listen: Listener) -> ReportError | None:
    """Write the run's reports; returns what went wrong, since it changes no verdict."""
    listen(PhaseBegan("reports"))
    try:
        with machine_shared("reports", listen):
            write_reports(run, guarded_folder, reading)
    except ReportError as error:
        return error
    return None


def keep_proof(run: Path, out: Path, target: Target) -> None:
    """Copy the newest proof below `out` into the run, if it is of the same target and of its sources as they are.

    One that changed a setting of the service says nothing of the service without it.
    """
    # what `latest` points at may be switched meanwhile
    path = (out / _LATEST_PROOF).resolve()
    proof = read_proof(path)
    if proof is None or proof.target != target.name or proof.overrides:
        return
    if proof.fingerprint and proof.fingerprint == fingerprint(target):
        (run / KEPT_PROOF).write_bytes(path.read_bytes())
