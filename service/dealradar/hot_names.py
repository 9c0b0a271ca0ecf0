"""Which names are asked for most, so that the cache can be warmed with them.

The list belongs to no build: after a deployment the cache is cold, and what was hot before is warmed.
"""

import contextlib
from collections import Counter

from redis.asyncio import Redis

from dealradar.valkey import Valkey, ValkeyDownError

HOT_LIST = "dr:hot"
HOT_NAMES = 1_000
NAMES_IN_MEMORY = 2_000


class HotNames:
    """Counted in the process, so that a hit costs no round trip, and added up in Valkey now and then."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._asked: Counter[str] = Counter()

    def note(self, name: str) -> None:
        """Count that a name was asked for. Strangers can make up names, so memory is bounded."""
        if name in self._asked or len(self._asked) < NAMES_IN_MEMORY:
            self._asked[name] += 1

    async def flush(self) -> None:
        """Add what was counted to the list that all instances share; lost if Valkey is away."""
        counts = self._asked.most_common(HOT_NAMES)
        self._asked.clear()

        async def add(client: Redis) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for name, count in counts:
                    pipeline.zincrby(HOT_LIST, count, name)
                pipeline.zremrangebyrank(HOT_LIST, 0, -HOT_NAMES - 1)
                await pipeline.execute()

        with contextlib.suppress(ValkeyDownError):
            await self._valkey.run(add)

    async def hottest(self, limit: int) -> list[str]:
        """The names that were asked for most. Each call halves the counts, so that old fame fades.

        Raises ValkeyDownError.
        """

        async def take(client: Redis) -> list[bytes]:
            async with client.pipeline(transaction=False) as pipeline:
                pipeline.zrevrange(HOT_LIST, 0, limit - 1)
                pipeline.zunionstore(HOT_LIST, {HOT_LIST: 0.5})
                pipeline.zremrangebyscore(HOT_LIST, "-inf", 0.5)
                replies = await pipeline.execute()
            names: list[bytes] = replies[0]
            return names

        return [name.decode() for name in await self._valkey.run(take)]
