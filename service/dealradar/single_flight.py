"""One computation for each missing answer, however many ask for it, in this process and on all instances.

Inside a process those who come later wait for the first. Between processes a lock in Valkey says who computes. A flight
is named by key *and* stamp: who asks after a write never gets what was begun before it. The lock goes away by itself,
so an instance that dies or is frozen while it computes holds the others up for at most its TTL.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from prometheus_client import Counter, Histogram

from dealradar.cache_store import Answer, CacheStore, Lookup
from dealradar.locks import LockLostError, SharedLock
from dealradar.valkey import ValkeyDownError

LOCK_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.05

Word = Literal["HIT", "MISS", "BYPASS", "STALE"]
Compute = Callable[[], Awaitable[Answer]]

_requests = Counter("dealradar_cache_requests_total", "Reads that may be cached, by what the cache did.", ["result"])
_counted = {word: _requests.labels(word.lower()) for word in ("HIT", "MISS", "BYPASS", "STALE")}
_computations = Counter("dealradar_cache_computations_total", "Answers computed because none was cached.")
_ages = Histogram(
    "dealradar_cache_age_seconds", "Age of answers from the cache.", buckets=(1, 5, 15, 30, 60, 120, 300, 900)
)


async def answer(store: CacheStore, lookup: Lookup | None, compute: Compute) -> tuple[Word, Answer]:
    """What the look-up found, or what is computed; without a look-up the cache has no part in it.

    HIT goes also to those who waited for somebody else's computation. What may not be stored is computed for each of
    them, except failures: they are shared, so that nobody storms what has just failed. A 503 becomes STALE where an old
    answer is left.
    """
    word: Word = "HIT"
    found = lookup.fresh if lookup is not None else None
    if found is None:
        word, found = await _find(store, lookup, compute)
    _counted[word].inc()
    if word in {"HIT", "STALE"}:
        _ages.observe(found.age)
    return word, found


async def _find(store: CacheStore, lookup: Lookup | None, compute: Compute) -> tuple[Word, Answer]:
    if lookup is None:
        return "BYPASS", await compute()
    name = (lookup.key, lookup.stamp)
    flight = store.flights.get(name)
    is_first = flight is None
    if flight is None:
        flight = store.flights[name] = asyncio.create_task(_fly(store, lookup, compute))
        flight.add_done_callback(lambda _: store.flights.pop(name))
    # Shielded: that one client goes away, or runs out of time, must not take the answer from the others.
    found, was_computed_here = await asyncio.shield(flight)
    if found.status == 503 and (stale := lookup.stale()) is not None:
        return "STALE", stale
    if found.may_be_stored:
        return "MISS" if is_first and was_computed_here else "HIT", found
    if is_first or found.may_be_shared:
        return "MISS", found
    return "MISS", await _computed(compute)


async def _fly(store: CacheStore, lookup: Lookup, compute: Compute) -> tuple[Answer, bool]:
    """An answer, and whether it was computed here."""
    lock = SharedLock(store.valkey, f"{lookup.key}:{lookup.stamp.decode()}", LOCK_SECONDS)
    is_ours, stored = await _turn(store, lookup, lock)
    keeping = asyncio.create_task(_keep(lock)) if is_ours else None
    try:
        if stored is not None:
            return stored, False
        found = await _computed(compute)
        if found.may_be_stored:
            await store.store(lookup, found)
        return found, True
    finally:
        if keeping is not None:
            keeping.cancel()
            await lock.release()


async def _turn(store: CacheStore, lookup: Lookup, lock: SharedLock) -> tuple[bool, Answer | None]:
    """Wait until the lock is taken, or another instance has stored the answer, or patience ends."""
    patient_until = time.monotonic() + PATIENCE_SECONDS
    pause = SHORTEST_PAUSE
    is_ours = False
    with contextlib.suppress(ValkeyDownError):
        while time.monotonic() < patient_until:
            is_ours = await lock.take()
            # Looked at after the lock was taken too: its last owner may have stored the answer just before.
            stored = await store.look_again(lookup)
            if is_ours or stored is not None:
                return is_ours, stored
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
    return is_ours, None


async def _computed(compute: Compute) -> Answer:
    _computations.inc()
    return await compute()


async def _keep(lock: SharedLock) -> None:
    # Whoever loses the lock goes on: at worst another instance computes the same.
    with contextlib.suppress(LockLostError):
        await lock.keep()
