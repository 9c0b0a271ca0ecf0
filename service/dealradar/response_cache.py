"""Public reads are answered from Valkey before the framework sees them.

X-Cache says what happened: HIT (from the cache), MISS (computed, and stored if it was a success), STALE (the database
does not answer; this is what it said before), BYPASS (the cache had no part in it: switched off, away, or the request
carries credentials). HIT and STALE carry an Age. Paths that are never cached carry no X-Cache.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar import single_flight
from dealradar.cache_store import COMMENTS, DEALS, REVIEWS, Answer, CacheStore, Lookup
from dealradar.conditional import entity_tag
from dealradar.valkey import ValkeyDownError

LONGEST_QUERY = 512
LARGEST_BODY = 1_048_576
CREDENTIALS = {b"authorization", b"cookie"}


@dataclass(frozen=True)
class Rule:
    """Answers to paths of this pattern may be cached.

    `tags` are the kinds of content that they are made of, `vary` the request headers on which they may depend, in small
    letters: an answer whose Vary names another one is not stored.
    """

    path: re.Pattern[str]
    tags: tuple[str, ...]
    vary: tuple[str, ...] = ()


RULES = (
    Rule(re.compile(r"/|/deals/[0-9]{1,19}|/api/deals(/[0-9]{1,19})?"), (DEALS, REVIEWS, COMMENTS)),
    Rule(re.compile(r"/api/(merchants|categories)|/api/deals/[0-9]{1,19}/prices"), (DEALS,)),
    Rule(re.compile(r"/api/reviews|/api/deals/[0-9]{1,19}/reviews"), (DEALS, REVIEWS)),
    Rule(
        re.compile(r"/api/comments(/[0-9]{1,19}/thread)?|/api/deals/[0-9]{1,19}/comments"),
        (DEALS, COMMENTS),
    ),
)


class Wanted(NamedTuple):
    """What a request asks of the cache. `name` is None for a read that may be cached, but not for this client."""

    rule: Rule
    name: str | None


class ResponseCache:
    """Lies inside of the limiter, CORS and the security headers, so none of theirs is ever stored."""

    def __init__(self, app: ASGIApp, store: CacheStore, rules: tuple[Rule, ...] = RULES) -> None:
        self.app = app
        self.store = store
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or compute and store, or stay out of it."""
        wanted = self._wanted(scope)
        if wanted is None:
            await self.app(scope, receive, send)
            return
        lookup = await self._look_up(scope, wanted)
        word, answer = await single_flight.answer(
            self.store, lookup, lambda: self._compute(scope, receive, wanted.rule)
        )
        headers = [*answer.headers, (b"x-cache", word.encode())]
        if word in {"HIT", "STALE"}:
            headers.append((b"age", b"%d" % answer.age))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def foresee(self, scope: Scope) -> list[str]:
        """The keys that this request will make the cache read; for a layer outside that asks Valkey anyway.

        It may leave their values in the state of the request as `fetched`.
        """
        wanted = self._wanted(scope)
        if wanted is None or wanted.name is None:
            return []
        return self.store.keys(wanted.name, wanted.rule.tags)

    def _wanted(self, scope: Scope) -> Wanted | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        if "wanted" not in scope["state"]:
            rule = next((rule for rule in self.rules if rule.path.fullmatch(scope["path"])), None)
            scope["state"]["wanted"] = None if rule is None else Wanted(rule, self._name(scope, rule))
        wanted: Wanted | None = scope["state"]["wanted"]
        return wanted

    def _name(self, scope: Scope, rule: Rule) -> str | None:
        query = scope["query_string"]
        sent = dict(scope["headers"])
        if not self.store.enabled or len(query) > LONGEST_QUERY or not CREDENTIALS.isdisjoint(sent):
            return None
        target = f"{scope['path']}?{normal_query(query)}" if query else scope["path"]
        varied = [f"{name}:{sent.get(name.encode(), b'').decode('latin-1')}" for name in rule.vary]
        return "\n".join([target, *varied])

    async def _look_up(self, scope: Scope, wanted: Wanted) -> Lookup | None:
        if wanted.name is None:
            return None
        if "is_warming" not in scope["state"]:
            self.store.hot.note(wanted.name)
        try:
            return await self.store.look_up(wanted.name, wanted.rule.tags, scope["state"].get("fetched"))
        except ValkeyDownError:
            return None

    async def _compute(self, scope: Scope, receive: Receive, rule: Rule) -> Answer:
        start: Message = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, collect)
        body = b"".join(chunks)
        headers = list(start["headers"])
        if start["status"] == 200:
            present = {name for name, _ in headers}
            if b"cache-control" not in present:
                # Others may keep it, but have to ask before they use it: invalidation reaches only our own cache.
                is_public = CREDENTIALS.isdisjoint(dict(scope["headers"]))
                headers.append((b"cache-control", b"no-cache" if is_public else b"private, no-cache"))
            if b"etag" not in present:
                headers.append((b"etag", entity_tag(body).encode()))
        is_for_everybody = _is_for_everybody(headers, rule)
        return Answer(
            start["status"],
            tuple(headers),
            body,
            may_be_stored=start["status"] == 200 and is_for_everybody and _may_be_kept(headers, body),
            may_be_shared=start["status"] >= 400 and is_for_everybody,
        )


@lru_cache(maxsize=1_024)
def normal_query(query: bytes) -> str:
    """One spelling for queries that mean the same: parameters by name, in one way of escaping."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode(sorted(pairs, key=lambda pair: pair[0]))


def _is_for_everybody(headers: Iterable[tuple[bytes, bytes]], rule: Rule) -> bool:
    """Is this the answer to whoever asks for the same name?"""
    return all(name != b"set-cookie" and (name != b"vary" or _words(value) <= {*rule.vary}) for name, value in headers)


def _may_be_kept(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
    is_forbidden = any(name == b"cache-control" and _words(value) & {"no-store", "private"} for name, value in headers)
    return not is_forbidden and len(body) <= LARGEST_BODY


def _words(value: bytes) -> set[str]:
    return {word.strip() for word in value.decode("latin-1").lower().split(",")}
