"""Answers kept in Valkey, in a way that a slow reader cannot put back what a writer has just made stale.

Each kind of content (a tag) has a generation: a random word that every committed write replaces. A reader fetches the
entry and the generations in one round trip *before* it computes anything, and stores its result together with those
words. An entry whose words differ from the present ones is not there: so whatever was read before a write is never
served after it, however late it is stored.
"""

import secrets
from dataclasses import dataclass

from redis.asyncio import Redis

from dealradar.valkey import Valkey, ValkeyDownError

DEALS, REVIEWS, COMMENTS, NOTIFICATIONS = "deals", "reviews", "comments", "notifications"


@dataclass(frozen=True)
class Lookup:
    """`body` is None for a miss. `stamp` is what a result computed from now on has to be stored with."""

    key: str
    stamp: bytes
    body: bytes | None


class CacheStore:
    """Entries belong to one build of the service, generations to the data."""

    def __init__(self, valkey: Valkey, *, enabled: bool, build_id: str, ttl_seconds: int) -> None:
        self.enabled = enabled
        self._valkey = valkey
        self._prefix = f"dr:cache:{build_id}:"
        self._ttl = ttl_seconds
        self._owed: dict[str, object] = {}

    async def look_up(self, name: str, tags: tuple[str, ...]) -> Lookup:
        """Fetch an entry and the stamp. Raises ValkeyDownError."""
        if self._owed:
            await self.invalidate(*self._owed)
            if self._owed:
                raise ValkeyDownError
        key = self._prefix + name
        generations = [_generation(tag) for tag in tags]
        entry, *words = await self._valkey.run(lambda client: _fetch(client, [key, *generations]))
        stamps = [word for word in words if word is not None]
        if len(stamps) < len(words):  # some were never set, or evicted
            stamps = await self._valkey.run(lambda client: _begin(client, generations))
        stamp = b"|".join(stamps) + b"\n"
        body = entry[len(stamp) :] if entry is not None and entry.startswith(stamp) else None
        return Lookup(key, stamp, body)

    async def store(self, lookup: Lookup, body: bytes) -> None:
        """Keep a result for a while. A Valkey that is away is no reason to fail: the next reader computes again."""
        try:
            await self._valkey.run(lambda client: client.set(lookup.key, lookup.stamp + body, ex=self._ttl))
        except ValkeyDownError:
            return

    async def invalidate(self, *tags: str) -> None:
        """To be awaited after the commit and before the writer gets its answer; also where this process does not
        cache, since another one may.

        While Valkey is away the tags are owed, and this process serves nothing from the cache until they are paid.
        """
        owed_before = dict(self._owed)
        words = {_generation(tag): secrets.token_hex(8) for tag in tags}
        try:
            await self._valkey.run(lambda client: client.mset(words))
        except ValkeyDownError:
            self._owed.update({tag: object() for tag in tags})
            return
        for tag in tags:
            # Another writer may have failed meanwhile: its debt is a new one.
            if self._owed.get(tag) is owed_before.get(tag):
                self._owed.pop(tag, None)


def _generation(tag: str) -> str:
    return f"dr:generation:{tag}"


async def _fetch(client: Redis, keys: list[str]) -> list[bytes | None]:
    values: list[bytes | None] = await client.mget(keys)  # type: ignore[assignment]  # bytes, as replies are not decoded
    return values


async def _begin(client: Redis, generations: list[str]) -> list[bytes]:
    """Give generations that were never set, or were evicted, a first word. Whoever comes first wins."""
    async with client.pipeline(transaction=False) as pipeline:
        for key in generations:
            pipeline.set(key, secrets.token_hex(8), nx=True)
        pipeline.mget(generations)
        replies = await pipeline.execute()
    words: list[bytes] = replies[-1]
    return words
