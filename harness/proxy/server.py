"""The proxy: listens on loopback, hands each request to the next of its upstreams, and brings the answer back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import h11

from harness.errors import HarnessError
from harness.proxy.connection import HttpConnection
from harness.proxy.downstream import serve
from harness.proxy.exchange import Handler, ProxiedAnswer, ProxiedRequest, Send
from harness.proxy.upstream import Address, Upstreams

_BACKLOG = 1024
_PORT_TRIES = 20
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S = 0.1
"""How long no connection is taken where this process can hold no more."""


async def pass_on(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
    """The handler of a proxy that changes nothing."""
    return await send(request)


class Proxy:
    """An HTTP/1.1 reverse proxy before one or several instances of a service.

    Round robin: each request goes to the next upstream, healthy or not. One that refuses, cuts or sends no HTTP has the
    client's connection cut without an answer, so that a fault of the service stays the service's; nothing is hidden,
    and no time-out is the proxy's own. `Host` is never altered, and the service sees its client's loopback address.
    Headers keep their order, case and number; those of one connection alone (RFC 9110, 7.6.1) end here. A request that
    is no HTTP gets 400 here and never reaches the service. Messages are passed on whole: bodies of at most 32 MiB, no
    streams, no trailers, and no upgrade (WebSocket): the header is taken out, and the service answers as to any other.

    `handler` may be another one from one request to the next, set from any thread. If it raises anything but
    UpstreamError, that is its own fault, not the service's: the client is cut, and `failure` keeps the first such
    error.
    """

    def __init__(
        self, upstreams: Sequence[str], handler: Handler | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Raises ValueError for an upstream that is no `http://` or `https://` URL, and for none at all."""
        self.handler: Handler = handler or pass_on
        self.failure: Exception | None = None
        self.port = 0
        self.route_to(upstreams)
        self._in_flight: Counter[str] = Counter()
        self._tls = tls
        self._host = ""
        self._listeners: list[socket.socket] = []
        self._accepted: set[socket.socket] = set()
        """Connections that are not served yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def route_to(self, upstreams: Sequence[str]) -> None:
        """From now on each new request goes to the next of these; what is in flight ends where it is.

        To be called in the proxy's own loop. Raises ValueError as the constructor does, and changes nothing then.
        """
        if not upstreams:
            raise ValueError("no upstream")
        addresses = {url: Address.of(url) for url in upstreams}
        self._addresses = tuple(addresses.values())
        self._turns = itertools.cycle(addresses.items())

    @property
    def busy(self) -> frozenset[str]:
        """Upstreams, today's or former ones, of which an answer is awaited."""
        return frozenset(self._in_flight)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. On ::1 too, with the same port, where an upstream may be reached from there.

        Raises OSError if the port is taken.
        """
        hosts = [host]
        if host == "127.0.0.1" and socket.has_ipv6 and any(address.on_ipv6 for address in self._addresses):
            hosts.append("::1")
        self._listeners = _bound(hosts, port)
        self._host = host
        self.port = int(self._listeners[0].getsockname()[1])
        for listener in self._listeners:
            listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            self._listen(listener)
        return self.port

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        for task in (tasks := tuple(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in (*self._listeners, *self._accepted):
            sock.close()

    def _listen(self, listener: socket.socket) -> None:
        """By hand: asyncio's own server leaves open what it takes while it is closed (gh-109564)."""
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            loop.remove_reader(listener)
            loop.call_later(_PAUSE_S, self._listen, listener)
            return
        sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self._accepted.add(sock)
        task = loop.create_task(self._serve(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        self._accepted.discard(sock)
        try:
            client = str(sock.getpeername()[0])
            connection = await self._connected(sock)
        except OSError:
            # it is gone already, or does not speak our TLS
            sock.close()
            return
        try:
            await serve(connection, client, self._pass)
        except Exception as error:  # noqa: BLE001 - a handler is anybody's; whoever runs the proxy asks for it
            self.failure = self.failure or error

    async def _connected(self, sock: socket.socket) -> HttpConnection:
        loop = asyncio.get_running_loop()
        return (await loop.connect_accepted_socket(lambda: HttpConnection(h11.SERVER), sock, ssl=self._tls))[1]

    async def _pass(self, request: ProxiedRequest, upstreams: Upstreams) -> ProxiedAnswer:
        async def send(request: ProxiedRequest) -> ProxiedAnswer:
            url, address = next(self._turns)
            self._in_flight[url] += 1
            try:
                return await upstreams.send(address, request)
            finally:
                self._in_flight[url] -= 1
                self._in_flight += Counter()  # without those at 0

        return await self.handler(request, send)


@contextlib.contextmanager
def running_proxy(
    upstreams: Sequence[str],
    handler: Handler | None = None,
    tls: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Proxy]:
    """A proxy in a thread of its own, with its own loop. Its `handler` may be changed while it runs.

    Raises HarnessError at the end if a handler failed: what clients saw then was not the service.
    """
    proxy = Proxy(upstreams, handler, tls)
    ready: Future[Callable[[], object]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_run(proxy, host, port, ready)), name="proxy", daemon=True)
    thread.start()
    stop = ready.result()
    try:
        yield proxy
    finally:
        stop()
        thread.join()
    if proxy.failure is not None:
        raise HarnessError(f"a handler of the proxy failed: {proxy.failure!r}") from proxy.failure


async def _run(proxy: Proxy, host: str, port: int, ready: Future[Callable[[], object]]) -> None:
    """Serve until what is put into `ready` is called from another thread."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    try:
        await proxy.start(host, port)
    except OSError as error:
        ready.set_exception(error)
        return
    ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    await proxy.close()


def _bound(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A socket for each host, all with one port; without those hosts after the first that this machine has not."""
    for _ in range(_PORT_TRIES):
        sockets = [_listening(hosts[0], port)]
        try:
            for host in hosts[1:]:
                with contextlib.suppress(_NoSuchAddressError):
                    sockets.append(_listening(host, sockets[0].getsockname()[1]))
        except OSError as error:
            for sock in sockets:
                sock.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
        else:
            return sockets
    raise OSError(errno.EADDRINUSE, "no port is free on both 127.0.0.1 and ::1")


class _NoSuchAddressError(OSError):
    """This machine does not have that address."""


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise _NoSuchAddressError(error.errno, error.strerror) from error
        raise
