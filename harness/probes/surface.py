"""What a service shows to a reader who has no account: paths and pages that answer a plain GET."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

import httpx

from harness.model import Target
from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.headers import ENDLESS
from harness.probes.http import RecordingClient, ServiceUnavailable, exchange_of
from harness.probes.landing import Landing, land
from harness.probes.manner import USUAL, Manner, find_manner
from harness.probes.openapi import OpenApi, OpenApiError, Operation, UnreadDocument, load_document
from harness.probes.openapi_document import looks_like_document
from harness.probes.openapi_places import openapi_places

_MOST_PATHS = 40
_MOST_LEFT_OUT = 5
_BROKEN = 500
_SHOWN_PATH = 200
LIVE_PLACES = (
    *("/health/live", "/livez", "/healthz", "/health", "/-/healthy", "/__lbheartbeat__", "/__heartbeat__"),
    *("/actuator/health/liveness", "/actuator/health", "/api/health", "/healthcheck", "/_health"),
    *("/_status/healthz", "/status", "/ping", "/-/ping", "/api/status", "/+status"),
)
"""Of Kubernetes, Prometheus, Mozilla's Dockerflow, Spring, npm's registries and those who write like them."""
READY_PLACES = (
    "/health/ready",
    "/readyz",
    "/ready",
    "/-/ready",
    "/__heartbeat__",
    "/actuator/health/readiness",
    "/api/ready",
)
"""The same of whether they are ready."""
_USUAL_PLACES = ("/index.html", "/ui/", "/docs", *LIVE_PLACES, *READY_PLACES, "/version", "/api")
"""Where services without a front page show themselves, or say that they live."""
_SEED = 0
"""The paths that are tried of many are drawn by it: the same ones of the same document."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Paths that a plain GET answers, pages among them, and where the OpenAPI document lies ("" if none)."""

    paths: tuple[str, ...]
    pages: tuple[str, ...]
    openapi: str
    found: int = 0
    """How many paths there are; `paths` are a sample where they are more."""
    left_out: tuple[str, ...] = ()
    """Paths of the document that are none of the service's, at most a handful of them."""
    streams: tuple[str, ...] = ()
    """Those of `paths` whose answer never ends, as the document says."""
    foreseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path -> refusals that the document describes for it (`404`, `4XX`): a request without parameters may get them."""
    manner: Manner = USUAL
    why: str = ""
    """Why there is no path; "" where there is one."""


def find_surface(target: Target, url: str, ca_file: str = "") -> Surface:
    """Look at profile, OpenAPI document and front page. `ca_file` is one authority more to trust over TLS."""
    with RecordingClient(url, timeout_s=target.service.timeout_s, ca_file=ca_file, keep=1) as client:
        front = cache(partial(_land, client, url))
        place, api = _find_document(client, target, url, front)
        manner = find_manner(client.exchange, url, front())
        pages = _known_pages(target, front())
        first = _named(target, pages)
        plain = _plain_gets(api)
        if not first and not plain:
            shown = _unnamed(client, manner)
            first, pages = list(shown), pages or _pages_among(shown, target)
        elif manner.front >= _BROKEN and not target.openapi.leaves_out("GET", "/"):
            # nobody named it, and everybody sees it
            first = list(dict.fromkeys(["/", *first]))
    more = sorted(plain.keys() - {*first, *_closed(target)})
    paths = tuple([*first, *_drawn(more, max(0, _MOST_PATHS - len(first)))][:_MOST_PATHS])
    surface = Surface(
        paths=paths,
        pages=tuple(page for page in pages if not target.openapi.leaves_out("GET", page)),
        openapi=place,
        found=len(first) + len(more),
        manner=manner,
        why="" if paths else _why_none(manner),
    )
    return surface if api is None else _described(surface, api, plain)


def _described(surface: Surface, api: OpenApi, plain: Mapping[str, Operation]) -> Surface:
    """The surface with what the document says of its paths."""
    known = {path: plain[path] for path in surface.paths if path in plain}
    return replace(
        surface,
        left_out=tuple(map(_shown, api.left_out[:_MOST_LEFT_OUT])),
        streams=tuple(path for path, operation in known.items() if _streams(api, operation)),
        foreseen={path: operation.refusals for path, operation in known.items() if operation.refusals},
    )


def _plain_gets(api: OpenApi | None) -> dict[str, Operation]:
    return {operation.path: operation for operation in api.plain_gets()} if api is not None else {}


def _known_pages(target: Target, front: Landing | None) -> tuple[str, ...]:
    """Those of the profile; of one that names none where `GET /` leads, if that is a page."""
    if target.pages.paths or "pages" in target.absent:
        return target.pages.open
    return (front.path,) if front is not None and front.answer.status < 400 and _is_page(front.answer) else ()


def _named(target: Target, pages: Iterable[str]) -> list[str]:
    """The pages, and all else that the profile says to be open."""
    health = (target.health.live, target.health.ready, target.build.path)
    named = dict.fromkeys([*pages, *target.cache.paths, *target.api.paths, *filter(None, health)])
    closed, left_out = _closed(target), target.openapi.leaves_out
    return [path for path in named if path not in closed and not left_out("GET", path)]


def _closed(target: Target) -> set[str]:
    return {*target.cache.roles, *target.pages.roles}


def _pages_among(shown: Mapping[str, bool], target: Target) -> tuple[str, ...]:
    return () if "pages" in target.absent else tuple(path for path, is_page in shown.items() if is_page)


def _unnamed(client: RecordingClient, manner: Manner) -> dict[str, bool]:
    """Of a service that names no path: its front, however broken it is, else the usual places, and which are pages."""
    if manner.needs_login:
        return {}
    if manner.front not in (401, 403, 404) or manner.front_path != "/":
        return {"/": False}
    answers = {path: _fetch(client, path) for path in dict.fromkeys(_USUAL_PLACES)}
    return {path: _is_page(exchange_of(answer)) for path, answer in answers.items() if answer is not None}


def _why_none(manner: Manner) -> str:
    if manner.front in (401, 403):
        return manner.login_line
    return (
        f"not applicable: no path is known, since GET / is answered {manner.front} and no document describes any; name"
        " some in [health] live, [pages] paths or [openapi] path of a profile"
    )


def find_description(target: Target, url: str, ca_file: str = "") -> OpenApi | None:
    """The service's OpenAPI document; None if it has none that can be read."""
    with RecordingClient(url, timeout_s=target.service.timeout_s, ca_file=ca_file, keep=1) as client:
        _, api = _find_document(client, target, url, partial(_land, client, url))
    return api


def _find_document(
    client: RecordingClient, target: Target, url: str, front: Callable[[], Landing | None]
) -> tuple[str, OpenApi | None]:
    """Where the profile says, else where the front page says, else at the usual places.

    A document that is there and cannot be read has a place, and nothing else.
    """
    if "openapi" in target.absent:
        return "", None
    unread = target.openapi.path
    for place in (target.openapi.path,) if target.openapi.path else _places(url, front()):
        answer = _fetch(client, place)
        if answer is None or not looks_like_document(answer.content):
            continue
        try:
            return place, load_document(answer.content, url, place, target.openapi.leaves_out)
        except UnreadDocument:
            unread = unread or place
        except OpenApiError:
            continue
    return unread, None


def _places(url: str, front: Landing | None) -> tuple[str, ...]:
    shown = front.answer if front is not None and front.answer.status < 300 else None
    links = shown.header_lines("Link") if shown is not None else ()
    return openapi_places(url, links, shown.text if shown is not None and _is_page(shown) else "")


def _land(client: RecordingClient, url: str) -> Landing | None:
    """Where `GET /` leads; None where no whole answer comes."""
    try:
        return land(client.exchange, url, "/")
    except (ServiceUnavailable, UnfitAnswer):
        return None


def _fetch(client: RecordingClient, path: str) -> httpx.Response | None:
    """The answer if it is a success."""
    try:
        answer = client.get(path)
    except (ServiceUnavailable, UnfitAnswer):
        return None
    return answer if answer.is_success else None


def _is_page(answer: Exchange) -> bool:
    return (answer.header("Content-Type") or "").startswith("text/html")


def _drawn(paths: list[str], room: int) -> list[str]:
    if len(paths) <= room:
        return paths
    return sorted(random.Random(_SEED).sample(paths, room))  # noqa: S311 - a sample, no secret


def _streams(api: OpenApi, operation: Operation) -> bool:
    try:
        return not ENDLESS.isdisjoint(api.media_types(operation, 200) or ())
    except OpenApiError:
        return False


def _shown(path: str) -> str:
    """A path as text that any file can hold."""
    return path[:_SHOWN_PATH].encode("unicode_escape").decode("ascii")
