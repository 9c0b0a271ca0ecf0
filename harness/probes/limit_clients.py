"""Clients for the rate limiter's probe: many addresses, one request, connections kept between bursts."""

from __future__ import annotations

import threading
from typing import Self

from harness.probes.address import SHARED_ADDRESSES, AddressBook, AddressMode
from harness.probes.exchange import Exchange
from harness.probes.http import Permit, RecordingClient

_KEPT = 4
"""Exchanges kept by each client: a burst has hundreds, all alike."""


class LimitClients:
    """Sends GETs of one path as any client; a context manager that closes its connections.

    With `address_mode` "none" all requests are one client's: the probe must then run alone
    (docs/honest-numbers.md#clients). `untrusted_url` reaches the same service through a peer that it does not trust;
    without one, a loopback address of its own is such a peer.
    """

    def __init__(
        self,
        base_url: str,
        path: str,
        *,
        address_mode: AddressMode,
        timeout_s: float,
        untrusted_url: str | None = None,
        connections: int = 16,
        permit: Permit | None = None,
        ca_file: str = "",
        book: AddressBook = SHARED_ADDRESSES,
    ) -> None:
        self._base_url = base_url
        self._path = path
        self._untrusted_url = untrusted_url
        self._mode = address_mode
        self._timeout_s = timeout_s
        self._connections = connections
        self._permit = permit
        self._ca_file = ca_file
        self._book = book
        self._clients: dict[tuple[AddressMode, str], RecordingClient] = {}
        self._liar = ""
        self._lock = threading.Lock()

    def fresh(self) -> str:
        """The address of a client that nobody has seen; "" where clients cannot be told apart."""
        return self._book.fresh(self._mode)

    def send(self, client: str) -> Exchange:
        """One request as that client."""
        return self._client(self._mode, client).exchange("GET", self._path)

    def spoof(self, _number: int) -> Exchange:
        """A request from one untrusted peer that claims to forward for a different client each time. Only towards this
        machine."""
        mode: AddressMode = "none" if self._untrusted_url else "source"
        with self._lock:
            self._liar = self._liar or self._untrusted_url or self._book.fresh("source")
        claimed = self._book.fresh("x-forwarded-for")
        headers = {"X-Forwarded-For": claimed, "X-Real-IP": claimed, "Forwarded": f"for={claimed}"}
        return self._client(mode, self._liar, self._untrusted_url).exchange("GET", self._path, headers=headers)

    def _client(self, mode: AddressMode, address: str, base_url: str | None = None) -> RecordingClient:
        with self._lock:
            client = self._clients.get((mode, address))
            if client is None:
                client = RecordingClient(
                    base_url or self._base_url,
                    timeout_s=self._timeout_s,
                    address_mode=mode,
                    address=address,
                    permit=self._permit,
                    keep=_KEPT,
                    connections=self._connections,
                    ca_file=self._ca_file,
                )
                self._clients[mode, address] = client
            return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for client in self._clients.values():
            client.close()
