"""At most so many requests a minute for each client, over a window that slides.

The times of a client's served requests are kept in a list in Valkey, newest first, and judged by one script, so that
any number of instances count together. A refused request is not counted. While Valkey is away each process counts for
itself.

Headers: RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers; Retry-After of RFC 9110.
"""

import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from prometheus_client import Counter
from redis.exceptions import NoScriptError
from starlette.types import ASGIApp, Receive, Scope, Send

from dealradar.problems import problem
from dealradar.valkey import Valkey, ValkeyDownError

WINDOW_MS = 60_000
# Health checks, and the scrape of the figures, which has its own list of who may.
EXEMPT = ("/health/", "/metrics")
CLIENTS_IN_MEMORY = 10_000
# Reply: how many are left, or -1; milliseconds until the oldest counted request leaves the window; the values of the
# other keys, which are read for whoever is served.
SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and tonumber(oldest) <= now - window do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local count = redis.call('LLEN', KEYS[1])
if count >= limit then
  return {-1, oldest + window - now}
end
redis.call('LPUSH', KEYS[1], now)
redis.call('PEXPIRE', KEYS[1], window)
return {limit - count - 1, (oldest or now) + window - now, #KEYS > 1 and redis.call('MGET', unpack(KEYS, 2))}
"""
SCRIPT_DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # as EVALSHA names it


_decisions = Counter(
    "dealradar_ratelimit_decisions_total", "Requests counted: over all instances, or by this process alone.", ["by"]
)
_shared = _decisions.labels("valkey")


class Decision(NamedTuple):
    """`remaining` is -1 for a refusal; `reset_seconds` says when the next place in the window gets free, at least 1.

    `fetched` are the values of the keys that were foreseen, if Valkey was asked.
    """

    remaining: int
    reset_seconds: int
    fetched: list[bytes | None] | None = None


class LocalWindow:
    """The same window in the memory of this process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.served: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, client: str, now_ms: float) -> Decision:
        """Count a request, or refuse it."""
        times = self.served.setdefault(client, deque())
        self.served.move_to_end(client)
        if len(self.served) > CLIENTS_IN_MEMORY:
            self.served.popitem(last=False)
        while times and times[0] <= now_ms - WINDOW_MS:
            times.popleft()
        is_full = len(times) >= self.limit
        if not is_full:
            times.append(now_ms)
        return Decision(-1 if is_full else self.limit - len(times), _seconds(times[0] + WINDOW_MS - now_ms))


class RateLimit:
    """Lies outside of the cache: an answer from the cache counts like any other. Health checks do not.

    `foresee` names the keys that layers inside will read for a request: they come along in the same round trip, and are
    left in the state of the request as `fetched`.
    """

    def __init__(self, app: ASGIApp, valkey: Valkey, limit: int, foresee: Callable[[Scope], list[str]]) -> None:
        self.app = app
        self.valkey = valkey
        self.limit = limit
        self.foresee = foresee
        self.local = LocalWindow(limit)
        self.policy = f'"default";q={limit};w={WINDOW_MS // 1000}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the limit, refuse one beyond it with 429 and the time to wait."""
        if scope["type"] != "http" or scope["path"].startswith(EXEMPT):
            await self.app(scope, receive, send)
            return
        decision = await self._decide(scope["state"]["client"].address, self.foresee(scope))
        left = f'"default";r={max(decision.remaining, 0)};t={decision.reset_seconds}'
        scope["state"]["dress"] += [(b"ratelimit-policy", self.policy), (b"ratelimit", left.encode())]
        if decision.remaining < 0:
            wait = {"Retry-After": str(decision.reset_seconds)}
            refusal = problem(scope, 429, f"More than {self.limit} requests within a minute.", headers=wait)
            await refusal(scope, receive, send)
            return
        scope["state"]["fetched"] = decision.fetched
        await self.app(scope, receive, send)

    async def _decide(self, client: str, foreseen: list[str]) -> Decision:
        words: list[str | int] = [1 + len(foreseen), f"dr:limit:{client}", *foreseen, WINDOW_MS, self.limit]
        try:
            try:
                reply = await self.valkey.command("EVALSHA", SCRIPT_DIGEST, *words)
            except NoScriptError:  # a server that was just started
                reply = await self.valkey.command("EVAL", SCRIPT, *words)
        except ValkeyDownError:
            _decisions.labels("process").inc()
            return self.local.take(client, time.monotonic() * 1_000)
        _shared.inc()
        remaining, reset_ms, *fetched = reply
        return Decision(remaining, _seconds(reset_ms), fetched[0] if fetched else None)


def _seconds(milliseconds: float) -> int:
    return max(1, ceil(milliseconds / 1_000))
