"""Readers that come at a steady rate, whatever becomes of the service, and what each of them was told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from harness.model import StackInfo, Target
from harness.probes.http import ServiceUnavailable
from harness.probes.timed_clients import TimedClients

RATE = 50.0
_HANDS = 12
_PER_CLIENT = 20
_SHARE_OF_LIMIT = 0.5
"""Of what a limiter lets one client do, where all readers are one client to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: when it was due (monotonic), when its answer was there, and what it was."""

    path: str
    due: float
    ended: float
    status: int
    """0 where no whole answer came."""
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether the service did what it was asked; a limiter's refusal is none of that."""
        return 0 < self.status < 400

    @property
    def words(self) -> str:
        """A phrase about it."""
        return f"GET {self.path} answered {self.status}" if self.status else f"GET {self.path}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCounts:
    """What became of the requests of a while."""

    requests: int
    failed: int
    down_s: float
    """Seconds without service: from each request that failed to the next one that did not."""
    first_failure: str = ""


class Traffic:
    """Asks `paths` at `rate` requests a second, as a context; `asked` grows meanwhile."""

    def __init__(self, target: Target, info: StackInfo, paths: Mapping[str, float], rate: float = RATE) -> None:
        self.rate = _bearable(target, rate)
        self.asked: list[Asked] = []
        self._target, self._info = target, info
        self._paths = dict(paths)
        self._random = random.Random(0)  # noqa: S311 - which path is asked next
        self._lock = threading.Lock()
        self._due = 0.0
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._due = time.monotonic()
        self._threads = [threading.Thread(target=self._ask, daemon=True, name="traffic") for _ in range(_HANDS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(self._target.service.timeout_s + 1.0)

    def counts(self, begin: float, end: float, excused: frozenset[str] = frozenset()) -> TrafficCounts:
        """Of the requests that were due from `begin` to `end`. A bad answer of an `excused` path is no failure."""
        with self._lock:
            found = sorted((one for one in self.asked if begin <= one.due < end), key=lambda one: one.due)
        return count(found, excused)

    def failing(self, begin: float, end: float) -> frozenset[str]:
        """Paths that gave a whole, bad answer then."""
        with self._lock:
            return frozenset(one.path for one in self.asked if begin <= one.due < end and one.status and not one.good)

    def since(self, number: int) -> Sequence[Asked]:
        """All answers but the first `number`, in the order in which they came."""
        with self._lock:
            return self.asked[number:]

    def _ask(self) -> None:
        clients = TimedClients(
            self._info.url,
            address_mode=self._target.clients.address,
            timeout_s=self._target.service.timeout_s,
            per_client=_PER_CLIENT,
            ca_file=self._info.ca_file,
        )
        with clients:
            while not self._ended.is_set():
                with self._lock:
                    due, self._due = self._due, self._due + 1 / self.rate
                    path = self._random.choices(list(self._paths), list(self._paths.values()))[0]
                if self._ended.wait(max(0.0, due - time.monotonic())):
                    return
                one = _asked(clients, path, due)
                with self._lock:
                    self.asked.append(one)


def _asked(clients: TimedClients, path: str, due: float) -> Asked:
    try:
        status, why = clients.get(path).status, ""
    except ServiceUnavailable as error:
        status, why = 0, error.what
    return Asked(path=path, due=due, ended=time.monotonic(), status=status, why=why)


def _bearable(target: Target, rate: float) -> float:
    limit = target.ratelimit
    if limit is None or target.clients.address != "none":
        return rate
    return min(rate, _SHARE_OF_LIMIT * limit.limit / limit.window_s)


def count(asked: Sequence[Asked], excused: Iterable[str] = ()) -> TrafficCounts:
    """What became of these requests, in the order in which they were due."""
    spared = frozenset(excused)
    failed = [not one.good and not (one.status and one.path in spared) for one in asked]
    down, since = 0.0, None
    for one, is_bad in zip(asked, failed, strict=True):
        if is_bad and since is None:
            since = one.due
        elif not is_bad and since is not None:
            down, since = down + one.due - since, None
    if since is not None:
        down += asked[-1].ended - since
    first = next((one.words for one, is_bad in zip(asked, failed, strict=True) if is_bad), "")
    return TrafficCounts(requests=len(asked), failed=sum(failed), down_s=round(down, 3), first_failure=first)
