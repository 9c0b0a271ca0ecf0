"""Proof of who somebody is by their password, for the API and the pages alike."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import HTTPException
from prometheus_client import Counter
from redis.asyncio import Redis

from dealradar.database import Row
from dealradar.passwords import verify_password
from dealradar.state import Services
from dealradar.valkey import ValkeyDownError

MOST_FAILURES = 10
WINDOW_SECONDS = 300
LOGINS = Counter("dealradar_logins_total", "Attempts to log in by password", ["outcome"])

# Reply: 0, or the seconds until the next attempt may be made. Attempts are counted before they are judged, so that many
# at once are no way around the limit.
_SCRIPT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count > tonumber(ARGV[1]) and math.max(1, redis.call('TTL', KEYS[1])) or 0
"""


async def check_login(services: Services, address: str, email: str, password: str) -> Row | None:
    """The user (id, role) whose password this is, or None; it is not told which of the two was wrong.

    After MOST_FAILURES in a row for one account from one client address, raises HTTPException 429 until the window is
    over, whatever the password. While Valkey is away only the rate limit slows a guesser down.
    """
    email = email.lower()
    key = "dr:login:" + hashlib.sha256(f"{address} {email}".encode()).hexdigest()

    async def count(connection: Redis) -> int:
        seconds: int = await connection.eval(_SCRIPT, 1, key, MOST_FAILURES, WINDOW_SECONDS)
        return seconds

    wait = await _if_up(services, count)
    if wait:
        LOGINS.labels("throttled").inc()
        raise HTTPException(429, "Too many failed logins for this account.", {"Retry-After": str(wait)})
    row = await services.database.one("SELECT id, role, password_hash FROM users WHERE email = %s", [email])
    if not await verify_password(password, row["password_hash"] if row else None) or row is None:
        LOGINS.labels("refused").inc()
        return None
    LOGINS.labels("accepted").inc()
    await _if_up(services, lambda connection: connection.delete(key))
    return row


async def _if_up(services: Services, call: Callable[[Redis], Awaitable[Any]]) -> int:
    try:
        return int(await services.valkey.run(call))
    except ValkeyDownError:
        return 0
