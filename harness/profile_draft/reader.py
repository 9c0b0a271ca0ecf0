"""Plain reads of an unknown service: few, one after the other, within a time, and below a limit that it announces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

import httpx

from harness.errors import UnreachableError, UsageError
from harness.probes.address import SHARED_ADDRESSES, AddressMode
from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.headers import parse_media_type, parse_retry_after
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.landing import land
from harness.probes.openapi_places import local_path
from harness.profile_draft.limits import Announced, announced_limit
from harness.stack import checked_url

MOST_REQUESTS = 80
_LEFT_TO_OTHERS = 5
"""One part in so many of an announced limit is not used."""
_REFUSED_S = 1.0
"""The wait after a 429 that does not say how long."""


def service_address(url: str) -> str:
    """The address as a profile holds it. Raises `UsageError` for what is none, or holds a password."""
    url = checked_url(url, "")
    try:
        # parts the international names that exist from those that cannot
        host = httpx.URL(url).host and (urlsplit(url).hostname or "")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UsageError(f"{url!r}: not an address of a service ({error})") from error
    if not host.isprintable() or " " in host:
        raise UsageError(f"{url!r}: not an address of a service; a host has no spaces")
    return url


class DraftReader:
    """Asks with GET, without cookies, each path once; None where there was no answer, or no more room for a request.

    At most `most` requests within `total_s` seconds, each answered within `timeout_s`. Of an announced limit a fifth
    is left to others; where it is used up, the reader waits for the next window if there is time, else `stopped` says
    why nothing more was asked.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        total_s: float = 40.0,
        most: int = MOST_REQUESTS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self.count = 0
        self.slowest_s = 0.0
        self.stopped = ""
        self.limit: Announced | None = None
        """The limit as the latest answer announces it that announces any."""
        self._timeout_s = timeout_s
        self._most = most
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + total_s
        self._seen: dict[str, Exchange | None] = {}
        self._pages: dict[str, Exchange | None] = {}
        self._client = RecordingClient(url, timeout_s=timeout_s, keep=1)

    def front(self) -> Exchange:
        """The answer at `/`, whatever its status. Raises `UnreachableError` in one line if there is none."""
        self.count += 1
        try:
            answer = self._client.exchange("GET", "/")
        except ServiceUnavailable as error:
            raise UnreachableError(f"{self.url} does not answer: {error.what}; start it, or correct the URL") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self.url} cannot be asked: {error or type(error).__name__}") from error
        self._note(answer)
        self._seen["/"] = answer
        return answer

    def page(self, path: str) -> Exchange | None:
        """The answer at a path to a browser, where a plain read is not answered with a page."""
        answer = self.ask(path)
        if media_type_of(answer) in ("", "text/html"):
            return answer
        if path not in self._pages:
            self._pages[path] = self._send(self._client, path, {"Accept": "text/html"})
        shown = self._pages[path]
        return shown if media_type_of(shown) == "text/html" else answer

    def ask(self, path: str) -> Exchange | None:
        """The answer at a path; a second call asks nothing."""
        if path not in self._seen:
            self._seen[path] = self.again(path)
        return self._seen[path]

    def again(self, path: str) -> Exchange | None:
        """Ask anew."""
        answer = self._send(self._client, path)
        if answer is not None and answer.status == 429:
            self._wait(parse_retry_after(answer.header("Retry-After")) or _REFUSED_S)
            answer = self._send(self._client, path)
        if answer is not None:
            self._note(answer)
        return answer

    def as_stranger(self, mode: AddressMode, path: str) -> Exchange | None:
        """Ask as a client whose address was not seen before."""
        address = SHARED_ADDRESSES.fresh(mode)
        with RecordingClient(
            self.url, timeout_s=self._timeout_s, address_mode=mode, address=address, keep=1
        ) as stranger:
            return self._send(stranger, path)

    def land(self, path: str) -> tuple[str, Exchange | None]:
        """Where a path leads, redirects within the service followed, and the answer there."""
        try:
            led = land(self._page_at, self.url, path)
        except UnfitAnswer:
            return path, None
        return led.path, led.answer

    def _page_at(self, method: str, url: str, **_request: object) -> Exchange:
        answer = self.page(url)
        if answer is None:
            raise UnfitAnswer(f"{method} {url} was not answered")
        return answer

    def local_path(self, reference: str, at: str = "/") -> str | None:
        """The path, below the service's address, that a reference on page `at` means; None if it leads elsewhere."""
        return local_path(self.url, reference, at)

    def unknown_path(self) -> str:
        """A path that no service has."""
        return f"/no-such-page-{secrets.token_hex(6)}"

    def _send(self, client: RecordingClient, path: str, headers: Mapping[str, str] | None = None) -> Exchange | None:
        if not self._has_room():
            return None
        self.count += 1
        try:
            answer = client.exchange("GET", path, headers=dict(headers or {}))
        except (ServiceUnavailable, httpx.HTTPError, httpx.InvalidURL):
            return None
        self.slowest_s = max(self.slowest_s, answer.elapsed_s)
        return answer

    def _note(self, answer: Exchange) -> None:
        # a session would make every later answer one to an account
        self._client.cookies.clear()
        self.slowest_s = max(self.slowest_s, answer.elapsed_s)
        self.limit = announced_limit(answer) or self.limit

    def _has_room(self) -> bool:
        limit = self.limit
        if limit is not None and limit.remaining is not None and limit.remaining <= limit.limit // _LEFT_TO_OTHERS:
            left = limit.reset_s if limit.reset_s is not None else limit.likely_window_s
            self._wait(max(left or 0, _REFUSED_S))
            self.limit = replace(limit, remaining=None)
        if not self.stopped and self.count >= self._most:
            self.stopped = f"{self.count} requests were sent"
        if not self.stopped and self._clock() >= self._end:
            self.stopped = f"the time for looking was over after {self.count} requests"
        return not self.stopped

    def _wait(self, seconds: float) -> None:
        if self._clock() + seconds >= self._end:
            self.stopped = self.stopped or f"the service's rate limit was nearly used up after {self.count} requests"
        else:
            self._sleep(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()


def media_type_of(answer: Exchange | None) -> str:
    """The media type of a 200, such as `text/html`; "" for any other answer."""
    if answer is None or answer.status != 200:
        return ""
    media = parse_media_type(answer.header("Content-Type"))
    return media.essence if media is not None else "unknown"
