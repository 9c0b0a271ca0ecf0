"""The answer to bytes that are no HTTP request: the server's own would be plain text without the security headers."""

import asyncio
import uuid
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dealradar.problems import problem
from dealradar.security_headers import raw_headers

# The protocol is told no settings. Nothing in the answer could be upgraded, and over TLS a proxy answers this itself.
_GUARDS = raw_headers("")


# More than RequestLimits lets through, which answers as it should; beyond this nobody is reading any more.
HEAD_BYTES = 131_072
HEAD_SECONDS = 10.0


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol with that one answer replaced, and with an end to heads that have none."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request, but not for ever."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_is_here()
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head has arrived."""
        self._head_is_here()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the head is too long already."""
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "The headers are too long.")
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP. `msg` is the server's own text."""
        self._refuse(400, msg)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, "The request did not arrive in time.")

    def _head_is_here(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with a problem document and close the connection."""
        self._head_is_here()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # the answer to the request before comes first
            return
        request_id = uuid.uuid4().hex
        scope = {"path": "/", "state": {"request_id": request_id}}
        answer = problem(scope, status, detail, headers={"Connection": "close", "X-Request-ID": request_id})
        lines = [
            b"%s: %s\r\n" % header for header in [*self.server_state.default_headers, *answer.raw_headers, *_GUARDS]
        ]
        phrase = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        self.transport.write(phrase + b"".join(lines) + b"\r\n" + bytes(answer.body))
        self.transport.close()
