"""Clients of a stack's servers, as everybody who looks at one wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

TIMEOUT_S = 2
"""Of one step: a server of ours answers in milliseconds, one far away in tenths of a second."""


def connect_cache(url: str) -> redis.Redis:
    """A client without the ten retries that redis-py makes by itself: a server that is down is known at once."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
