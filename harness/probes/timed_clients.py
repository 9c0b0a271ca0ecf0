"""Senders for timed comparisons that stay below a rate limit: a new client address every so many requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from harness.probes.address import SHARED_ADDRESSES, AddressBook, AddressMode
from harness.probes.timed_get import TimedAnswer, TimedConnection


class TimedClients:
    """Timed GETs of one service: one client after the other, each with `per_client` requests and then no more.

    With mode "source" each client has a connection of its own, otherwise all share one. `headers_for` gives the
    headers of a path (an Authorization, where the profile names a role for it). A context manager.
    """

    def __init__(
        self,
        base_url: str,
        *,
        address_mode: AddressMode,
        timeout_s: float,
        per_client: int,
        headers_for: Mapping[str, Mapping[str, str]] | None = None,
        ca_file: str = "",
        book: AddressBook = SHARED_ADDRESSES,
    ) -> None:
        self._base_url = base_url
        self._mode = address_mode
        self._timeout_s = timeout_s
        self._per_client = per_client
        self._headers_for = headers_for or {}
        self._ca_file = ca_file
        self._book = book
        self._left = 0
        self._address = ""
        self._connection: TimedConnection | None = None

    def get(self, path: str) -> TimedAnswer:
        """A timed GET as the current client. Raises `ServiceUnavailable`."""
        connection = self._current()
        self._left -= 1
        headers = dict(self._headers_for.get(path, {}))
        if self._mode == "x-forwarded-for":
            headers["X-Forwarded-For"] = self._address
        return connection.get(path, headers)

    def _current(self) -> TimedConnection:
        if self._left <= 0:
            self._left = self._per_client
            self._address = self._book.fresh(self._mode)
            if self._mode == "source":
                self.close()
        if self._connection is None:
            source = self._address if self._mode == "source" else ""
            self._connection = TimedConnection(
                self._base_url, timeout_s=self._timeout_s, source=source, ca_file=self._ca_file
            )
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
