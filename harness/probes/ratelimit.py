"""Watches a rate limiter block and let through again (docs/honest-numbers.md#protections: a protection is proven when
it was seen to do both).

The course: a burst of 1.1 times the limit at once from a client of its own (once more with a new client if none was
refused, since a fixed window may have turned in the middle); another client, meanwhile; then silence until Retry-After
has passed; then one request. Where Retry-After is under half of the window, more bursts until the window is over show
how much one client really gets in one window. Bursts hold a turn of the machine, waits do not.

Clock, sleep and sender are given by the caller: nothing here knows HTTP beyond an `Exchange`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from harness.probes.exchange import Exchange
from harness.probes.headers import parse_retry_after
from harness.probes.http import ServiceUnavailable
from harness.probes.limit_observation import Burst, LimitAnswer, LimitObservation

Send = Callable[[str], Exchange]
"""Sends the one request that is tried, as the client of that address. May raise `ServiceUnavailable`."""

BURST = 1.1
"""A burst's size as a share of the limit."""
_LEAST_REST = 0.1
"""Further bursts are at least this share of the window apart: a bucket that refills would otherwise be asked
thousands of times, and ten points in a window show a shorter one as well as a hundred."""
_ROUNDING_S = 1.0
"""Retry-After is in whole seconds, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitProbe:
    """How a limiter is tried: see the module's text. `fresh` names a new client each time it is called."""

    send: Send
    fresh: Callable[[], str]
    limit: int
    window_s: float
    spoof: Callable[[int], Exchange] | None = None
    """Sends request number i from one untrusted peer that claims to forward for a new client each time."""
    turn: Callable[[], AbstractContextManager[object]] = nullcontext
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    connections: int = 16

    def burst_size(self) -> int:
        """Requests of one burst: over the limit by a tenth, by one at least."""
        return max(self.limit + 1, math.ceil(self.limit * BURST))


def probe_limit(probe: LimitProbe) -> LimitObservation:
    """Try the limiter; takes about one window where it works."""
    return _RunningProbe(probe).run()


class _RunningProbe:
    """The state of one course: when it began, and the bursts so far."""

    def __init__(self, probe: LimitProbe) -> None:
        self._probe = probe
        self._zero = probe.clock()
        self._bursts: list[Burst] = []

    def run(self) -> LimitObservation:
        """The whole course."""
        probe = self._probe
        blocked = self._burst(probe.fresh())
        if not blocked.refused:
            blocked = self._burst(probe.fresh())
        if not blocked.refused:
            return self._seen_so_far()
        other_address = probe.fresh()
        other = self._one(other_address) if other_address != blocked.client else None
        spoofed = self._try_spoofing()
        wait_until, heeded = self._next_allowed(blocked)
        self._sleep_until(wait_until)
        waited = self._now() - blocked.ended_s
        after_wait = self._one(blocked.client)
        after_window = None
        if not after_wait.served:
            self._sleep_until(self._now() + probe.window_s + _ROUNDING_S)
            after_window = self._one(blocked.client)
        elif wait_until - blocked.ended_s < probe.window_s / 2:
            self._fill_window(blocked)
        return replace(
            self._seen_so_far(),
            blocked=blocked,
            other_client=other,
            after_wait=after_wait,
            waited_s=waited,
            heeded=heeded,
            after_window=after_window,
            served_in_window=self._served_in_window(blocked, after_wait),
            spoofed=spoofed,
        )

    def _seen_so_far(self) -> LimitObservation:
        return LimitObservation(
            limit=self._probe.limit, window_s=self._probe.window_s, bursts=tuple(self._bursts), blocked=None
        )

    def _fill_window(self, blocked: Burst) -> None:
        """More bursts of the blocked client, each after the wait it was told, until its window is over."""
        probe = self._probe
        end = blocked.begun_s + probe.window_s
        served = blocked.served
        while self._now() < end and served <= 2 * probe.limit:
            burst = self._burst(blocked.client)
            served += burst.served
            promised, _ = self._next_allowed(burst)
            self._sleep_until(max(promised, burst.ended_s + _LEAST_REST * probe.window_s))

    def _served_in_window(self, blocked: Burst, after_wait: LimitAnswer) -> int:
        end = blocked.begun_s + self._probe.window_s
        own = [answer for burst in self._bursts if burst.client == blocked.client for answer in burst.answers]
        return sum(answer.served and answer.answered_s <= end for answer in (*own, after_wait))

    def _next_allowed(self, burst: Burst) -> tuple[float, bool]:
        """When the client may ask again, and whether that is what it was told."""
        window_over = burst.ended_s + self._probe.window_s + _ROUNDING_S
        promised = burst.promised_at_s
        if promised is None or promised > window_over:
            return window_over, False
        return promised, True

    def _try_spoofing(self) -> tuple[Burst, ...]:
        spoof = self._probe.spoof
        bursts: list[Burst] = []
        while spoof is not None and len(bursts) < 2 and not (bursts and bursts[-1].refused):
            bursts.append(self._send_at_once("untrusted", spoof))
        return tuple(bursts)

    def _burst(self, client: str) -> Burst:
        burst = self._send_at_once(client, lambda _: self._probe.send(client))
        self._bursts.append(burst)
        return burst

    def _send_at_once(self, client: str, send: Callable[[int], Exchange]) -> Burst:
        probe = self._probe
        with probe.turn(), ThreadPoolExecutor(probe.connections) as pool:
            begun = self._now()
            answers = tuple(pool.map(lambda number: self._answer(lambda: send(number)), range(probe.burst_size())))
            return Burst(client=client, begun_s=begun, ended_s=self._now(), answers=answers)

    def _one(self, client: str) -> LimitAnswer:
        return self._answer(lambda: self._probe.send(client))

    def _answer(self, send: Callable[[], Exchange]) -> LimitAnswer:
        sent = self._now()
        try:
            exchange = send()
        except ServiceUnavailable as error:
            return LimitAnswer(sent_s=sent, answered_s=self._now(), status=None, failure=error.what)
        value = exchange.header("Retry-After")
        return LimitAnswer(
            sent_s=sent,
            answered_s=self._now(),
            status=exchange.status,
            retry_after_s=parse_retry_after(value),
            has_retry_after=value is not None,
            limit_headers={name.lower(): content for name, content in exchange.headers if _names_limit(name)},
        )

    def _now(self) -> float:
        return self._probe.clock() - self._zero

    def _sleep_until(self, moment: float) -> None:
        remaining = moment - self._now()
        while remaining > 0:
            self._probe.sleep(remaining)
            remaining = moment - self._now()


def _names_limit(header: str) -> bool:
    """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), RateLimit-Remaining, X-Rate-Limit-…"""
    return "ratelimit" in header.lower().replace("-", "")
