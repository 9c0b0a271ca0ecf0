"""Where requests may go: asked where the bytes leave, of the address that is really connected to.

A URL that a service wrote (a path of its OpenAPI document, a redirect, a link) may name any host. So what a client may
connect to is fixed before it asks anything, as places of the stack, and each connection is held against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from harness.errors import SafetyError
from harness.machine.addresses import addresses_of

PORTS = {"http": 80, "https": 443}
"""Scheme of a URL -> the port that it means."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Places, each a host and a port, to which a client may connect."""

    places: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, *urls: str) -> Self:
        """The places of those URLs."""
        return cls(frozenset(place for url in urls if (place := place_of(url)) is not None))

    def and_of(self, urls: Iterable[str]) -> Reach:
        """More places."""
        return Reach(self.places | Reach.of(*urls).places)

    def covers(self, url: str) -> bool:
        """Is a URL's place one of these?"""
        return place_of(url) in self.places

    def check(self, host: str, port: int) -> None:
        """Raises `SafetyError` if the place is none of these."""
        if (plain_host(host), port) not in self.places:
            known = ", ".join(f"{name}:{number}" for name, number in sorted(self.places)[:10])
            raise SafetyError(f"a request would go to {host[:200]}:{port}, which nobody allowed; allowed: {known}")

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a place to connect to, the same at every call.

        Raises `SafetyError` if the place is none of these, or if a name of this machine means another one; `OSError`
        if the name is not known.
        """
        self.check(host, port)
        return addresses_of(plain_host(host), port)


def place_of(url: str) -> tuple[str, int] | None:
    """Host and port that a URL leads to; None if it is no http(s) URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (plain_host(host), port) if host and port else None


def plain_host(host: str) -> str:
    """A host as it is compared: international names in ASCII, no final dot."""
    name = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
