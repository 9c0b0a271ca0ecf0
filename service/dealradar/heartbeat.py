"""How workers say in Valkey that they live, and how they are found there."""

import asyncio
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Gauge
from redis.asyncio import Redis

from dealradar.stopping import was_cancelled
from dealradar.valkey import Valkey, ValkeyDownError

KEY = "dr:worker:"
INDEX = "dr:workers"
# As locks are, but never so seldom that the others see late who is gone.
LONGEST_PAUSE_SECONDS = 1.0

LAST_BEAT = Gauge("dealradar_worker_heartbeat_timestamp_seconds", "When this worker last said that it lives")
LIVE = Gauge("dealradar_workers_live", "How many workers this one knows to live, itself included")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Heartbeat:
    """One worker's sign of life, a key with a TTL. `jobs` are those that it holds, with their fences."""

    valkey: Valkey
    worker: str
    build: str
    ttl_seconds: float
    jobs: dict[str, int]
    live: int = 1
    started_at: str = field(default_factory=_now)

    async def run(self) -> None:
        """Say so until cancelled, and count who else does. While Valkey is away, the last count stands."""
        while not was_cancelled():
            try:
                await self.valkey.run(self._say)
                self.live = max(1, len(await live_workers(self.valkey)))
                LAST_BEAT.set_to_current_time()
                LIVE.set(self.live)
            except ValkeyDownError:
                LIVE.set(0)
            await asyncio.sleep(min(self.ttl_seconds / 3, LONGEST_PAUSE_SECONDS))

    async def end(self) -> None:
        """Take the sign away. One that cannot be taken away now goes away at the end of its TTL."""
        try:
            await self.valkey.run(lambda client: client.delete(KEY + self.worker))
        except ValkeyDownError:
            return

    async def _say(self, client: Redis) -> None:
        document = {
            "id": self.worker,
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "build": self.build,
            "started_at": self.started_at,
            "beat_at": _now(),
            "jobs": self.jobs,
        }
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.set(KEY + self.worker, json.dumps(document), px=int(self.ttl_seconds * 1_000))
            pipeline.sadd(INDEX, self.worker)
            await pipeline.execute()


async def live_workers(valkey: Valkey) -> list[dict[str, Any]]:
    """The signs of all workers that live, the longest at work first. Raises ValkeyDownError."""

    async def read(client: Redis) -> list[dict[str, Any]]:
        names: list[bytes] = list(await client.smembers(INDEX))  # type: ignore[arg-type]  # bytes: not decoded
        if not names:
            return []
        found = await client.mget([KEY.encode() + name for name in names])
        gone = [name for name, value in zip(names, found, strict=True) if value is None]
        if gone:
            await client.srem(INDEX, *gone)
        return [json.loads(value) for value in found if value is not None]

    return sorted(await valkey.run(read), key=lambda sign: (sign["started_at"], sign["id"]))
