"""Stopping the canary for a known time, and looking for that stall in what the generator measured."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from harness.errors import GeneratorError
from harness.load.result import CanaryResult
from harness.load.samples import Samples

_TOLERANCE_MS = 15.0
"""How much less than the pause a waiting request may show: the time in which a stop reaches its process."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Moments of `time.monotonic` between which the canary certainly stood still."""

    begin: float
    end: float


class Canary:
    """The canary's process, as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("canary_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._process.stdout is None:
            raise GeneratorError("the load's canary server has no output")
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self._end()
            raise GeneratorError("the load's canary server did not start; is a port on 127.0.0.1 free?")
        self.url = f"http://127.0.0.1:{int(port)}"
        self._stopped_at: float | None = None
        self.pause: Pause | None = None

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Freeze the server."""
        self._process.send_signal(signal.SIGSTOP)
        self._stopped_at = time.monotonic()

    def resume(self) -> None:
        """Let the server go on; from now on `pause` is known."""
        if self._stopped_at is None:
            return
        end = time.monotonic()
        self._process.send_signal(signal.SIGCONT)
        self.pause = Pause(self._stopped_at, end)
        self._stopped_at = None

    def result(self, trickle: Path, started: float) -> CanaryResult:
        """What the requests in that file of samples show of the pause, in a run that started then."""
        if self.pause is None:
            # a run that ended before the pause never showed that it sees one
            return CanaryResult(pause_ms=0.0, seen_ms=0.0, requests=0, seen=False)
        return look_for(self.pause, Samples.load(trickle), started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def look_for(pause: Pause, samples: Samples, started: float) -> CanaryResult:
    """Did every request that was due while the canary stood still wait for its end?

    A closed loop fails here: it sends one request into the pause, and the others only after it.
    """
    begin, end = pause.begin - started, pause.end - started
    inside = (samples.due >= begin) & (samples.due < end - _TOLERANCE_MS / 1000.0)
    waits = samples.latency_ms[inside]
    owed = (end - samples.due[inside]) * 1000.0
    seen = len(waits) > 1 and bool(np.all(waits >= owed - _TOLERANCE_MS))
    worst = float(np.max(waits)) if len(waits) and not np.any(np.isnan(waits)) else 0.0
    return CanaryResult(pause_ms=(end - begin) * 1000.0, seen_ms=worst, requests=len(waits), seen=seen)
