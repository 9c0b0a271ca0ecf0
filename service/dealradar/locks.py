"""Locks that processes of this service share, in PostgreSQL and in Valkey."""

import asyncio
import time
import uuid

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from dealradar.stopping import was_cancelled
from dealradar.valkey import Valkey, ValkeyDownError

# Whoever migrates or seeds holds this one and is alone. Unlike the lock table of the migration tool it goes away with
# the session of a process that was killed.
SCHEMA_LOCK = 7_304_119

RETRY_SECONDS = 0.1


class LockLostError(Exception):
    """Whoever held a lock, or the job that it stands for, holds it no longer."""


class SharedLock:
    """A lock over all processes, for one tenure: a key in Valkey with the owner's token that goes away by itself.

    It says who should work. That nobody else *can* is more than a lock can promise: jobs have a fence in the database
    for that (migration 0006).
    """

    def __init__(self, valkey: Valkey, name: str, ttl_seconds: float, owner: str = "") -> None:
        self._valkey = valkey
        self._key = f"dr:lock:{name}"
        self._token = f"{owner}:{uuid.uuid4().hex}"
        self._ttl = ttl_seconds
        self._lock: Lock | None = None
        self._good_until = 0.0

    async def take(self) -> bool:
        """Take the lock if it is free. Raises ValkeyDownError."""

        async def acquire(client: Redis) -> bool:
            self._lock = Lock(client, self._key, timeout=self._ttl, thread_local=False)
            return bool(await self._lock.acquire(blocking=False, token=self._token))

        asked = time.monotonic()
        taken = await self._valkey.run(acquire)
        if taken:
            self._good_until = asked + self._ttl
        return taken

    async def keep(self) -> None:
        """Renew at a third of the TTL until cancelled. Raises LockLostError when the key may be somebody else's."""
        pause = self._ttl / 3
        while not was_cancelled():
            await asyncio.sleep(pause)
            self.check()
            asked = time.monotonic()
            try:
                renewed = await self._valkey.run(self._renew)
            except ValkeyDownError:
                pause = RETRY_SECONDS
                continue
            pause = self._ttl / 3
            if not renewed:
                self._good_until = 0.0
                raise LockLostError("the lock is gone")
            self._good_until = asked + self._ttl

    def check(self) -> None:
        """Raise LockLostError if the time is up for which the lock was last known to be held."""
        if time.monotonic() >= self._good_until:
            raise LockLostError("the lock was not renewed in time")

    async def release(self) -> None:
        """Delete the key if it is still this owner's; where Valkey is away, it goes away at the end of its TTL."""
        self._good_until = 0.0
        try:
            await self._valkey.run(self._delete)
        except ValkeyDownError:
            return

    async def _renew(self, _: Redis) -> bool:
        try:
            return self._lock is not None and await self._lock.reacquire()
        except LockNotOwnedError:
            return False

    async def _delete(self, _: Redis) -> bool:
        try:
            if self._lock is not None:
                await self._lock.release()
        except LockNotOwnedError:
            return False
        return True
