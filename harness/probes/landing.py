"""Where a path leads: each redirect on the way, as long as it stays with the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.http import ServiceUnavailable
from harness.probes.openapi_places import local_path

MOST_HOPS = 10
_REDIRECTS = (301, 302, 303, 307, 308)


class Ask(Protocol):
    """Sends one request and gives the exchange."""

    def __call__(self, method: str, url: str, **request: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
        """Raises `ServiceUnavailable`, `UnfitAnswer`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """The answers on the way, and where it ended."""

    paths: tuple[str, ...]
    answer: Exchange
    """The last one."""
    leaves_for: str = ""
    """The URL outside of the service to which the last answer redirects."""
    is_endless: bool = False
    """Whether it leads back to where it was, or on and on."""

    @property
    def path(self) -> str:
        """The path of the last answer."""
        return self.paths[-1]

    def __str__(self) -> str:
        """How it got there, as the beginning of a sentence."""
        way = " and ".join(self.paths[1:])
        return f"GET {self.paths[0]}" + (f", redirected to {way}," if way else "")


def ask_once(ask: Ask, path: str) -> Exchange | None:
    """The answer to a plain GET; None where no whole one came."""
    try:
        return ask("GET", path)
    except (ServiceUnavailable, UnfitAnswer):
        return None


def land(ask: Ask, base_url: str, path: str) -> Landing:
    """Ask for a path below `base_url`, and for what it redirects to. Raises what `ask` raises."""
    paths = [path]
    while True:
        answer = ask("GET", paths[-1])
        location = _as_browsers_read(answer.header("Location") or "")
        if answer.status not in _REDIRECTS or not location:
            return Landing(paths=tuple(paths), answer=answer)
        following = local_path(base_url, location, paths[-1])
        if following is None:
            return Landing(paths=tuple(paths), answer=answer, leaves_for=location)
        following = following.partition("#")[0]
        if following in paths or len(paths) > MOST_HOPS:
            return Landing(paths=(*paths, following), answer=answer, is_endless=True)
        paths.append(following)


def _as_browsers_read(location: str) -> str:
    """Bytes beyond ASCII as the UTF-8 that they usually are; a header's text is Latin-1."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location
