"""Gets the answers that are asked for most into the cache before somebody has to wait for them."""

import asyncio
import logging
import uuid
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Scope

from dealradar.cache_store import CacheStore
from dealradar.stopping import was_cancelled
from dealradar.valkey import ValkeyDownError

log = logging.getLogger("dealradar.warmer")

FLUSH_SECONDS = 10.0
WARMED_NAMES = 100


async def warm(app: ASGIApp, store: CacheStore, limit: int = WARMED_NAMES) -> int:
    """Ask for the hottest names, one after the other; how many were computed. What is still fresh costs a look.

    `app` is the response cache or whatever lies around it. Without Valkey, or once the database fails, there is nothing
    to be done.
    """
    try:
        names = await store.hot.hottest(limit)
    except ValkeyDownError:
        return 0
    computed = 0
    for name in names:
        status, x_cache = await _ask(app, name)
        if status >= 500:
            break
        computed += x_cache == b"MISS"
    return computed


async def keep_warm(app: ASGIApp, store: CacheStore) -> None:
    """Warm once, then share what is counted, until cancelled. Meant to run beside the requests."""
    try:
        log.info("warmed the cache", extra={"computed": await warm(app, store)})
    except Exception:
        log.exception("warming failed")
    while not was_cancelled():
        await asyncio.sleep(FLUSH_SECONDS)
        await store.hot.flush()


async def _ask(app: ASGIApp, name: str) -> tuple[int, bytes]:
    target, *headers = name.split("\n")
    parts = urlsplit(target)
    pairs = [header.partition(":") for header in headers]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(field.encode("latin-1"), value.encode("latin-1")) for field, _, value in pairs],
        "client": None,
        "server": None,
        "state": {"request_id": uuid.uuid4().hex, "is_warming": True},
    }
    start: Message = {"status": 0, "headers": []}

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)

    await app(scope, receive, send)
    return start["status"], dict(start["headers"]).get(b"x-cache", b"")
