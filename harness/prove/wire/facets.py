"""What an exchange shows of its operation, piece by piece: facets that a mutant may change and a check may guard."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.probes.headers import parse_cache_control
from harness.prove.wire.json_paths import ELEMENTS, ROOT, Json, nodes_of, parse_path
from harness.prove.wire.operations import Operations, content_type
from harness.prove.wire.operators.json_body import field_facet, json_of
from harness.prove.wire.operators.operator import header_facet
from harness.prove.wire.operators.page import is_page
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

NOBODYS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "request-id",
        "server",
        "server-timing",
        "trace-id",
        "traceparent",
        "transfer-encoding",
        "x-amzn-trace-id",
        "x-correlation-id",
        "x-powered-by",
        "x-request-id",
        "x-runtime",
    }
)
"""Headers that no client acts upon: the proxy's own framing, the clock, and names that serve a log."""
_TIMED = ("load.*", "cache.ratio", "cache.compared", "cache.noise", "ratelimit.window")
_CHECKS_OF = (
    ("latency", ("load.*", "api.*", "page.*", "health.*")),
    ("cache", ("cache.*", "api.*", "auth.*", "metrics.*", "page.*")),
    ("page", ("page.*", "input.*", "errors.*", "csp.*", "api.*", "auth.*", "csrf.*")),
    ("header set-cookie", ("cookies.*", "headers.*", "auth.*", "csrf.*", "page.*")),
    ("header access-control-", ("cors.*",)),
    ("header vary", ("cors.*", "cache.*")),
    ("header content-security-policy", ("csp.*", "headers.*", "errors.*", "page.*")),
)
"""The beginning of a facet, and the checks for it. Anything else is bound to every check that does not measure time."""
_CACHE_SIGNS = ("age", "etag", "last-modified", "x-cache", "cf-cache-status")
_OK = 200
_MOST_BYTES = 8 * 2**20
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ANY = "*"

Exchange = tuple[ProxiedRequest, ProxiedAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledExchange:
    """A whole exchange of the healthy run: one of each kind is kept in memory, to draw mutants from."""

    operation: str
    request: ProxiedRequest
    answer: ProxiedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedExchange:
    """An exchange as the journal keeps it: what it shows, not what it holds."""

    operation: str
    """As `Operations.name` gives it."""
    method: str
    path: str
    status: int
    content_type: str
    header_names: frozenset[str]
    """In small letters."""
    fields: frozenset[str]
    """Places of a JSON body: `items[].price`."""
    facets: frozenset[str]
    test_ids: frozenset[str] = frozenset()
    """Tests that saw it."""

    @property
    def kind(self) -> tuple[str, str, int, str]:
        """Exchanges of one kind look alike: one of each is enough to draw mutants from."""
        return self.operation, self.method, self.status, self.content_type


def observe(
    request: ProxiedRequest, answer: ProxiedAnswer, operations: Operations, test_ids: Iterable[str] = ()
) -> ObservedExchange:
    """What the journal keeps of an exchange."""
    shown = without_coding(answer)
    return ObservedExchange(
        operation=operations.name(request.method, request.path, answer.status),
        method=request.method,
        path=request.path,
        status=answer.status,
        content_type=content_type(answer),
        header_names=frozenset(name.lower() for name, _ in answer.headers),
        fields=frozenset(_fields(shown)),
        facets=facets_of(request, answer),
        test_ids=frozenset(test_ids),
    )


def facets_of(request: ProxiedRequest, answer: ProxiedAnswer) -> frozenset[str]:
    """Everything about an answer that a mutant can change: `status 404`, `header etag`, `body field items[].price`,
    `body`, `page`, `latency`, `cache`."""
    shown = without_coding(answer)
    facets = {f"status {answer.status}", "latency"}
    facets |= {header_facet(name) for name, _ in answer.headers if name.lower() not in NOBODYS}
    facets |= {field_facet(path) for path in _fields(shown)}
    if answer.body and request.method != "HEAD":
        facets.add("body")
        if is_page(shown):
            facets.add("page")
    if request.method == "GET" and answer.status == _OK and _is_cached(answer):
        facets.add("cache")
    return frozenset(facets)


def covers(facet: str, other: str) -> bool:
    """Is `other` such a facet: the same, or one that `status *`, `status 4xx` or `header *` stands for?"""
    kind, _, name = facet.rpartition(" ")
    if kind == "status":
        return fnmatchcase(other, f"status {name.replace('x', '?')}")
    if name == _ANY:
        return other.startswith(f"{kind} ")
    return facet == other


def speaks_of(check: str, facet: str) -> bool:
    """May a failure of that check be the doing of a mutant of that facet?

    A check that measures time fails by chance now and then; it must not make a changed header look guarded.
    """
    for prefix, checks in _CHECKS_OF:
        if facet.startswith(prefix):
            return _any(check, checks)
    return not _any(check, _TIMED)


def _any(check: str, globs: Collection[str]) -> bool:
    return any(fnmatchcase(check, glob) for glob in globs)


def without_coding(answer: ProxiedAnswer) -> ProxiedAnswer:
    """The answer with its body as it was before gzip or deflate (RFC 9110, 8.4.1); one coded otherwise stays coded."""
    coding = (answer.header("Content-Encoding") or "").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        return answer
    inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        body = inflating.decompress(answer.body, _MOST_BYTES)
    except zlib.error:
        return answer
    return replace(answer.without("Content-Encoding"), body=body) if inflating.eof else answer


def _fields(answer: ProxiedAnswer) -> list[str]:
    """Places that stand for something of their own: members of objects, and elements that are single values."""
    document = json_of(answer)
    if document is None:
        return []
    return [path for path, nodes in nodes_of(document[0]).items() if _is_facet(path, nodes)]


def _is_facet(path: str, nodes: list[Json]) -> bool:
    if path == ROOT:
        return isinstance(nodes[0], list)
    steps = parse_path(path)
    return steps[-1] != ELEMENTS or not any(isinstance(node, dict | list) for node in nodes)


def _is_cached(answer: ProxiedAnswer) -> bool:
    if "no-store" in parse_cache_control(value for name, value in answer.headers if name.lower() == "cache-control"):
        return False
    names = {name.lower() for name, _ in answer.headers}
    return "cache-control" in names or not names.isdisjoint(_CACHE_SIGNS)
