"""A load run from plan to result: start Locust and the canary, follow them, read the samples back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.errors import GeneratorError
from harness.load.canary import Canary
from harness.load.capacity import Beat, Watch, steps, sustained_stages
from harness.load.plan import LoadPlan, validate
from harness.load.result import CanaryResult, Generator, LoadResult
from harness.load.samples import Failure, Samples
from harness.load.schedule import draw_schedule
from harness.load.summary import dropped, endpoints, histogram, lateness_p99_ms, timeline
from harness.load.workers import LocustWorkers
from harness.machine.extras import lacking
from harness.model import Listener, LoadAdvanced

_START_S = 60.0
"""Seconds within which Locust must be imported and ready."""
_LEAD_S = 0.1
"""Seconds between the order to start and the first moment of the schedule."""
_GRACE_S = 15.0
"""Seconds beyond plan and time-out after which a generator that still runs is broken."""
_PAUSE_AFTER_S = 1.0


def check_generator() -> None:
    """Raises `GeneratorError` where a package is missing without which no load can be sent."""
    for package in ("locust", "httptools"):
        missing = lacking(package, "load")
        if missing is not None:
            raise GeneratorError(missing)


def run_load(
    plan: LoadPlan,
    *,
    folder: Path,
    listen: Listener = lambda _: None,
    on_start: Callable[[int], None] = lambda _: None,
) -> LoadResult:
    """Send the plan and return what was measured; files go to `samples/` and `logs/` of the run's `folder`.

    `on_start` is given the id of each process that is started, so that somebody else can end it should this one die.
    Raises `UsageError` for a plan that cannot be, `GeneratorError` if Locust is missing, fails or is killed.
    """
    validate(plan)
    check_generator()
    kept = folder / "samples"
    for needed in (kept, folder / "logs"):
        needed.mkdir(parents=True, exist_ok=True)
    (kept / "load-plan.json").write_bytes(plan.document())
    with contextlib.ExitStack() as opened:
        canary = opened.enter_context(Canary()) if plan.canary else None
        parts = [kept / f".part-{number}.npz" for number in range(plan.workers)]
        trickle = kept / ".canary.npz"
        for path in (*parts, trickle):
            opened.callback(path.unlink, missing_ok=True)
        commands = [_command(kept / "load-plan.json", path, number, plan) for number, path in enumerate(parts)]
        if canary is not None:
            commands[0] += ["--canary", canary.url, str(trickle)]
            on_start(canary.pid)
        workers = opened.enter_context(LocustWorkers(commands, folder / "logs" / "load.log"))
        for pid in workers.pids:
            on_start(pid)
        running = _RunningLoad(plan=plan, workers=workers, canary=canary, listen=listen)
        running.follow()
        samples = Samples.join([Samples.load(path) for path in parts])
        seen = canary.result(trickle, running.begun) if canary is not None else None
    result = _result(plan, samples, running, seen)
    _write_files(plan, samples, result, kept)
    return result


def _write_files(plan: LoadPlan, samples: Samples, result: LoadResult, kept: Path) -> None:
    """Raw samples, and what reports read of them."""
    samples.save(kept / "load.npz")
    document = {"schema": 1, "unit": "ms", "url": plan.url, "arrivals": plan.arrivals, "seconds": result.timeline}
    (kept / "load-timeline.json").write_bytes(msgspec.json.encode(document))
    (kept / "load-histogram.json").write_bytes(msgspec.json.encode(histogram(plan, samples)))


def _command(plan_file: Path, out: Path, number: int, plan: LoadPlan) -> list[str]:
    return [str(plan_file), str(out), "--part", f"{number}/{plan.workers}"]


@dataclass(slots=True)
class _RunningLoad:
    """A run while it goes on."""

    plan: LoadPlan
    workers: LocustWorkers
    canary: Canary | None
    listen: Listener
    begun: float = 0.0
    """`time.monotonic` of the schedule's zero."""
    ended_early: str | None = None
    ends: list[dict[str, Any]] = field(default_factory=list)
    """What each worker said when it finished."""
    _beats: dict[int, dict[int, dict[str, Any]]] = field(default_factory=dict)

    def follow(self) -> None:
        """Start all workers at one moment and follow them to their end."""
        self._wait_ready()
        self.begun = time.monotonic() + _LEAD_S
        self.workers.tell(f"start {self.begun!r}")
        watch = Watch(self.plan)
        if self.canary is not None:
            self._listen_until(self.begun + min(_PAUSE_AFTER_S, self.plan.seconds * 0.4), watch)
            self.canary.stop()
            self._listen_until(time.monotonic() + self.plan.canary_pause_s, watch)
            self.canary.resume()
        self._listen_until(self.begun + self.plan.seconds + self.plan.timeout_s + _GRACE_S, watch)
        if not self.workers.finished:
            raise GeneratorError(
                f"load: Locust was not done {_GRACE_S:g} s after its last request could be; nothing it measured counts",
                output=self.workers.tail(),
            )

    def _wait_ready(self) -> None:
        waiting = set(range(len(self.workers.pids)))
        for number, event in self.workers.events(time.monotonic() + _START_S):
            if event["event"] == "ready":
                waiting.discard(number)
            if not waiting:
                return
        raise GeneratorError(f"load: Locust was not ready after {_START_S:g} s", output=self.workers.tail())

    def _listen_until(self, moment: float, watch: Watch) -> None:
        for number, event in self.workers.events(moment):
            self._take(number, event, watch)

    def _take(self, number: int, event: dict[str, Any], watch: Watch) -> None:
        if event["event"] == "finished":
            self.ends.append(event)
        if event["event"] != "second":
            return
        said = self._beats.setdefault(int(event["t"]), {})
        said[number] = event
        if len(said) < len(self.workers.pids):
            return
        beat = _together(list(said.values()))
        self._show(beat)
        del self._beats[beat.t]
        if self.plan.stop_at_knee and self.ended_early is None:
            self.ended_early = watch.look(beat)
            if self.ended_early is not None:
                self.workers.tell("end")

    def _show(self, beat: Beat) -> None:
        self.listen(
            LoadAdvanced(
                second=beat.t,
                seconds=round(self.plan.seconds),
                finished=beat.finished,
                failed=beat.failed,
                in_flight=beat.in_flight,
                p95_ms=beat.p95_ms,
            )
        )


def _together(events: list[dict[str, Any]]) -> Beat:
    """One second of several workers as one: counts add up, the worst lateness and latency stand."""

    def added(key: str) -> int:
        return sum(int(event[key]) for event in events)

    def worst(key: str) -> float | None:
        return max((float(event[key]) for event in events if event[key] is not None), default=None)

    return Beat(
        t=int(events[0]["t"]),
        reached=added("reached"),
        finished=added("finished"),
        failed=added("failed"),
        dropped=added("dropped"),
        in_flight=added("in_flight"),
        late_ms=worst("late_ms"),
        p95_ms=worst("p95_ms"),
    )


def _result(plan: LoadPlan, samples: Samples, running: _RunningLoad, canary: CanaryResult | None) -> LoadResult:
    expected = len(draw_schedule(plan))
    found = steps(plan, samples, cut_off=len(samples) < expected)
    rows = samples.where(np.isin(samples.stage, sustained_stages(plan, found)))
    lateness = lateness_p99_ms(rows)
    limit = plan.lateness_limit_s * 1000
    # a run that was ended at the knee lasted as long as it had arrivals
    seconds = plan.seconds if len(samples) == expected or not len(samples) else float(samples.due[-1])
    answers = int((samples.status >= 100).sum())
    return LoadResult(
        url=plan.url,
        arrivals=plan.arrivals,
        seed=plan.seed,
        seconds=seconds,
        offered_rps=len(samples) / seconds,
        achieved_rps=answers / seconds,
        endpoints=endpoints(plan, rows),
        generator=Generator(
            lateness_p99_ms=lateness,
            limit_ms=limit,
            on_time=lateness is not None and lateness <= limit,
            expected=expected,
            reached=len(samples),
            sent=len(samples) - dropped(samples),
            dropped=dropped(samples),
            failures=int((rows.status == Failure.GENERATOR).sum()),
            cpu_share=max(float(end["cpu_share"] or 0.0) for end in running.ends),
            connections=sum(int(end["connections"]) for end in running.ends),
            reconnects=sum(int(end["reconnects"]) for end in running.ends),
        ),
        canary=canary,
        steps=found,
        timeline=timeline(samples),
        ended_early=running.ended_early,
        complete=dropped(rows) == 0 and (len(samples) == expected or running.ended_early is not None),
    )
