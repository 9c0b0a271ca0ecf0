"""What pages read from hosts of others: fetched here, and handed to the browser.

A browser that may connect to a host may write to it, too: by a redirect that keeps the method (RFC 9110, 15.4.8), a
worker, a socket, a beacon, a report. So to hosts that are only read from it has no connection at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from harness.errors import SafetyError
from harness.machine.addresses import addresses_of
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.reach import PORTS, place_of, plain_host

READS = frozenset({"GET", "HEAD"})
_MOST_REDIRECTS = 10
_OF_THE_CONNECTION = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class ReadPart:
    """An answer as the browser is given it: decoded, its redirects between hosts to read from followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnreadPartError(Exception):
    """There is no answer; the message is Playwright's word for why."""


@dataclass(frozen=True, slots=True)
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

    def read(self, method: str, url: str, headers: Mapping[str, str]) -> ReadPart:
        """Ask for a part of a page. Raises `UnreadPartError`, too for a method that is no read."""
        if method not in READS:
            raise UnreadPartError("namenotresolved")
        for _ in range(_MOST_REDIRECTS):
            part = self._ask(method, url, headers)
            following = urljoin(url, part.headers.get("location", ""))
            if part.status not in (301, 302, 303, 307, 308) or not self.covers(following):
                return part
            url = following
        raise UnreadPartError("failed")

    def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> ReadPart:
        parts = urlsplit(url)
        try:
            # a name that nobody knows, as in a network without a way out, is no fault of the page
            addresses_of(plain_host(parts.hostname or ""), parts.port or PORTS[parts.scheme])
        except (OSError, SafetyError) as error:
            raise UnreadPartError("namenotresolved") from error
        try:
            with RecordingClient(f"{parts.scheme}://{parts.netloc}", timeout_s=self.timeout_s) as client:
                answer = client.request(method, url, headers=dict(headers))
        except (ServiceUnavailable, UnfitAnswer) as error:
            raise UnreadPartError("connectionfailed") from error
        told: dict[str, str] = {}
        for name, value in answer.headers.multi_items():
            if name not in _OF_THE_CONNECTION:
                told[name] = f"{told[name]}\n{value}" if name in told else value
        return ReadPart(answer.status_code, told, answer.content)
