"""Locust users that keep a schedule: one user is one schedule of arrivals, each arrival a greenlet of its own.

A Locust user waits for its answer before it sends again, so a server that stalls stops the traffic that would have
shown the stall ("coordinated omission", Gil Tene). Here the schedule goes on whatever the server does, and a latency
begins when the request was due.

libev waits in epoll with a time-out in whole milliseconds, rounded up: each arrival would leave up to 1 ms late, and a
service that answers in 2 ms would look half as slow again. A Linux timerfd has the kernel's high-resolution clock.
Elsewhere the loop's timers must do; the lateness is measured and reported either way.

Imports gevent: only Locust's process may import this module.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from array import array
from typing import Protocol

import gevent
import numpy as np
from gevent.event import Event
from locust import User, task
from locust.exception import StopUser

from harness.load.connections import ConnectionPool
from harness.load.samples import Failure, Samples, failure_kind
from harness.load.schedule import Schedule

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1


class Alarm(Protocol):
    """Waits until a moment of `time.monotonic`, in seconds."""

    def wait_until(self, moment: float) -> None:
        """Let other greenlets run until then; returns at once for a moment that has passed."""

    def close(self) -> None:
        """Give back what the alarm holds."""


def open_alarm() -> Alarm:
    """The sharpest alarm this system has."""
    return _TimerFd() if sys.platform == "linux" else _LoopTimer()


class _LoopTimer:
    def wait_until(self, moment: float) -> None:
        gevent.sleep(max(0.0, moment - time.monotonic()))

    def close(self) -> None:
        """Nothing is held."""


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class _TimerFd:
    """timerfd_create(2), watched by gevent's loop."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd_create: {os.strerror(number)}")
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(self._fd, 1)

    def wait_until(self, moment: float) -> None:
        seconds = int(moment)
        value = _TimeSpec(seconds, max(1, int((moment - seconds) * 1e9)))
        spec = _TimerSpec(_TimeSpec(0, 0), value)
        if self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd_settime: {os.strerror(number)}")
        self._hub.wait(self._watcher)
        os.read(self._fd, 8)

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        os.close(self._fd)


class ArrivalLog:
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
    """A user that sends `log`'s schedule over `pool`. Subclasses, one a schedule, set the class attributes."""

    abstract = True
    fixed_count = 1
    log: ArrivalLog
    pool: ConnectionPool
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
        log = self.log
        due = log.schedule.due.tolist()
        self.go.wait()
        alarm = open_alarm()
        try:
            while log.reached < len(due) and not self.ending.is_set():
                now = time.monotonic() - self.zero
                while log.reached < len(due) and due[log.reached] <= now:
                    self._begin(log.reached)
                    log.reached += 1
                if log.reached < len(due):
                    self._wait(alarm, self.zero + due[log.reached])
        finally:
            alarm.close()
        while log.in_flight and self.crash is None:
            gevent.sleep(0.005)
        if self.crash is not None:
            raise self.crash
        raise StopUser

    def _wait(self, alarm: Alarm, moment: float) -> None:
        """Wait in slices of a second, so that a sparse schedule notices its end."""
        while not self.ending.is_set() and (now := time.monotonic()) < moment:
            alarm.wait_until(min(moment, now + 1.0))

    def _begin(self, row: int) -> None:
        log = self.log
        if log.in_flight >= self.limit:
            log.dropped += 1
            return
        log.in_flight += 1
        gevent.spawn_raw(self._arrive, row)

    def _arrive(self, row: int) -> None:
        try:
            self._exchange(row)
        except BaseException as error:  # noqa: BLE001 - a greenlet's border: the schedule's own greenlet raises it
            type(self).crash = error
            self.ending.set()
        finally:
            self.log.in_flight -= 1

    def _exchange(self, row: int) -> None:
        log, schedule = self.log, self.log.schedule
        request, client = schedule.request[row], schedule.client[row]
        variants = self.payloads[request]
        payload = variants[client % len(variants)]
        source = self.sources[client] if self.sources else ""
        due = self.zero + schedule.due[row]
        sent = time.monotonic()
        answer = self.pool.send(payload, source)
        done = time.monotonic()
        log.sent[row] = sent - self.zero
        log.done[row] = done - self.zero
        log.status[row] = answer.status
        log.size[row] = answer.size
        log.finished += 1
        log.late.append(sent - due)
        log.recent.append(done - due)
        good = 100 <= answer.status < 400
        log.failed += not good
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
