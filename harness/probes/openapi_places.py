"""Where a service may describe its API: where its front page says so, then where others do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from harness.probes.page_parts import read_parts

OPENAPI_PLACES = (
    "/openapi.json",
    "/api/openapi.json",
    "/v3/api-docs",
    "/swagger.json",
    "/swagger/v1/swagger.json",
    "/api/v1/openapi.json",
)
"""Of FastAPI, springdoc, Swashbuckle and those who write like them."""
_MOST_LINKED = 3
_LINK = re.compile(r"<([^<>]*+)>\s*+;[^,<]*\brel=\"?(?:service-desc|describedby)\b", re.IGNORECASE)
"""RFC 8631: a service's description, as a link of any of its answers."""


def openapi_places(url: str, link_headers: Iterable[str], page: str) -> tuple[str, ...]:
    """Paths to look at, in turn, for the service at `url`: what its front page links to, then the usual places.

    `link_headers` are the values of that answer's `Link`, `page` is its HTML, "" if it has none.
    """
    linked = [found[1] for line in link_headers for found in _LINK.finditer(line)]
    linked += read_parts(page).descriptions if page else ()
    own = [path for link in linked if (path := local_path(url, link)) is not None]
    return tuple(dict.fromkeys([*own[:_MOST_LINKED], *OPENAPI_PLACES]))


def local_path(url: str, reference: str, at: str = "/") -> str | None:
    """The path, below a service's address, that a reference on its page `at` means; None if it leads elsewhere."""
    base = urlsplit(url)
    try:
        found = urlsplit(urljoin(url + at, reference.strip().replace(" ", "%20")))
        same = (found.scheme, found.netloc.lower()) == (base.scheme, base.netloc.lower())
    except ValueError:
        return None
    below = found.path.removeprefix(base.path) if found.path.startswith(base.path) else ""
    if not same or (found.path and not below.startswith("/")) or not below.isprintable() or " " in below:
        return None
    return (below or "/") + (f"?{found.query}" if found.query else "")
