"""One client's connection: its requests one after another, each handed on and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import h11

from harness.proxy.connection import MAX_BODY, CutError, HttpConnection
from harness.proxy.exchange import Headers, ProxiedAnswer, ProxiedRequest, UpstreamError
from harness.proxy.headers import encoded, end_to_end, head, says_length, status_line, with_length
from harness.proxy.upstream import Upstreams

Pass = Callable[[ProxiedRequest, Upstreams], Awaitable[ProxiedAnswer]]
"""Gets one request answered over the client's own upstream connections. Raises UpstreamError."""
_BODILESS = frozenset({204, 304})
_LINGER_S = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def serve(connection: HttpConnection, client: str, pass_on: Pass) -> None:
    """Answer a client until one side has had enough; the connection is closed then. What `pass_on` raises besides
    UpstreamError comes out of here, after the client's connection was cut."""
    upstreams = Upstreams(client, lambda status, headers: _interim(connection, status, headers))
    connection.on_end = upstreams.end_of_client
    try:
        while (request := await _request(connection, client)) is not None:
            answer = await pass_on(request, upstreams)
            if not await _answered(connection, request, answer):
                break
        await _linger(connection)
    except (CutError, UpstreamError, h11.RemoteProtocolError):
        # the client sees what it would have seen of the service: a connection that is cut
        connection.close()
    finally:
        connection.on_end = None
        upstreams.close()
        connection.close()


async def _request(connection: HttpConnection, client: str) -> ProxiedRequest | None:
    """The next request; None where there will be none. What is no HTTP is refused here."""
    try:
        event = await connection.event()
        if not isinstance(event, h11.Request):
            return None
        if event.method == b"CONNECT":
            _refuse(connection, 501)
            return None
        raw = event.headers.raw_items()
        body = await _body(connection)
    except h11.RemoteProtocolError as error:
        _refuse(connection, error.error_status_hint)
        return None
    headers = end_to_end(raw)
    return ProxiedRequest(
        method=event.method.decode("ascii"),
        target=event.target.decode("latin-1"),
        headers=with_length(headers, len(body)) if says_length(raw) else headers,
        body=body,
        client=client,
    )


async def _body(connection: HttpConnection) -> bytes:
    if connection.http.they_are_waiting_for_100_continue:
        connection.http.send(h11.InformationalResponse(status_code=100, headers=[]))
        connection.write(_CONTINUE)
    body = bytearray()
    while not isinstance(event := await connection.event(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            raise CutError("no body")
        body += event.data
        if len(body) > MAX_BODY:
            raise CutError(f"a body of more than {MAX_BODY} bytes")
    return bytes(body)


async def _answered(connection: HttpConnection, request: ProxiedRequest, answer: ProxiedAnswer) -> bool:
    """Send an answer; whether the connection goes on."""
    if not 200 <= answer.status <= 999:
        raise ValueError(f"no status of an answer: {answer.status}")
    bodiless = _is_bodiless(request, answer)
    headers = _headers_of(answer, bodiless=bodiless)
    body = b"" if bodiless else answer.body[: answer.cut_after]
    cut = answer.cut_after is not None and not bodiless
    is_last = cut or _is_last(connection, answer)
    # h11 follows what is sent; the bytes are ours, since it would say more of the length than the service did
    h11.Response(status_code=answer.status, headers=encoded(headers))
    connection.http.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.http.send(h11.EndOfMessage())
    if is_last and not cut:
        headers = (*headers, ("Connection", "close"))
    if answer.interim:
        connection.write(head(status_line(answer.interim), ()))
    connection.write(head(status_line(answer.status, answer.version), headers) + body + answer.behind)
    await connection.drain()
    if not answer.ends:
        await connection.until_end()
    if is_last:
        return False
    connection.http.start_next_cycle()
    connection.received = 0
    return True


def _is_bodiless(request: ProxiedRequest, answer: ProxiedAnswer) -> bool:
    return request.method == "HEAD" or answer.status in _BODILESS


def _is_last(connection: HttpConnection, answer: ProxiedAnswer) -> bool:
    return not answer.ends or answer.version == "1.0" or connection.http.their_state is h11.MUST_CLOSE


def _headers_of(answer: ProxiedAnswer, *, bodiless: bool) -> Headers:
    if not answer.ends:
        return answer.without("Content-Length").headers
    return answer.headers if bodiless else with_length(answer.headers, len(answer.body))


def _refuse(connection: HttpConnection, status: int) -> None:
    """Say what is wrong, if nothing was said yet."""
    body = status_line(status).partition(b" ")[2] + b"\n"
    headers = (("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close"))
    connection.write(head(status_line(status), headers) + body)


async def _linger(connection: HttpConnection) -> None:
    """Let the client read the last answer: a connection closed while bytes of it are unread is reset by the system."""
    connection.half_close()
    await connection.drain()
    try:
        async with asyncio.timeout(_LINGER_S):
            await connection.until_end()
    except TimeoutError:
        connection.abort()


def _interim(connection: HttpConnection, status: int, headers: Headers) -> None:
    """Pass an interim answer (1xx) on to a client that knows of such (RFC 9110, 15.2)."""
    if connection.http.their_http_version == b"1.1":
        connection.write(head(status_line(status), headers))
