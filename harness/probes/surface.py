"""What a service shows to a reader who has no account: paths and pages that answer a plain GET."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import httpx

from harness.model import Target
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.openapi import MAX_BYTES, OpenApi, OpenApiError, load_document
from harness.probes.openapi_places import openapi_places
from harness.probes.openapi_servers import is_own_path, server_path

_MOST_PATHS = 40
_MOST_LEFT_OUT = 5
_SHOWN_PATH = 200
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


def find_surface(target: Target, url: str, ca_file: str = "") -> Surface:
    """Look at profile, OpenAPI document and front page. `ca_file` is one authority more to trust over TLS."""
    with RecordingClient(url, timeout_s=target.service.timeout_s, ca_file=ca_file, keep=1) as client:
        front = cache(partial(_fetch, client, "/"))
        place, document = _find_document(client, target, url, front)
        pages = target.pages.open
        if not target.pages.paths and "pages" not in target.absent:
            pages = ("/",) if _is_page(front()) else ()
    named = [
        *pages,
        *target.cache.paths,
        *(path for path in (target.health.live, target.health.ready, target.build.path) if path),
    ]
    closed = {*target.cache.roles, *target.pages.roles}
    first = [path for path in dict.fromkeys(named) if path not in closed]
    own, left_out = _parameterless_gets(document, url)
    more = sorted(own - {*first, *closed})
    return Surface(
        paths=tuple([*first, *_drawn(more, max(0, _MOST_PATHS - len(first)))][:_MOST_PATHS]) or ("/",),
        pages=tuple(pages),
        openapi=place,
        found=len(first) + len(more) or 1,
        left_out=left_out,
    )


def find_description(target: Target, url: str, ca_file: str = "") -> OpenApi | None:
    """The service's OpenAPI document; None if it has none that can be read."""
    with RecordingClient(url, timeout_s=target.service.timeout_s, ca_file=ca_file, keep=1) as client:
        _, document = _find_document(client, target, url, partial(_fetch, client, "/"))
    try:
        return load_document(json.dumps(document).encode(), url) if document else None
    except (OpenApiError, RecursionError):
        return None


def _find_document(
    client: RecordingClient, target: Target, url: str, front: Callable[[], httpx.Response | None]
) -> tuple[str, dict[str, Any]]:
    """Where the profile says, else where the front page says, else at the usual places."""
    if "openapi" in target.absent:
        return "", {}
    for place in (target.openapi.path,) if target.openapi.path else _places(url, front()):
        document = _fetch_json(client, place)
        if isinstance(document, dict) and "paths" in document:
            return place, document
    return target.openapi.path, {}


def _places(url: str, front: httpx.Response | None) -> tuple[str, ...]:
    links = front.headers.get_list("Link") if front is not None else ()
    return openapi_places(url, links, front.text if front is not None and _is_page(front) else "")


def _fetch(client: RecordingClient, path: str) -> httpx.Response | None:
    """The answer if it is a success."""
    try:
        answer = client.get(path)
    except (ServiceUnavailable, UnfitAnswer):
        return None
    return answer if answer.is_success else None


def _fetch_json(client: RecordingClient, path: str) -> object:
    answer = _fetch(client, path)
    if answer is None or len(answer.content) > MAX_BYTES:
        return None
    try:
        document: object = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return document


def _is_page(answer: httpx.Response | None) -> bool:
    return answer is not None and answer.headers.get("content-type", "").startswith("text/html")


def _drawn(paths: list[str], room: int) -> list[str]:
    if len(paths) <= room:
        return paths
    return sorted(random.Random(_SEED).sample(paths, room))  # noqa: S311 - a sample, no secret


def _parameterless_gets(document: Mapping[str, Any], url: str) -> tuple[set[str], tuple[str, ...]]:
    """Paths with a GET that needs no parameter and no login, as far as the document says, and paths that are none of
    the service's. Of a document that is malformed, whatever has the right shape."""
    found: set[str] = set()
    left_out: list[str] = []
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        operation = item.get("get") if isinstance(item, dict) else None
        if not is_own_path(path):
            left_out.append(path)
        elif isinstance(operation, dict) and "{" not in path and _asks_for_nothing(document, item, operation):
            place = server_path(operation, item, document, url=url) + path
            if is_own_path(place):
                found.add(place)
            else:
                left_out.append(place)
    return found, tuple(_shown(path) for path in left_out[:_MOST_LEFT_OUT])


def _asks_for_nothing(document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    parameters = [*_listed(item.get("parameters")), *_listed(operation.get("parameters"))]
    needs = any(isinstance(one, dict) and one.get("required") for one in parameters)
    return not needs and not operation.get("security", document.get("security", []))


def _listed(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _shown(path: str) -> str:
    """A path as text that any file can hold."""
    return path[:_SHOWN_PATH].encode("unicode_escape").decode("ascii")
