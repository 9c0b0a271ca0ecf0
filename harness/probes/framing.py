"""What comes on a connection behind the end of an answer, and was not asked for.

Whoever keeps the connection, a proxy above all, takes it for the beginning of the next answer, which may be somebody
else's (RFC 9112, 9.2 and 11.1). A usual client drops the connection and says nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import h11
import httpcore
import httpx

from harness.probes.headers import is_endless
from harness.probes.transport import Budget

_WAIT_S = 0.03
"""How long an answer's end is watched: what comes later is not seen here."""
_READ = 64 * 1024
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Surplus:
    """Bytes behind the end of an answer."""

    status: int
    """Of the answer."""
    size: int
    """Bytes that came; 0 where nothing did."""
    begins: bytes
    is_kept: bool
    """The answer left the connection open for the next request."""


def surplus_behind(stream: httpcore.NetworkStream, request: httpx.Request, budget: Budget) -> Surplus | None:
    """Ask on a new connection, and read beyond the answer's end; None where the answer has none.

    Raises what h11 and httpcore raise for an answer that cannot be read, and `UnboundedAnswer`.
    """
    connection = h11.Connection(h11.CLIENT)
    method, target = request.method.encode(), request.url.raw_path
    asked = h11.Request(method=method, target=target, headers=request.headers.raw)
    stream.write((connection.send(asked) or b"") + (connection.send(h11.EndOfMessage()) or b""), budget)
    status = 0
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            budget.end_head()
            status = event.status_code
            if is_endless(httpx.Headers(event.headers.raw_items())):
                return None
        elif event is h11.NEED_DATA:
            connection.receive_data(stream.read(_READ, budget))
    left, has_ended = connection.trailing_data
    if not has_ended:
        # that nothing comes is what is hoped for
        with suppress(httpcore.ReadTimeout, httpcore.ReadError):
            left += stream.read(_READ, _WAIT_S)
    is_kept = connection.our_state is h11.DONE and not has_ended
    return Surplus(status, len(left), left[:_SHOWN], is_kept)
