"""Chains of requests that no schema has to describe: what one answer names is what the next request asks for.

schemathesis follows links, and infers producers from schemas of answers. Many documents describe neither. Here the
answers themselves tell: an id, slug, name or key of what `/users` lists fills `{user_id}`, `{userId}` or `{slug}` of a
path below it; what a POST created is read, deleted, and asked for once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any
from urllib.parse import quote, urlsplit

from harness.probes.api.inputs import is_plain, plain_name
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer
from harness.probes.headers import parse_media_type
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.openapi import OpenApi, UnreadDocument
from harness.probes.openapi_operation import Operation, names_in_path

_NAMES = ("id", "uuid", "slug", "key", "code", "name", "number", "username")
_LISTS = frozenset({"items", "data", "results", "content", "records", "rows"})
_OBJECTS = frozenset({"data", "result"})
"""Members that hold lists, and objects, of what the answer itself is about."""
_MOST_VALUES = 3
_MOST_REQUESTS = 200
_MOST_NODES = 200
_ANSWERED, _REDIRECTED, _ACCEPTED, _MISSING, _BROKEN = 200, 300, 202, 404, 500
_DELETED = re.compile(rb'"(?:is_?)?(?:deleted|archived|removed)(?:_?at)?"\s*:\s*(?!null|false)', re.IGNORECASE)
"""A thing that says of itself that it is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """What is wrong with the answer to the last of these requests."""

    kind: str
    operation: str
    says: str
    sent: tuple[SentRequest, ...]


@dataclass(slots=True)
class _Known:
    """Values by where they were seen: (resource, member) -> value -> the exchange that named it."""

    values: dict[tuple[str, str], dict[str, Exchange]] = field(default_factory=dict)

    def read(self, path: str, exchange: Exchange, content: object) -> None:
        """Keep what an answer names; `path` is its operation's, whose last plain segment is the resource."""
        plain = [part for part in path.split("/") if part and "{" not in part]
        for resource, item in _items(_singular(plain[-1]) if plain else "", content):
            for member in filter(_names, item):
                value = item[member]
                if not is_plain(value) or value == "":
                    continue
                known = self.values.setdefault((resource, plain_name(member)), {})
                if len(known) < _MOST_VALUES:
                    known.setdefault(str(value), exchange)

    def fitting(self, path: str, name: str) -> Mapping[str, Exchange]:
        """Values for a parameter of a path: of the resource that it stands behind, else of the one in its name."""
        before = path.partition(f"{{{name}}}")[0].rstrip("/").rsplit("/", 1)[-1]
        resource, wanted = _singular(before), plain_name(name)
        members = [wanted, *([wanted.removeprefix(resource)] if wanted != resource else []), *_NAMES]
        own = next((self.values[resource, each] for each in members if (resource, each) in self.values), None)
        if own is not None:
            return own
        for (other, member), values in self.values.items():
            if wanted in (other + member, member if member not in ("id", "name", "key") else ""):
                return values
        return {}


class Chains:
    """Follows chains through the operations of a service as one caller."""

    def __init__(self, api: OpenApi, client: RecordingClient, headers: Mapping[str, str]) -> None:
        self._api = api
        self._client = client
        self._headers = dict(headers)
        self._known = _Known()
        self.sent = 0
        self.reached: set[str] = set()
        """Operations that a chain led to."""

    def read(self, operations: Iterable[Operation]) -> Iterator[ChainFault]:
        """Ask lists, then what they name."""
        reads = sorted((each for each in operations if each.method == "GET"), key=lambda each: each.path.count("{"))
        for operation in reads:
            if set(operation.required) != set(names_in_path(operation.path)):
                continue
            for path, named_by in self._paths(operation):
                exchange = self._ask("GET", path)
                if exchange is None:
                    continue
                content = _json_of(exchange)
                if content is not None and exchange.status < _REDIRECTED:
                    self._known.read(operation.path, exchange, content)
                if named_by:
                    self.reached.add(operation.name)
                    yield from self._judge(operation, exchange, named_by)

    def live(
        self, operations: Iterable[Operation], created: Mapping[str, tuple[SentRequest, Exchange]]
    ) -> Iterator[ChainFault]:
        """Create what was created before once more, read it, delete it, and ask for it again."""
        by_name = {each.name: each for each in operations}
        for name, (request, answer) in created.items():
            made = by_name.get(name)
            if made is None or made.method != "POST" or request.request_size > len(request.request_bytes):
                continue
            below = re.compile(re.escape(made.path.rstrip("/")) + r"/\{[^/{}]+\}/?")
            for each in by_name.values():
                if each.method == "DELETE" and below.fullmatch(each.path) and f"GET {each.path}" in by_name:
                    yield from self._life(made, each.path, request, answer)

    def _life(self, made: Operation, item: str, request: SentRequest, earlier: Exchange) -> Iterator[ChainFault]:
        fresh = self._made_again(request)
        answer = fresh or earlier
        path = _path_of_made(made, item, request, answer)
        before = self._ask("GET", path) if path is not None else None
        if path is None or before is None:
            return
        if before.status < _REDIRECTED:
            yield from self._end(item, path, answer)
        elif fresh is not None and before.status == _MISSING:
            yield ChainFault(
                kind="lost",
                operation=f"GET {item}",
                says=f"GET {path} answered {before.status} right after {made.name} had created what it names",
                sent=(answer, before),
            )

    def _made_again(self, request: SentRequest) -> Exchange | None:
        """The answer to the same request, if it is taken once more."""
        kind = request.sent_header("Content-Type")
        headers = {"Content-Type": kind} if kind else {}
        again = self._ask("POST", request.path, content=request.request_bytes, headers=headers)
        return again if again is not None and again.status < _REDIRECTED else None

    def _end(self, item: str, path: str, made_by: Exchange) -> Iterator[ChainFault]:
        gone = self._ask("DELETE", path)
        if gone is None or gone.status >= _REDIRECTED or gone.status == _ACCEPTED:
            return
        after = self._ask("GET", path)
        if after is not None and after.status < _REDIRECTED and not _DELETED.search(after.body):
            yield ChainFault(
                kind="freed",
                operation=f"GET {item}",
                says=f"GET {path} answered {after.status} after DELETE {path} had answered {gone.status}",
                sent=(made_by, gone, after),
            )

    def _paths(self, operation: Operation) -> Iterator[tuple[str, tuple[Exchange, ...]]]:
        names = names_in_path(operation.path)
        if not names:
            yield operation.path, ()
            return
        values = [list(self._known.fitting(operation.path, name).items()) for name in names]
        for chosen in islice(product(*values), _MOST_VALUES):
            path = operation.path
            for name, (value, _) in zip(names, chosen, strict=True):
                path = path.replace(f"{{{name}}}", quote(value, safe=""), 1)
            yield path, tuple(dict.fromkeys(exchange for _, exchange in chosen))

    def _judge(self, operation: Operation, exchange: Exchange, named_by: tuple[Exchange, ...]) -> Iterator[ChainFault]:
        if exchange.status >= _BROKEN:
            found = "server_error", f" to what {_told(named_by)} names"
        elif exchange.status == _MISSING and len(named_by) == 1 and self._still_named(exchange, named_by[0]):
            found = "lost", f", and {_told(named_by)} lists what it names"
        else:
            found = self._undescribed(operation, exchange)
        kind, what = found
        if kind:
            says = f"{exchange.method} {exchange.path} answered {exchange.status}{what}"
            yield ChainFault(kind=kind, operation=operation.name, says=says, sent=(*named_by, exchange))

    def _undescribed(self, operation: Operation, exchange: Exchange) -> tuple[str, str]:
        """What of an answer the document does not describe: the kind, and in words; "" for nothing."""
        try:
            if self._api.media_types(operation, exchange.status) is None:
                return "status", f"; the document describes {', '.join(operation.statuses) or 'no status'}"
            kind = parse_media_type(exchange.header("Content-Type"))
            content = _json_of(exchange)
            if kind is None or content is None:
                return "", ""
            found = self._api.mismatches(operation, exchange.status, kind.essence, content)
        except UnreadDocument:
            return "", ""
        places = "; ".join(f"{each.at}: {each.says}" for each in found or ())
        return ("body", f", and its body is not as described: {places}") if found else ("", "")

    def _still_named(self, exchange: Exchange, named_by: Exchange) -> bool:
        """Somebody may have deleted it meanwhile."""
        again, repeated = self._ask("GET", named_by.path), self._ask("GET", exchange.path)
        if again is None or repeated is None:
            return False
        return again.body == named_by.body and repeated.status == exchange.status

    def _ask(self, method: str, path: str, **request: Any) -> Exchange | None:  # noqa: ANN401 - httpx's own arguments
        if self.sent >= _MOST_REQUESTS:
            return None
        self.sent += 1
        headers = self._headers | request.pop("headers", {})
        try:
            return self._client.exchange(method, path, headers=headers, **request)
        except (ServiceUnavailable, UnfitAnswer):
            return None
        finally:
            self._client.cookies.clear()


def _items(resource: str, content: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Objects of an answer, each with the name of what it is: the path's, or the member's that holds it."""
    waiting: list[tuple[str, object]] = [(resource, content)]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        name, node = waiting.pop(0)
        if isinstance(node, list):
            waiting += [(name, each) for each in node[:_MOST_VALUES]]
        elif isinstance(node, dict):
            yield name, node
            for key, value in node.items():
                if isinstance(value, list | dict):
                    wraps = _LISTS if isinstance(value, list) else _OBJECTS
                    waiting.append((name if plain_name(key) in wraps else _singular(key), value))


def _path_of_made(made: Operation, item: str, request: SentRequest, answer: Exchange) -> str | None:
    """The path of what was made; None where no answer names it. A path above it has values of its own."""
    known = _Known()
    known.read(made.path, answer, _json_of(answer))
    (name,) = names_in_path(item)[-1:]
    value = next(iter(known.fitting(item, name)), None) or _last_segment(answer.header("Location"))
    return f"{urlsplit(request.path).path.rstrip('/')}/{quote(value, safe='')}" if value is not None else None


def _names(member: str) -> bool:
    plain = plain_name(member)
    return plain in _NAMES or plain.endswith(("id", "slug", "key", "name", "code", "uuid"))


def _singular(name: str) -> str:
    plain = plain_name(name)
    if plain.endswith("ies"):
        return plain[:-3] + "y"
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain


def _json_of(exchange: Exchange) -> Any:  # noqa: ANN401 - JSON is anything
    kind = parse_media_type(exchange.header("Content-Type"))
    if kind is None or not kind.is_json or exchange.size > len(exchange.body):
        return None
    try:
        return exchange.json()
    except UnfitAnswer:
        return None


def _last_segment(location: str | None) -> str | None:
    return urlsplit(location).path.rstrip("/").rsplit("/", 1)[-1] or None if location else None


def _told(named_by: tuple[Exchange, ...]) -> str:
    return " and ".join(f"GET {exchange.path}" for exchange in named_by)
