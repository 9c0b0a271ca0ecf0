"""One client's connection: its requests one after another, each handed on and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import h11

from harness.proxy.connection import MAX_BODY, CutError, Wire
from harness.proxy.exchange import Answer, Headers, Request, UpstreamError
from harness.proxy.headers import encoded, end_to_end, head, says_length, status_line, with_length
from harness.proxy.upstream import Upstreams

Pass = Callable[[Request, Upstreams], Awaitable[Answer]]
"""Gets one request answered over the client's own upstream connections. Raises UpstreamError."""
_BODILESS = frozenset({204, 304})
_LINGER_S = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def serve(wire: Wire, client: str, pass_on: Pass) -> None:
    """Answer a client until one side has had enough; the connection is closed then. What `pass_on` raises besides
    UpstreamError comes out of here, after the client's connection was cut."""
    upstreams = Upstreams(client, lambda status, headers: _interim(wire, status, headers))
    wire.on_end = upstreams.end_of_client
    try:
        while (request := await _request(wire, client)) is not None:
            answer = await pass_on(request, upstreams)
            if not await _answered(wire, request, answer):
                break
        await _linger(wire)
    except (CutError, UpstreamError, h11.RemoteProtocolError):
        # the client sees what it would have seen of the service: a connection that is cut
        wire.close()
    finally:
        wire.on_end = None
        upstreams.close()
        wire.close()


async def _request(wire: Wire, client: str) -> Request | None:
    """The next request; None where there will be none. What is no HTTP is refused here."""
    try:
        event = await wire.event()
        if not isinstance(event, h11.Request):
            return None
        if event.method == b"CONNECT":
            _refuse(wire, 501)
            return None
        raw = event.headers.raw_items()
        body = await _body(wire)
    except h11.RemoteProtocolError as error:
        _refuse(wire, error.error_status_hint)
        return None
    headers = end_to_end(raw)
    return Request(
        method=event.method.decode("ascii"),
        target=event.target.decode("latin-1"),
        headers=with_length(headers, len(body)) if says_length(raw) else headers,
        body=body,
        client=client,
    )


async def _body(wire: Wire) -> bytes:
    if wire.http.they_are_waiting_for_100_continue:
        wire.http.send(h11.InformationalResponse(status_code=100, headers=[]))
        wire.write(_CONTINUE)
    body = bytearray()
    while not isinstance(event := await wire.event(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            raise CutError("no body")
        body += event.data
        if len(body) > MAX_BODY:
            raise CutError(f"a body of more than {MAX_BODY} bytes")
    return bytes(body)


async def _answered(wire: Wire, request: Request, answer: Answer) -> bool:
    """Send an answer; whether the connection goes on."""
    if not 200 <= answer.status <= 999:
        raise ValueError(f"no status of an answer: {answer.status}")
    bodiless = request.method == "HEAD" or answer.status in _BODILESS
    headers = answer.headers if bodiless else with_length(answer.headers, len(answer.body))
    body = b"" if bodiless else answer.body[: answer.cut_after]
    cut = answer.cut_after is not None and not bodiless
    is_last = cut or wire.http.their_state is h11.MUST_CLOSE
    # h11 follows what is sent; the bytes are ours, since it would say more of the length than the service did
    h11.Response(status_code=answer.status, headers=encoded(headers))
    wire.http.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    wire.http.send(h11.EndOfMessage())
    if is_last and not cut:
        headers = (*headers, ("Connection", "close"))
    wire.write(head(status_line(answer.status), headers) + body)
    await wire.drain()
    if is_last:
        return False
    wire.http.start_next_cycle()
    wire.received = 0
    return True


def _refuse(wire: Wire, status: int) -> None:
    """Say what is wrong, if nothing was said yet."""
    body = status_line(status).partition(b" ")[2] + b"\n"
    headers = (("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close"))
    wire.write(head(status_line(status), headers) + body)


async def _linger(wire: Wire) -> None:
    """Let the client read the last answer: a connection closed while bytes of it are unread is reset by the system."""
    wire.half_close()
    await wire.drain()
    try:
        async with asyncio.timeout(_LINGER_S):
            await wire.until_end()
    except TimeoutError:
        wire.abort()


def _interim(wire: Wire, status: int, headers: Headers) -> None:
    """Pass an interim answer (1xx) on to a client that knows of such (RFC 9110, 15.2)."""
    if wire.http.their_http_version == b"1.1":
        wire.write(head(status_line(status), headers))
