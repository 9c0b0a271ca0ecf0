"""Asks, counts, looks and tells, until the time is over or somebody ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, Queue, SimpleQueue
from typing import Generic, TypeVar

from harness.model import Listener, Noted, Target, WatchRules
from harness.run import replace_file, utc_now
from harness.watch.alerts import AlertChange
from harness.watch.burn import ALL
from harness.watch.core import Watcher
from harness.watch.delivery import AlertMessage, Outbox
from harness.watch.export import openmetrics, runbook_link
from harness.watch.rota import MOST_PER_SECOND, Probe, Rota
from harness.watch.scout import USUAL_METRICS, Found, Refusals, Scout, Told
from harness.watch.state import save_state
from harness.watch.told import AlertTold, FigureStatus, WatchAdvanced, WatchBegan, WatchStatus, series_status

_HANDS = 12
_LOOK_S = 0.5
_STATUS_S = 5.0
_SCOUTED_WITHIN_S = 20.0
_SCOUT_PAUSE_S = 5.0
"""From one look at a service that was down to the next."""
_OWN_DELAY_S = 0.15
"""This process was woken up so much too late: the machine is busy,"""
_BUSY_S = 2.0
"""and was so for about this long."""
_LONGEST_WAIT_S = 0.2
_OF_LIMIT = 0.8
"""As much of a limiter's rate as one client may use without being refused now and then."""
_LEFT_OUT_SHOWN = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Offered:
    """Whether there is something at the usual place of metrics."""

    is_there: bool


class Crew(Generic[T]):
    """A few daemon threads that ask: one path that hangs keeps nobody else waiting, and none is waited for at the end.

    What they bring is taken in one place. A job must not raise.
    """

    def __init__(self, hands: int) -> None:
        self._jobs: SimpleQueue[Callable[[], T]] = SimpleQueue()
        # no SimpleQueue: CPython 3.11's waits for ever where a signal comes just before its time-out ends
        self._brought: Queue[T] = Queue()
        for _ in range(hands):
            threading.Thread(target=self._work, daemon=True, name="watch").start()

    def send(self, job: Callable[[], T]) -> None:
        """Have a job done when a hand is free."""
        self._jobs.put(job)

    def next(self, timeout_s: float) -> T | None:
        """What was brought first; None if nothing is within that time."""
        try:
            return self._brought.get(timeout=max(0.0, timeout_s))
        except Empty:
            return None

    def _work(self) -> None:
        while True:
            self._brought.put(self._jobs.get()())


@dataclass(slots=True, kw_only=True)
class WatchLoop:
    """One watch of one service. `seconds` is how long, None for ever."""

    target: Target
    url: str
    ca_file: str
    rules: WatchRules
    watcher: Watcher
    outbox: Outbox
    listen: Listener
    seconds: float | None
    state_folder: Path | None = None
    metrics_file: Path | None = None
    down: str = ""
    """Why the service did not answer when it was first asked; "" if it did."""
    unread: dict[str, str] = field(default_factory=dict)
    """Place of metrics that the profile names -> why it cannot be read."""
    ran_s: float = 0.0
    _crew: Crew[Probe | Found | Told | _Offered] = field(init=False)
    _scout: Scout = field(init=False)
    _rota: Rota = field(init=False)
    _refusals: Mapping[str, Refusals] = field(default_factory=dict)
    _places: tuple[str, ...] = ()
    _is_guess: bool = True
    _is_scouting: bool = False
    _is_reading: bool = False
    _next_scout: float = 0.0
    _busy_until: float = 0.0
    _begun: float = 0.0
    _next_look: float = 0.0
    _next_status: float = 0.0
    _next_read: float = 0.0
    _silent: set[str] = field(default_factory=set)
    """Where nothing came from lately."""
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Nothing is asked before `run`."""
        self._crew = Crew(_HANDS)
        self._scout = Scout(target=self.target, url=self.url, ca_file=self.ca_file)
        limit = self.target.ratelimit
        gap = limit.window_s / limit.limit / _OF_LIMIT if limit is not None else 0.0
        self._rota = Rota(every_s=self.rules.every_s, least_gap_s=max(gap, 1 / MOST_PER_SECOND))
        self._places = self.target.watch.metrics
        self.unread = dict.fromkeys(self._places, "it was not asked yet")

    @staticmethod
    def now() -> float:
        """The clock of all windows, which no change of the wall clock moves."""
        return time.monotonic()

    def run(self, ended: Callable[[], bool]) -> None:
        """Watch until the time is over or `ended` says so; look once more then."""
        self._begun = now = self.now()
        self._send_scout()
        while not ended() and (self.seconds is None or not self._rota.paths or now - self._begun < self.seconds):
            if not self._rota.paths and now - self._begun > _SCOUTED_WITHIN_S:
                # what there is to watch is still looked for; a service that slow is watched at its front meanwhile
                self._take_paths(self._scout.guess())
            self._send_due(now)
            wait = self._wait_s(now)
            brought = self._crew.next(wait)
            if self.now() - now - wait > _OWN_DELAY_S:
                self._busy_until = self.now() + _BUSY_S
            while brought is not None:
                self._take(brought)
                brought = self._crew.next(0)
            now = self.now()
            if now >= self._next_look:
                self._look(now)
        self.ran_s = now - self._begun
        self._tell(self.watcher.look(now, final=True), now)
        self.listen(WatchAdvanced(self._status(now)))
        self.keep(now)

    def _wait_s(self, now: float) -> float:
        left = self.seconds - (now - self._begun) if self.seconds is not None else _LONGEST_WAIT_S
        return max(0.0, min(_LONGEST_WAIT_S, left, max(0.005, self._rota.wait_s(now))))

    def _send_scout(self) -> None:
        now = self.now()
        if not self._is_scouting and now >= self._next_scout:
            self._is_scouting, self._next_scout = True, now + _SCOUT_PAUSE_S
            self._crew.send(self._scout.find)

    def _send_due(self, now: float) -> None:
        due = self._rota.due(now)
        if due is not None:
            path, confirms = due
            self._crew.send(partial(self._scout.probe, path, self._refusals[path], confirms=confirms))
        if self._places and not self._is_reading and now >= self._next_read:
            self._is_reading, self._next_read = True, now + self.rules.metrics_every_s
            self._crew.send(partial(self._scout.read, self._places))

    def _take(self, brought: Probe | Found | Told | _Offered) -> None:
        match brought:
            case Probe():
                self._take_answer(brought)
            case Found():
                self._take_paths(brought)
            case Told():
                self._take_figures(brought)
            case _Offered():
                self._places = (USUAL_METRICS,) if brought.is_there else ()

    def _take_answer(self, probe: Probe) -> None:
        self._rota.done(probe)
        is_busy = probe.at < self._busy_until
        if is_busy:
            self._say("this machine is too busy at times: answers that seem slow then are not counted as slow")
        self.watcher.answer(probe, is_timed=not is_busy)
        if probe.outcome == "refused":
            self._say(f"{probe.why}: that counts neither as good nor as bad, and less is asked")
        if self._is_guess and probe.answered:
            self._send_scout()

    def _take_paths(self, found: Found) -> None:
        self._is_scouting = False
        was_guess, self._is_guess = self._is_guess, bool(found.down)
        if not self._rota.paths:
            # the time is for watching, not for finding out what
            self._begun = self.now()
            self._next_status = self._begun + _STATUS_S
        if found.down:
            self.down = self.down or found.down
            self._say(f"{self.url} does not answer ({found.down}); it is watched all the same")
        self._refusals = found.paths
        self.watcher.set_paths(found.paths)
        self._rota.set_paths(found.paths)
        if found.left_out:
            more = len(found.left_out) - _LEFT_OUT_SHOWN
            shown = ", ".join(found.left_out[:_LEFT_OUT_SHOWN]) + (f" and {more} more" if more > 0 else "")
            self._say(f"not watched, since a plain reader is refused: {shown}")
        if was_guess and not self._is_guess and not self._places:
            self._crew.send(lambda: _Offered(self._scout.offers_metrics()))
        self.listen(WatchBegan(self.target.name, self.url, tuple(found.paths), self.seconds))

    def _take_figures(self, told: Told) -> None:
        self._is_reading = False
        self.watcher.read(told.at, told.readings)
        for place in self._places:
            problem = told.problems.get(place, "")
            if problem:
                self._say(f"no figures can be read at {place}: {problem}; the watch goes on without them")
            if place in self.unread:
                self.unread[place] = problem
        if not self.target.watch.metrics and told.problems:
            # nobody promised them
            self._places = ()

    def _look(self, now: float) -> None:
        self._next_look = now + _LOOK_S
        changes = self.watcher.look(now)
        self._tell(changes, now)
        self._tell_silence(now)
        if changes or now >= self._next_status:
            self.keep(now)
        if now >= self._next_status and self._rota.paths:
            self._next_status = now + _STATUS_S
            self.listen(WatchAdvanced(self._status(now)))

    def _tell_silence(self, now: float) -> None:
        silent = {series.subject for series in self.watcher.silent(now)}
        new, self._silent = silent - self._silent, silent
        if new:
            of = "any path" if ALL in new else ", ".join(sorted(new))
            self.listen(Noted(f"no data of {of} for a while: nothing is known of it, neither good nor bad"))

    def _tell(self, changes: tuple[AlertChange, ...], now: float) -> None:
        for change in changes:
            message = self._message(change, now)
            self.listen(AlertTold(message))
            self.outbox.put(message)

    def _message(self, change: AlertChange, now: float) -> AlertMessage:
        escalation = self.target.escalation
        return AlertMessage(
            key=f"{change.id}-{change.event}-{time.time_ns():x}",
            id=change.id,
            event=change.event,
            alert=change.alert,
            severity=change.severity,
            target=self.target.name,
            url=self.url,
            subjects=change.subjects,
            text=change.text,
            at=utc_now(),
            seconds=round(now - change.since, 3),
            runbook=runbook_link(self.rules, change.alert),
            tell=escalation.page if change.severity == "page" else escalation.ticket,
        )

    def keep(self, now: float | None = None) -> None:
        """Write state and metrics, where they are asked for."""
        now = self.now() if now is None else now
        try:
            if self.state_folder is not None:
                save_state(self.state_folder, self.url, self.watcher, self.outbox.waiting, now)
            if self.metrics_file is not None:
                replace_file(self.metrics_file, openmetrics(self.watcher, self.target.name, now))
        except OSError as error:
            self._say(f"{error.filename}: cannot be written ({error.strerror}); the watch goes on")

    def _status(self, now: float) -> WatchStatus:
        paths = self.watcher.paths.values()
        return WatchStatus(
            at=utc_now(),
            seconds=round(now - self._begun, 1),
            answers=sum(counts.total for counts in paths),
            refused=sum(counts.refused for counts in paths),
            series=series_status(self.watcher, self.rules, now),
            figures=tuple(
                FigureStatus(name=name, value=figure.value, problem=figure.problem or "")
                for name, figure in self.watcher.figure_watches.items()
            ),
            alerts={name: alert.severity for name, alert in self.watcher.book.open.items()},
            undelivered=len(self.outbox.waiting),
            peak_rps=self.watcher.peak_rps,
        )

    def _say(self, text: str) -> None:
        """Tell it once."""
        if text not in self._said and len(self._said) < 1000:
            self._said.add(text)
            self.listen(Noted(text))
