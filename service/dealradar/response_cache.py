"""Public reads are answered from Valkey before the framework sees them.

X-Cache says what happened: HIT (from the cache), MISS (computed, and stored if it was a success), BYPASS (the cache
had no part in it: switched off, away, or the request carries credentials). Paths that are never cached carry no
X-Cache.
"""

import json
import re
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.cache_store import COMMENTS, DEALS, REVIEWS, CacheStore, Lookup
from dealradar.valkey import ValkeyDownError

Rule = tuple[re.Pattern[str], tuple[str, ...]]

RULES: tuple[Rule, ...] = (
    (re.compile(r"/|/api/deals(/[0-9]{1,19})?"), (DEALS, REVIEWS, COMMENTS)),
    (re.compile(r"/api/reviews|/api/deals/[0-9]{1,19}/reviews"), (DEALS, REVIEWS)),
    (re.compile(r"/api/comments|/api/deals/[0-9]{1,19}/comments"), (DEALS, COMMENTS)),
)
LONGEST_QUERY = 512
LARGEST_BODY = 1_048_576
KEPT_HEADERS = {b"content-type", b"content-length", b"cache-control"}
CREDENTIALS = {b"authorization", b"cookie"}


class ResponseCache:
    """Lies inside of the limiter, CORS and the security headers, so none of theirs is ever stored."""

    def __init__(self, app: ASGIApp, store: CacheStore) -> None:
        self.app = app
        self.store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or compute and store, or stay out of it."""
        tags = tags_of(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if tags is None:
            await self.app(scope, receive, send)
            return
        lookup = await self._look_up(scope, tags)
        if lookup is None:
            await self.app(scope, receive, _marking(send, "BYPASS"))
        elif lookup.body is None:
            await self._compute(scope, receive, send, lookup)
        else:
            head, _, body = lookup.body.partition(b"\n")
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(head)]
            await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"x-cache", b"HIT")]})
            await send({"type": "http.response.body", "body": body})

    async def _look_up(self, scope: Scope, tags: tuple[str, ...]) -> Lookup | None:
        query = scope["query_string"]
        if (
            not self.store.enabled
            or len(query) > LONGEST_QUERY
            or any(name in CREDENTIALS for name, _ in scope["headers"])
        ):
            return None
        try:
            return await self.store.look_up(f"{scope['path']}?{normal_query(query)}", tags)
        except ValkeyDownError:
            return None

    async def _compute(self, scope: Scope, receive: Receive, send: Send, lookup: Lookup) -> None:
        start: Message = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, collect)
        body = b"".join(chunks)
        if start["status"] == 200:
            # Others may keep it, but have to ask before they use it: invalidation reaches only our own cache.
            MutableHeaders(raw=start["headers"]).setdefault("Cache-Control", "no-cache")
        if _may_be_stored(start, body):
            kept = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"] if n in KEPT_HEADERS]
            await self.store.store(lookup, json.dumps(kept).encode() + b"\n" + body)
        await _marking(send, "MISS")(start)
        await send({"type": "http.response.body", "body": body})


def tags_of(path: str) -> tuple[str, ...] | None:
    """The kinds of content that an answer to this path is made of, or None if it is not to be cached."""
    for pattern, tags in RULES:
        if pattern.fullmatch(path):
            return tags
    return None


def normal_query(query: bytes) -> str:
    """One spelling for queries that mean the same: parameters by name, in one way of escaping."""
    if not query:
        return ""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode(sorted(pairs, key=lambda pair: pair[0]))


def _may_be_stored(start: Message, body: bytes) -> bool:
    if start["status"] != 200 or len(body) > LARGEST_BODY:
        return False
    return not any(
        name == b"set-cookie" or (name == b"cache-control" and b"no-store" in value) for name, value in start["headers"]
    )


def _marking(send: Send, word: str) -> Send:
    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(raw=message["headers"])["X-Cache"] = word
        await send(message)

    return send_marked
