"""The proxy's own connections to the service, on behalf of one client."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import h11

from harness.proxy.connection import CutError, HttpConnection
from harness.proxy.exchange import Headers, ProxiedAnswer, ProxiedRequest, UpstreamError
from harness.proxy.headers import encoded, end_to_end, head, with_length

_AGAIN = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110, 9.2.2)."""
_BIND_ADDRESS_NO_PORT = 24
"""Linux, ip(7): the port is chosen at connect, so that one source address has them all for each server."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance of the service listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> Self:
        """The address in an `http://` or `https://` URL. Raises ValueError for any other."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"no http:// or https:// URL: {url}")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls)

    @property
    def name(self) -> str:
        """Host and port as a `Host` header has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_ipv6(self) -> bool:
        """Whether the service may listen on ::1."""
        return self.host in ("localhost", "::1")


class Upstreams:
    """What one client's requests are sent over. Connections are kept, one for each instance, and never shared with
    another client: the service sees as many peers as the proxy has clients, each with its client's loopback address.

    A kept connection that the service closes while it is idle must not look like an answer that was cut. So what must
    not be done twice goes on a new connection; what may, is sent once more if the service's machine refused the bytes,
    which it does only where no process had read them. A service that read a request and then cuts is never asked again.
    """

    def __init__(self, client: str, interim: Callable[[int, Headers], None]) -> None:
        self._client = client
        self._interim = interim
        self._idle: dict[Address, HttpConnection] = {}
        self._busy: set[HttpConnection] = set()
        self._client_ended = False

    async def send(self, address: Address, request: ProxiedRequest) -> ProxiedAnswer:
        """One exchange. Raises UpstreamError where the service does not answer with HTTP."""
        kept = self._take(address) if request.method in _AGAIN else None
        if kept is not None:
            with contextlib.suppress(_UnreadError):
                return await self._exchange(kept, address, request, is_new=False)
        try:
            connection = await _connect(address, self._client)
        except OSError as error:
            raise UpstreamError(f"{address.name}: {error}") from error
        return await self._exchange(connection, address, request, is_new=True)

    def end_of_client(self) -> None:
        """The client sends no more, and may be gone: the service is told, and does what it does in such a case."""
        self._client_ended = True
        for connection in tuple(self._busy):
            connection.half_close()

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._idle.values(), *self._busy):
            connection.on_end = None
            connection.close()
        self._idle.clear()

    def _take(self, address: Address) -> HttpConnection | None:
        connection = self._idle.pop(address, None)
        if connection is None:
            return None
        # what came unasked (a server may say 408 before it closes) is no answer to what is sent now
        if connection.ended or connection.received:
            connection.close()
            return None
        return connection

    async def _exchange(
        self, connection: HttpConnection, address: Address, request: ProxiedRequest, *, is_new: bool
    ) -> ProxiedAnswer:
        connection.on_end = None
        self._busy.add(connection)
        try:
            _send(connection, address, request)
            if self._client_ended:
                connection.half_close()
            answer = await self._answer(connection)
        except (CutError, h11.RemoteProtocolError) as error:
            unread = not is_new and not connection.received and connection.told_of_reset()
            connection.abort()
            if unread:
                raise _UnreadError from error
            raise UpstreamError(f"{address.name}: {request.method} {request.target}: {error}") from error
        except BaseException:
            connection.abort()
            raise
        finally:
            self._busy.discard(connection)
        self._keep(address, connection)
        return answer

    async def _answer(self, connection: HttpConnection) -> ProxiedAnswer:
        status = 0
        headers: Headers = ()
        body = bytearray()
        while not isinstance(event := await connection.event(), h11.EndOfMessage):
            match event:
                case h11.InformationalResponse():
                    if event.status_code != 100:  # ours: the body was sent with the request
                        self._interim(event.status_code, end_to_end(event.headers.raw_items()))
                case h11.Response():
                    status, headers = event.status_code, end_to_end(event.headers.raw_items())
                case h11.Data():
                    body += event.data
                case _:
                    raise CutError("no answer")
        return ProxiedAnswer(status=status, headers=headers, body=bytes(body))

    def _keep(self, address: Address, connection: HttpConnection) -> None:
        done = connection.http.our_state is h11.DONE and connection.http.their_state is h11.DONE
        sent = connection.transport is not None and connection.transport.get_write_buffer_size() == 0
        said_more = bool(connection.http.trailing_data[0])
        if not (done and sent) or said_more or connection.ended or self._client_ended:
            connection.close()
            return
        connection.http.start_next_cycle()
        connection.received = 0
        connection.on_end = connection.close
        if (other := self._idle.pop(address, None)) is not None:
            other.close()
        self._idle[address] = connection


class _UnreadError(Exception):
    """No process of the service read what was sent on a kept connection."""


def _send(connection: HttpConnection, address: Address, request: ProxiedRequest) -> None:
    headers = request.headers
    if request.header("Host") is None:  # HTTP/1.0
        headers = (("Host", address.name), *headers)
    if request.body or request.header("Content-Length") is not None:
        headers = with_length(headers, len(request.body))
    target = request.target.encode("latin-1")
    line = request.method.encode("ascii") + b" " + target + b" HTTP/1.1"
    # h11 checks what is sent and follows it; the bytes are ours, since it would move Host to the top
    connection.http.send(h11.Request(method=request.method, target=target, headers=encoded(headers)))
    if request.body:
        connection.http.send(h11.Data(data=request.body))
    connection.http.send(h11.EndOfMessage())
    connection.write(head(line, headers) + request.body)


async def _connect(address: Address, client: str) -> HttpConnection:
    loop = asyncio.get_running_loop()
    name = address.host if address.tls else None
    source = _source(address, client)
    if source is None:
        return (
            await loop.create_connection(
                lambda: HttpConnection(h11.CLIENT), address.host, address.port, ssl=address.tls, server_hostname=name
            )
        )[1]
    host = source if address.host == "localhost" and ":" in source else address.host
    host = "127.0.0.1" if host == "localhost" else host
    sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        if hasattr(socket, "AF_VSOCK"):  # Linux
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
        await loop.sock_connect(sock, (host, address.port))
        return (
            await loop.create_connection(
                lambda: HttpConnection(h11.CLIENT), sock=sock, ssl=address.tls, server_hostname=name
            )
        )[1]
    except BaseException:
        sock.close()
        raise


def _source(address: Address, client: str) -> str | None:
    """The client's address, where the service can be reached from it."""
    with contextlib.suppress(ValueError):
        here = ipaddress.ip_address(client)
        there = here if address.host == "localhost" else ipaddress.ip_address(address.host)
        if here.is_loopback and there.is_loopback and here.version == there.version:
            return client
    return None
