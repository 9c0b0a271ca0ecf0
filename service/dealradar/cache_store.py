"""Answers kept in Valkey, in a way that a slow reader cannot put back what a writer has just made stale.

Each kind of content (a tag) has a generation: a random word that every committed write replaces. A reader fetches the
entry and the generations in one round trip *before* it computes anything, and stores its result together with those
words. An entry whose words differ from the present ones is not there: so whatever was read before a write is never
served after it, however late it is stored. Old entries stay for a while as a last resort (see `Lookup.old`).
"""

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import NamedTuple

from redis.asyncio import Redis

from dealradar.hot_names import HotNames
from dealradar.settings import Settings
from dealradar.valkey import Valkey, ValkeyDownError

DEALS, REVIEWS, COMMENTS, NOTIFICATIONS = "deals", "reviews", "comments", "notifications"
RawHeaders = tuple[tuple[bytes, bytes], ...]

JITTER = 0.1


@dataclass(frozen=True)
class Answer:
    """An HTTP answer and when it was computed, in seconds since the epoch by the clock of who computed it.

    `may_be_shared`: those who asked for the same meanwhile may have it too.
    """

    status: int
    headers: RawHeaders
    body: bytes
    may_be_stored: bool = False
    may_be_shared: bool = False
    at: float = field(default_factory=time.time)

    @property
    def age(self) -> int:
        """Whole seconds, never negative: clocks of two instances may differ."""
        return max(0, int(time.time() - self.at))


class Lookup(NamedTuple):
    """`fresh` is None for a miss. `stamp` is what a result computed from now on has to be stored with.

    `old` is the entry that is there, fresh or not, of whatever generation: better than no answer, and never to be taken
    for anything else.
    """

    key: str
    stamp: bytes
    fresh: Answer | None
    old: bytes | None

    def stale(self) -> Answer | None:
        """What to serve when nothing can be computed."""
        return _unpack(self.old)[1] if self.old is not None else None


class CacheStore:
    """Entries belong to one build of the service, generations to the data."""

    def __init__(self, valkey: Valkey, settings: Settings) -> None:
        self.enabled = settings.cache_enabled
        self.valkey = valkey
        self.hot = HotNames(valkey)
        self._prefix = f"dr:cache:{settings.build_id}:"
        self._fresh_seconds = settings.cache_ttl_seconds
        self._stale_seconds = settings.cache_stale_seconds
        self._owed: dict[str, object] = {}
        # Computations under way in this process, by key and stamp: an answer, and whether it was computed here.
        self.flights: dict[tuple[str, bytes], asyncio.Task[tuple[Answer, bool]]] = {}

    def keys(self, name: str, tags: tuple[str, ...]) -> list[str]:
        """What a look-up reads; somebody who is about to ask Valkey anyway may fetch it for `look_up`."""
        return [self._prefix + name, *_generations(tags)]

    async def look_up(self, name: str, tags: tuple[str, ...], fetched: Sequence[bytes | None] | None = None) -> Lookup:
        """Fetch an entry and the stamp. Raises ValkeyDownError."""
        if self._owed:
            fetched = None
            await self.invalidate(*self._owed)
            if self._owed:
                raise ValkeyDownError
        if fetched is None:
            fetched = await self.valkey.run(lambda client: _fetch(client, self.keys(name, tags)))
        entry, *words = fetched
        stamps = [word for word in words if word is not None]
        if len(stamps) < len(words):  # some were never set, or evicted
            stamps = await self.valkey.run(lambda client: _begin(client, _generations(tags)))
        stamp = b"|".join(stamps)
        return Lookup(self._prefix + name, stamp, _fresh(entry, stamp), entry)

    async def look_again(self, lookup: Lookup) -> Answer | None:
        """What somebody else has stored meanwhile under the very stamp of this look-up. Raises ValkeyDownError."""
        (entry,) = await self.valkey.run(lambda client: _fetch(client, [lookup.key]))
        return _fresh(entry, lookup.stamp)

    async def store(self, lookup: Lookup, answer: Answer) -> None:
        """Keep a result for a while. A Valkey that is away is no reason to fail: the next reader computes again."""
        # What was stored at once must not run out at once.
        fresh = self._fresh_seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        entry = _pack(lookup.stamp, answer, answer.at + fresh)
        milliseconds = int((fresh + self._stale_seconds) * 1_000)
        try:
            await self.valkey.run(lambda client: client.set(lookup.key, entry, px=milliseconds))
        except ValkeyDownError:
            return

    async def invalidate(self, *tags: str) -> None:
        """To be awaited after the commit and before the writer gets its answer; also where this process does not
        cache, since another one may.

        While Valkey is away the tags are owed, and this process serves nothing from the cache until they are paid.
        """
        owed_before = dict(self._owed)
        words = {key: secrets.token_hex(8) for key in _generations(tags)}
        try:
            await self.valkey.run(lambda client: client.mset(words))
        except ValkeyDownError:
            self._owed.update({tag: object() for tag in tags})
            return
        for tag in tags:
            # Another writer may have failed meanwhile: its debt is a new one.
            if self._owed.get(tag) is owed_before.get(tag):
                self._owed.pop(tag, None)


@cache
def _generations(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"dr:generation:{tag}" for tag in tags)


def _pack(stamp: bytes, answer: Answer, fresh_until: float) -> bytes:
    """Laid out like HTTP: what the cache has to know, a line for each header, an empty line, the body."""
    about = b"%b %.3f %.3f" % (stamp, answer.at, fresh_until)
    return b"\n".join([about, *(name + b":" + value for name, value in answer.headers), b"", answer.body])


def _unpack(entry: bytes) -> tuple[float, Answer]:
    head, _, body = entry.partition(b"\n\n")
    at, fresh_until, headers = _unpack_head(head)
    return fresh_until, Answer(200, headers, body, may_be_stored=True, at=at)


@lru_cache(maxsize=1_024)
def _unpack_head(head: bytes) -> tuple[float, float, RawHeaders]:
    about, *lines = head.split(b"\n")
    _, at, fresh_until = about.split(b" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name, value))
    return float(at), float(fresh_until), tuple(headers)


def _fresh(entry: bytes | None, stamp: bytes) -> Answer | None:
    if entry is None or not entry.startswith(stamp + b" "):
        return None
    fresh_until, answer = _unpack(entry)
    return answer if time.time() < fresh_until else None


async def _fetch(client: Redis, keys: list[str]) -> list[bytes | None]:
    values: list[bytes | None] = await client.mget(keys)  # type: ignore[assignment]  # bytes, as replies are not decoded
    return values


async def _begin(client: Redis, generations: tuple[str, ...]) -> list[bytes]:
    """Give generations that were never set, or were evicted, a first word. Whoever comes first wins."""
    async with client.pipeline(transaction=False) as pipeline:
        for key in generations:
            pipeline.set(key, secrets.token_hex(8), nx=True)
        pipeline.mget(generations)
        replies = await pipeline.execute()
    words: list[bytes] = replies[-1]
    return words
