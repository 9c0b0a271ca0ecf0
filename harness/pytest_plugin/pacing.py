"""Keeps requests of many processes below a limit that counts them all as one client's
(docs/honest-numbers.md#clients, `[clients] address`).

A target that cannot tell our clients apart counts every test's requests together. So every process that tests one stack
asks here before it sends: the times of recent requests lie in one file beside the stack's own, under a lock, on the
monotonic clock (which all processes of a machine share). In no window are there more than four fifths of the limit; the
rest is for what is asked outside of tests (readiness, preflight).
"""

from __future__ import annotations

import array
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.model import StackInfo, Target

SHARE = 0.8
_FILE = "paced-requests"


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `budget` requests in any `window_s` seconds, over all processes that name the same file."""

    path: Path
    budget: int
    window_s: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Return when one more request may be sent; it is counted from now."""
        while True:
            with self._recent() as sent:
                now = self.clock()
                if len(sent) < self.budget:
                    sent.append(now)
                    return
                free = sent[-self.budget] + self.window_s
            self.sleep(max(0.0, free - now))

    def wait_for_silence(self) -> None:
        """Return once no request has been sent for a whole window: a limiter's probe must find it unused."""
        while True:
            with self._recent() as sent:
                if not sent:
                    return
                quiet = sent[-1] + self.window_s - self.clock()
            self.sleep(max(0.0, quiet))

    def exhaust(self) -> None:
        """Somebody used up the limit: nobody sends for a window."""
        with self._recent() as sent:
            sent.extend([self.clock()] * self.budget)

    @contextmanager
    def _recent(self) -> Iterator[array.array[float]]:
        """The times of the last window's requests, in order; what is changed is kept."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            known = array.array("d", os.pread(descriptor, os.fstat(descriptor).st_size, 0))
            now = self.clock()
            # the sum that `wait` sleeps until, so that rounding cannot keep it waiting for ever
            recent = array.array("d", (moment for moment in known if moment + self.window_s > now))
            yield recent
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, recent.tobytes(), 0)
        finally:
            os.close(descriptor)


def pace_of(target: Target, info: StackInfo) -> Pace | None:
    """The pace of a target with a limiter that cannot tell clients apart; None for all others."""
    limit = target.ratelimit
    if limit is None or target.clients.address != "none":
        return None
    return Pace(Path(info.state_dir) / _FILE, max(1, int(limit.limit * SHARE)), limit.window_s)


def unasked_refusal(target: Target, request: str) -> str:
    """What to say of a 429 that no test asked for."""
    limit = target.ratelimit
    paced = f"paced below {limit.limit} in {limit.window_s:g} s" if limit is not None else "not limited by the profile"
    return (
        f"{request} was refused with 429 though all requests of the tests are {paced}: somebody else speaks from this "
        "address, or the limit is lower than [ratelimit] says; run again alone, or tell clients apart by [clients]"
    )
