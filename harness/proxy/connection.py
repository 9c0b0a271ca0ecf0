"""One end of a connection: bytes come in, HTTP events come out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import h11

MAX_BODY = 32 * 1024 * 1024
"""Bytes of the longest message that is passed on; a longer one is cut."""
_MAX_HEAD = 1024 * 1024


class CutError(Exception):
    """The other side went away, sent more than is passed on, or broke off in the middle of a message."""


class HttpConnection(asyncio.Protocol):
    """An asyncio protocol over one h11 connection, in either role.

    What was received stays readable after the connection is lost: an answer that came before a reset is an answer.
    """

    def __init__(self, role: type[h11.CLIENT | h11.SERVER]) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=_MAX_HEAD)
        self.transport: asyncio.Transport | None = None
        self.received = 0
        """Bytes that came since the last exchange ended."""
        self.ended = False
        """Nothing more will come."""
        self.lost = False
        """Nothing more can be sent either."""
        self.was_reset = False
        self.on_end: Callable[[], None] | None = None
        """Called once, when nothing more will come."""
        self._told_end = False
        self._is_tls = False
        self._news: asyncio.Future[None] | None = None
        self._may_write: asyncio.Future[None] | None = None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a stream is needed, not {transport!r}")
        self.transport = transport
        self._is_tls = transport.get_extra_info("sslcontext") is not None

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.received += len(data)
        if self.received > MAX_BODY + _MAX_HEAD:
            self.abort()
            return
        self.http.receive_data(data)
        self._wake()

    def eof_received(self) -> bool:
        """The other side sends no more. It may still read, but for TLS, where asyncio closes."""
        self._end()
        return not self._is_tls

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.lost = True
        self.was_reset = self.was_reset or error is not None
        self._end()
        if self._may_write is not None and not self._may_write.done():
            self._may_write.set_result(None)

    def pause_writing(self) -> None:
        """The other side reads slowly."""
        self._may_write = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._may_write is not None and not self._may_write.done():
            self._may_write.set_result(None)
        self._may_write = None

    # --- what we call

    async def event(self) -> h11.Event | None:
        """The next event; None if none can come before we have answered.

        Raises `h11.RemoteProtocolError` for what is no HTTP, CutError at an end within a message.
        """
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.was_reset or (self.ended and self._told_end):
                raise CutError("the connection was cut")
            if self.ended:
                self.http.receive_data(b"")
                self._told_end = True
            else:
                await self._await_news()
        return event if isinstance(event, h11.Event) else None

    async def until_end(self) -> None:
        """Wait until nothing more will come."""
        while not self.ended:
            await self._await_news()

    def write(self, data: bytes) -> None:
        """Send, or nothing if nobody is there."""
        if self.transport is not None and not self.lost:
            self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the other side has read most of what was written."""
        if self._may_write is not None:
            await self._may_write

    def half_close(self) -> None:
        """Say that we send no more; where that cannot be said (TLS), close."""
        if self.transport is None or self.lost or self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:
            # the other side was gone before asyncio heard of it
            self.abort()

    def close(self) -> None:
        """Send what is still to be sent, then close."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.was_reset = True
        if self.transport is not None:
            self.transport.abort()

    def told_of_reset(self) -> bool:
        """Whether the other side's machine refused what we sent, as it does where nobody read it."""
        if self.was_reset:
            return True
        sock = self.transport.get_extra_info("socket") if self.transport is not None and not self.lost else None
        return sock is not None and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._wake()
        if self.on_end is not None:
            self.on_end()

    async def _await_news(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
