"""Locust users that keep a schedule: one user is one schedule of arrivals, each arrival a greenlet of its own.

A Locust user waits for its answer before it sends again, so a server that stalls stops the traffic that would have
shown the stall ("coordinated omission", Gil Tene). Here the schedule goes on whatever the server does, and a latency
begins when the request was due.

Imports gevent: only Locust's process may import this module.
"""

from __future__ import annotations

import time
from array import array

import gevent
import numpy as np
from gevent.event import Event
from locust import User, task
from locust.exception import StopUser

from harness.load.alarm import Alarm, open_alarm
from harness.load.connections import Wire
from harness.load.samples import Failure, Samples, failure_kind
from harness.load.schedule import Schedule


class Book:
    """What became of each arrival of one schedule, row by row; `NaN` and `DROPPED` where nothing did."""

    def __init__(self, schedule: Schedule) -> None:
        rows = len(schedule)
        self.schedule = schedule
        self.sent = array("d", [float("nan")]) * rows
        self.done = array("d", [float("nan")]) * rows
        self.status = array("h", [int(Failure.DROPPED)]) * rows
        self.size = array("Q", [0]) * rows
        self.reached = 0
        """Arrivals that have come due so far."""
        self.finished = 0
        self.failed = 0
        self.dropped = 0
        self.in_flight = 0
        self.late: list[float] = []
        """Seconds between due and sent of the requests sent since somebody last looked."""
        self.recent: list[float] = []
        """Latencies in seconds of the answers since somebody last looked."""

    def samples(self) -> Samples:
        """The rows that came due, as columns."""
        rows = slice(0, self.reached)
        return Samples(
            due=self.schedule.due[rows],
            sent=np.array(self.sent[rows]),
            done=np.array(self.done[rows]),
            request=self.schedule.request[rows],
            client=self.schedule.client[rows],
            stage=self.schedule.stage[rows],
            status=np.array(self.status[rows], dtype=np.int16),
            size=np.minimum(np.array(self.size[rows], dtype=np.uint64), 2**32 - 1).astype(np.uint32),
        )


class ScheduleUser(User):
    """A user that sends `book`'s schedule over `wire`. Subclasses, one a schedule, set the class attributes."""

    abstract = True
    fixed_count = 1
    book: Book
    wire: Wire
    names: tuple[str, ...]
    payloads: tuple[tuple[bytes, ...], ...]
    """For each request, the bytes for each client (one entry where all clients send the same)."""
    sources: tuple[str, ...] = ()
    zero: float
    """`time.monotonic` of the schedule's zero; known once `go` is set."""
    go: Event
    limit: int
    """How many requests may wait for their answers at once."""
    ending: Event
    """Set when no further arrival shall be sent."""
    crash: BaseException | None = None

    @task
    def keep_schedule(self) -> None:
        """Start every arrival at its due time, then wait for the answers still missing."""
        book = self.book
        due = book.schedule.due.tolist()
        self.go.wait()
        alarm = open_alarm()
        try:
            while book.reached < len(due) and not self.ending.is_set():
                now = time.monotonic() - self.zero
                while book.reached < len(due) and due[book.reached] <= now:
                    self._begin(book.reached)
                    book.reached += 1
                if book.reached < len(due):
                    self._wait(alarm, self.zero + due[book.reached])
        finally:
            alarm.close()
        while book.in_flight and self.crash is None:
            gevent.sleep(0.005)
        if self.crash is not None:
            raise self.crash
        raise StopUser

    def _wait(self, alarm: Alarm, moment: float) -> None:
        """Wait in slices of a second, so that a sparse schedule notices its end."""
        while not self.ending.is_set() and (now := time.monotonic()) < moment:
            alarm.wait_until(min(moment, now + 1.0))

    def _begin(self, row: int) -> None:
        book = self.book
        if book.in_flight >= self.limit:
            book.dropped += 1
            return
        book.in_flight += 1
        gevent.spawn_raw(self._arrive, row)

    def _arrive(self, row: int) -> None:
        try:
            self._exchange(row)
        except BaseException as error:  # noqa: BLE001 - a greenlet's border: the schedule's own greenlet raises it
            type(self).crash = error
            self.ending.set()
        finally:
            self.book.in_flight -= 1

    def _exchange(self, row: int) -> None:
        book, schedule = self.book, self.book.schedule
        request, client = schedule.request[row], schedule.client[row]
        variants = self.payloads[request]
        payload = variants[client % len(variants)]
        source = self.sources[client] if self.sources else ""
        due = self.zero + schedule.due[row]
        sent = time.monotonic()
        answer = self.wire.send(payload, source)
        done = time.monotonic()
        book.sent[row] = sent - self.zero
        book.done[row] = done - self.zero
        book.status[row] = answer.status
        book.size[row] = answer.size
        book.finished += 1
        book.late.append(sent - due)
        book.recent.append(done - due)
        good = 100 <= answer.status < 400
        book.failed += not good
        self._tell_locust(self.names[request], answer.status, answer.size, (done - due) * 1000.0, good=good)

    def _tell_locust(self, name: str, status: int, size: int, latency_ms: float, *, good: bool) -> None:
        """Locust's own statistics and listeners see the same latency."""
        method, _, path = name.partition(" ")
        self.environment.events.request.fire(
            request_type=method,
            name=path,
            response_time=latency_ms,
            response_length=size,
            exception=None if good else failure_kind(status),
            context={},
        )
