"""Where the paths of an OpenAPI document lie: below the path of one of its servers (OpenAPI 3.1, 4.8.5).

schemathesis takes the first server, wherever it is; here the service has an address already, and the server that means
that address is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

_MOST_SERVERS = 20
"""As many as are looked at: each operation asks again, and a document may list any number."""
_LONGEST_PATH = 2000
_VARIABLE = re.compile(r"\{([^/{}]*)\}")


def is_own_path(path: str) -> bool:
    """Is that a path of the service that describes it (OpenAPI 3.1, 4.8.8.1), and text that a request can hold?

    An absolute URL, or what a client may take for one, leads to a host that nobody allowed.
    """
    return (
        path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and path.isprintable()
        and len(path) <= _LONGEST_PATH
    )


def servers_of_swagger(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Swagger 2.0's host and base path as OpenAPI 3 writes them."""
    host, base = document.get("host"), document.get("basePath", "/")
    if not isinstance(base, str):
        return {}
    path = f"/{base.lstrip('/')}"
    return {"servers": [{"url": f"//{host}{path}" if host and isinstance(host, str) else path}]}


def server_path(*levels: Mapping[str, Any], url: str = "", place: str = "/") -> str:
    """What goes before an operation's path: `/api/v1`, or "" where paths begin at the address itself.

    `levels` are the operation, its path item and the document: the nearest that names servers counts. `url` is the
    address that the document was asked from, `place` the path there, at which relative addresses begin. Of several
    servers the one at that address counts; else the first that names no host, and so means that address; else the
    first, since a description of another place of the same service has its paths. What the address already holds of
    the path is not put before it again.
    """
    servers = next((level["servers"] for level in levels if level.get("servers")), None)
    asked = urlsplit(url)
    base = asked.path.rstrip("/") + place
    found = [server for address in _addresses(servers) if (server := _split(base, address)) is not None]
    best = min(found, key=lambda server: _rank(server, asked), default=None)
    path = best.path.rstrip("/") if best is not None else ""
    mounted = asked.path.rstrip("/")
    return path[len(mounted) :] if mounted and f"{path}/".startswith(f"{mounted}/") else path


def _split(base: str, address: str) -> SplitResult | None:
    try:
        # a scheme that is left open (`{scheme}://`) is that of the address that was asked
        named = address.removeprefix(":")
        return urlsplit(urljoin(base, named if named.strip("/") else "/"))
    except ValueError:
        return None


def _addresses(servers: object) -> list[str]:
    """Addresses of all servers, with the default of each variable in its place."""
    listed = servers[:_MOST_SERVERS] if isinstance(servers, list) else []
    return [
        _VARIABLE.sub(partial(_default, one.get("variables")), one["url"])
        for one in listed
        if isinstance(one, dict) and isinstance(one.get("url"), str)
    ]


def _default(variables: object, name: re.Match[str]) -> str:
    variable = variables.get(name[1]) if isinstance(variables, Mapping) else None
    return str(variable.get("default", "")) if isinstance(variable, Mapping) else ""


def _host_and_port(address: SplitResult) -> tuple[str | None, int | None]:
    try:
        port = address.port
    except ValueError:
        return address.netloc, None
    return address.hostname, port or {"http": 80, "https": 443}.get(address.scheme)


def _rank(server: SplitResult, asked: SplitResult) -> int:
    if server.netloc and _host_and_port(server) == _host_and_port(asked):
        return 0
    return 2 if server.netloc else 1
