"""What a service shows to a reader who has no account: paths and pages that answer a plain GET."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import httpx

from harness.model import Target
from harness.probes.openapi import OpenApi, OpenApiError, load_document
from harness.probes.openapi_places import openapi_places
from harness.probes.openapi_servers import server_path
from harness.probes.trust import trusted

_DOCUMENT_LIMIT = 8 * 2**20
_MOST_PATHS = 40


@dataclass(frozen=True, slots=True)
class Surface:
    """Paths that a plain GET answers, pages among them, and where the OpenAPI document lies ("" if none)."""

    paths: tuple[str, ...]
    pages: tuple[str, ...]
    openapi: str


def find_surface(target: Target, url: str, ca_file: str = "") -> Surface:
    """Look at profile, OpenAPI document and front page. `ca_file` is one authority more to trust over TLS."""
    with httpx.Client(base_url=url, timeout=target.service.timeout_s, verify=trusted(ca_file)) as client:
        front = cache(partial(_front_page, client))
        place, document = _find_document(client, target, url, front)
        pages = target.pages.open
        if not target.pages.paths and "pages" not in target.absent:
            pages = ("/",) if _is_page(front()) else ()
        named = [
            *pages,
            *target.cache.paths,
            *(path for path in (target.health.live, target.health.ready, target.build.path) if path),
        ]
        described = sorted(_parameterless_gets(document, url))
        closed = {*target.cache.roles, *target.pages.roles}
        open_to_all = [path for path in dict.fromkeys([*named, *described]) if path not in closed]
        paths = open_to_all[:_MOST_PATHS] or ["/"]
    return Surface(paths=tuple(paths), pages=tuple(pages), openapi=place)


def find_description(target: Target, url: str, ca_file: str = "") -> OpenApi | None:
    """The service's OpenAPI document; None if it has none that can be read."""
    with httpx.Client(base_url=url, timeout=target.service.timeout_s, verify=trusted(ca_file)) as client:
        _, document = _find_document(client, target, url, partial(_front_page, client))
    try:
        return load_document(json.dumps(document).encode(), url) if document else None
    except OpenApiError:
        return None


def _find_document(
    client: httpx.Client, target: Target, url: str, front: Callable[[], httpx.Response | None]
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


def _fetch_json(client: httpx.Client, path: str) -> object:
    try:
        answer = client.get(path)
        if not answer.is_success or len(answer.content) > _DOCUMENT_LIMIT:
            return None
        document: object = answer.json()
    except (httpx.HTTPError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return document


def _front_page(client: httpx.Client) -> httpx.Response | None:
    try:
        return client.get("/")
    except httpx.HTTPError:
        return None


def _is_page(answer: httpx.Response | None) -> bool:
    return answer is not None and answer.is_success and answer.headers.get("content-type", "").startswith("text/html")


def _parameterless_gets(document: dict[str, Any], url: str) -> list[str]:
    """Paths with a GET that needs no parameter and no login, as far as the document says."""
    found: list[str] = []
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        operation = item.get("get") if isinstance(item, dict) else None
        if not isinstance(operation, dict) or "{" in str(path):
            continue
        parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
        if any(isinstance(one, dict) and one.get("required") for one in parameters):
            continue
        if operation.get("security", document.get("security", [])):
            continue
        found.append(server_path(operation, item, document, url=url) + str(path))
    return found
