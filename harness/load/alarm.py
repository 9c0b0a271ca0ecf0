"""Waking at a due time, sharper than the event loop's own timers.

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
from typing import Protocol

import gevent

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
