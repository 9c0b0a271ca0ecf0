"""What pages read from hosts of others: fetched here, and handed to the browser.

A browser that may connect to a host may write to it, too: by a redirect that keeps the method (RFC 9110, 15.4.8), a
worker, a socket, a beacon, a report. So to hosts that are only read from it has no connection at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from harness.errors import SafetyError
from harness.machine.addresses import addresses_of
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.reach import PORTS, place_of, plain_host

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route

_READS = frozenset({"GET", "HEAD"})
_MOST_REDIRECTS = 10
_OF_THE_CONNECTION = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class _Part:
    """An answer as the browser is given it: decoded, its redirects between hosts to read from followed."""

    status: int
    headers: dict[str, str]
    body: bytes


class _UnreadError(Exception):
    """There is no answer; the message is Playwright's word for why."""


@dataclass
class PageReads:
    """Hosts from which pages read, and how long an answer may take."""

    hosts: frozenset[str]
    timeout_s: float

    @classmethod
    def of(cls, hosts: Iterable[str], written_to: Iterable[str], timeout_s: float) -> PageReads:
        """Those of `hosts` that pages may not write to."""
        return cls(frozenset(map(plain_host, hosts)) - frozenset(map(plain_host, written_to)), timeout_s)

    def covers(self, url: str) -> bool:
        """Is a URL's host one of these?"""
        place = place_of(url)
        return place is not None and place[0] in self.hosts

    def serve(self, context: BrowserContext) -> None:
        """Give the pages of that context what they read from these hosts."""
        if self.hosts:
            # Playwright notes something in the object of a method, so this one is not frozen
            context.route(self.covers, self.hand_over)

    def hand_over(self, route: Route) -> None:
        """Give a page the part that it asks for; what is no read is not sent."""
        sent = route.request
        try:
            part = self._read(sent.method, sent.url, sent.headers)
        except _UnreadError as error:
            route.abort(str(error))
        else:
            route.fulfill(status=part.status, headers=part.headers, body=part.body)

    def _read(self, method: str, url: str, headers: dict[str, str]) -> _Part:
        if method not in _READS:
            raise _UnreadError("namenotresolved")
        for _ in range(_MOST_REDIRECTS):
            part = self._ask(method, url, headers)
            following = urljoin(url, part.headers.get("location", ""))
            if part.status not in (301, 302, 303, 307, 308) or not self.covers(following):
                return part
            url = following
        raise _UnreadError("failed")

    def _ask(self, method: str, url: str, headers: dict[str, str]) -> _Part:
        parts = urlsplit(url)
        try:
            # a name that nobody knows, as in a network without a way out, is no fault of the page
            addresses_of(plain_host(parts.hostname or ""), parts.port or PORTS[parts.scheme])
        except (OSError, SafetyError) as error:
            raise _UnreadError("namenotresolved") from error
        try:
            with RecordingClient(f"{parts.scheme}://{parts.netloc}", timeout_s=self.timeout_s) as client:
                answer = client.request(method, url, headers=headers)
        except (ServiceUnavailable, UnfitAnswer) as error:
            raise _UnreadError("connectionfailed") from error
        told: dict[str, str] = {}
        for name, value in answer.headers.multi_items():
            if name not in _OF_THE_CONNECTION:
                told[name] = f"{told[name]}\n{value}" if name in told else value
        return _Part(answer.status_code, told, answer.content)
