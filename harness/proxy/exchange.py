"""What passes through the proxy, as plain data, and what may be done with it on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

Headers = tuple[tuple[str, str], ...]


class UpstreamError(Exception):
    """The service refused the connection, cut it, or sent no HTTP; the client sees its own connection cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedRequest:
    """One request as the client sent it; hop-by-hop headers (RFC 9110, 7.6.1) are taken out."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Headers
    body: bytes = b""
    client: str = ""
    """Address that the client spoke from."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The first value of that header, whatever its case; None if it is not there."""
        return _first(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedAnswer:
    """One whole answer. `Content-Length` is set anew when it is sent."""

    status: int
    headers: Headers
    body: bytes = b""
    cut_after: int | None = None
    """Send the true length, but only so many bytes of the body, then cut the connection; None for a whole answer."""
    ends: bool = True
    """Whether the body comes to an end: if not, no length is told, and the connection stays open behind it."""
    interim: int = 0
    """The status of an interim answer (1xx) that comes before; 0 for none."""
    version: str = "1.1"
    """Of HTTP, as the first line says it; behind an answer of 1.0 the connection is closed."""
    behind: bytes = b""
    """Sent behind the answer's end, though nobody asked for it."""

    def header(self, name: str) -> str | None:
        """The first value of that header, whatever its case; None if it is not there."""
        return _first(self.headers, name)

    def without(self, name: str) -> Self:
        """The same answer without that header."""
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0].lower() != name.lower()))

    def having(self, name: str, value: str) -> Self:
        """The same answer with that header once, with this value."""
        return replace(self, headers=(*self.without(name).headers, (name, value)))


Send = Callable[[ProxiedRequest], Awaitable[ProxiedAnswer]]
"""Passes a request to the service. Raises UpstreamError."""
Handler = Callable[[ProxiedRequest, Send], Awaitable[ProxiedAnswer]]
"""What the proxy does with a request: send it as it is, or do something else to it or to its answer."""


def _first(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name.lower()), None)
