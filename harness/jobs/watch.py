"""Watching a service after its release: a run that ends in a verdict on what was seen."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ReportError, UsageError
from harness.jobs.session import run_session
from harness.judge import judge, verdict_document
from harness.model import (
    Evidence,
    Invocation,
    Listener,
    Noted,
    PhaseRecord,
    Policy,
    StackFacts,
    Target,
    Verdict,
    Waiver,
    WatchRules,
)
from harness.report import write_reports
from harness.run import Reading, load_record, replace_file
from harness.runner.artifacts import full_disk_named
from harness.stack.build import reported_build
from harness.stack.supervisor.scratch import guarded_folder
from harness.watch.baseline import read_baseline
from harness.watch.core import Watcher
from harness.watch.delivery import Outbox, Way
from harness.watch.loop import WatchLoop
from harness.watch.observations import observations, scaling
from harness.watch.state import claimed_state, load_state, take_over

_PATIENCE_S = 5.0
_PATIENCE_OF_INTERRUPT_S = 0.5
"""For how long the end waits for messages that nobody took yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan:
    """All that a watch needs to know, checked before anything is asked."""

    target: Target
    url: str
    stack: str
    """Name of one of our own stacks; "" for a service of somebody else."""
    ca_file: str
    policy: Policy
    rules: WatchRules
    waivers: tuple[Waiver, ...]
    seconds: float | None
    baseline: Path | None
    capacity_rps: float | None
    ways: Mapping[str, Way]
    state: Path | None
    metrics_file: Path | None
    out: Path
    invocation: Invocation
    ends_on_page: bool
    """The first alert that pages ends it: somebody rolls back then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchResult:
    """Where the run lies, its verdict, and what that rests on."""

    run: Path
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    unreported: ReportError | None
    paged: bool
    """It was ended by an alert that pages."""


def run_watch(plan: WatchPlan, listen: Listener) -> WatchResult:
    """Watch until the time is over or an interrupt comes, and rule on what was seen.

    Raises `UsageError` where the state is another watch's or another service's, `BrokenRunError` for a baseline that
    cannot be read.
    """
    baseline = read_baseline(plan.baseline) if plan.baseline is not None else None
    if baseline is not None and not (baseline.latency_ms or baseline.errors):
        raise UsageError(f"--baseline {plan.baseline}: measured neither latency nor errors of any path")
    watcher = Watcher(
        rules=plan.rules,
        figures=plan.target.watch.all_figures,
        requests=plan.target.watch.requests,
        baseline=baseline,
        name_alert=lambda: secrets.token_hex(6),
    )
    with full_disk_named(plan.out), claimed_state(plan.state) if plan.state is not None else nullcontext():
        outbox = Outbox(plan.ways, lambda text: listen(Noted(text)))
        loop = WatchLoop(
            target=plan.target,
            url=plan.url,
            ca_file=plan.ca_file,
            rules=plan.rules,
            watcher=watcher,
            outbox=outbox,
            listen=listen,
            seconds=plan.seconds,
            state_folder=plan.state,
            metrics_file=plan.metrics_file,
        )
        _resume(plan, watcher, outbox, listen, loop)
        return _watch(plan, loop, listen)


def _resume(plan: WatchPlan, watcher: Watcher, outbox: Outbox, listen: Listener, loop: WatchLoop) -> None:
    if plan.state is None:
        return
    state, said = load_state(plan.state, plan.url)
    if said:
        listen(Noted(said))
    if state is not None:
        take_over(watcher, state, loop.now())
        for message in state.outbox:
            outbox.put(message)


def _watch(plan: WatchPlan, loop: WatchLoop, listen: Listener) -> WatchResult:
    with run_session(
        "watch", plan.target, plan.out, policy=plan.policy, waivers=plan.waivers, invocation=plan.invocation
    ) as session:
        run = session.run
        facts = StackFacts(name=plan.stack or "foreign", backend="attach", url=plan.url, owned=bool(plan.stack))
        run.update(lambda record: replace(record, stack=facts))
        with _interrupts() as interrupt:
            loop.run(lambda: interrupt.is_set() or _pages(plan, loop))
            is_early = interrupt.is_set()
        paged = _pages(plan, loop) and not is_early
        advice = scaling(loop.watcher, plan.capacity_rps)
        if advice is not None:
            listen(Noted(str(advice)))
        _deliver(plan, loop.outbox, listen, _PATIENCE_OF_INTERRUPT_S if is_early else _PATIENCE_S)
        loop.keep()
        run.update(
            lambda record: replace(record, narrowed=_broken_off(plan, loop.ran_s, is_early=is_early, paged=paged))
        )
        if loop.watcher.answered and not is_early:
            build = reported_build(plan.target, plan.url)
            run.update(lambda record: replace(record, build=build))
        run.update(lambda record: replace(record, phases=(PhaseRecord(name="watch", seconds=round(loop.ran_s, 3)),)))
        run.record(
            observations(loop.watcher, plan.url, down=loop.down, unread=loop.unread, capacity_rps=plan.capacity_rps)
        )
        reading = session.close()
        verdict = judge(plan.policy, plan.waivers, load_record(session.path, reading))
        replace_file(session.path / "verdict.json", verdict_document(verdict))
    unreported = _report(session.path, reading)
    return WatchResult(run=session.path, verdict=verdict, evidence=reading.lines, unreported=unreported, paged=paged)


def _pages(plan: WatchPlan, loop: WatchLoop) -> bool:
    return plan.ends_on_page and loop.watcher.book.pages


def _deliver(plan: WatchPlan, outbox: Outbox, listen: Listener, patience_s: float) -> None:
    left = outbox.flush(patience_s)
    if left:
        kept = "they are kept for the next watch of this --state" if plan.state else "--state DIR would keep them"
        listen(Noted(f"{left} messages were not delivered; {kept}"))
    outbox.close()


def _broken_off(plan: WatchPlan, ran_s: float, *, is_early: bool, paged: bool) -> str:
    """What ended a watch before its time; "" where nothing did."""
    if plan.seconds is None or not (is_early or (paged and ran_s < plan.seconds)):
        return ""
    by = "an alert that pages" if paged else "an interrupt"
    return f"{by} after {ran_s:.0f} of {plan.seconds:.0f} s"


def _report(run: Path, reading: Reading) -> ReportError | None:
    """Write the reports at once: whoever ended the watch waits for it, and for nobody who measures here."""
    try:
        write_reports(run, guarded_folder, reading)
    except ReportError as error:
        return error
    return None


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets: a watch ends in order then. The second one ends the process."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def note(number: int, _frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number in numbers:
            signal.signal(number, before[number])
