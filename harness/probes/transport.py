"""The one way on which requests leave for a target: everything that comes back is bounded, in time and in size.

httpx and httpcore begin their time-outs anew with each read, take as many interim answers as a server sends, and decode
a whole chunk at once; a server that drips or swells holds them for ever. Here one deadline runs from the order to
connect to the last byte of the body, and what is too much ends the exchange with an error of httpx's own kinds.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import h11
import httpcore
import httpx

from harness.probes.content_coding import CodingError, decoded
from harness.probes.patience import Place, Wait, wait_for
from harness.probes.reach import PORTS, Reach, plain_host

MAX_ANSWER_BYTES = 32 * 2**20
"""An answer longer than this, as it comes or decoded, is not read to its end."""
MAX_HEAD_BYTES = 256 * 1024
"""All of an answer before its body, interim answers included."""
MAX_FIELDS = 2000
MAX_INTERIM = 20
"""Interim answers (1xx) before the answer itself."""

MAX_CRUMBS = 10_000
"""Chunks of a body that may be smaller than `_CRUMB` bytes on the average: each costs as much time as a large one."""

_CRUMB = 16
_SENT_AT_ONCE = 64 * 1024
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d\b")


class UnboundedAnswer(httpx.RemoteProtocolError):
    """An answer is more than is read of any; the message says of what."""


class Spared(httpx.ReadTimeout):
    """The service was not asked, since its answers come late (`patience`)."""


class Budget(float):
    """Seconds for a whole exchange, handed to httpcore as its time-out: each step gets what is left of them.

    It is a number, so that httpcore may take it for one; and it counts what came for the exchange.
    """

    def __new__(cls, seconds: float) -> Budget:  # noqa: PYI034 - a float takes its value here
        return super().__new__(cls, seconds)

    def __init__(self, _seconds: float) -> None:
        self._end = time.monotonic() + float(self)
        self._read = 0
        self._head = b""
        self._interim = 0
        self._in_head = True

    def left(self) -> float:
        """Seconds that are left; raises `httpcore.ReadTimeout` if none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return left

    def taken(self) -> float:
        """Seconds since it began."""
        return float(self) - (self._end - time.monotonic())

    def count(self, data: bytes) -> None:
        """Bytes came. Raises `UnboundedAnswer` if they are too many."""
        self._read += len(data)
        if not self._in_head:
            if self._read > MAX_ANSWER_BYTES + MAX_HEAD_BYTES:
                raise UnboundedAnswer(f"the answer is longer than {MAX_ANSWER_BYTES} bytes and was not read on")
            return
        self._head += data
        while (end := self._head.find(b"\r\n\r\n")) >= 0 and _INTERIM.match(self._head):
            self._head = self._head[end + 4 :]
            self._interim += 1
        if self._interim > MAX_INTERIM:
            raise UnboundedAnswer(f"more than {MAX_INTERIM} interim answers came before the answer")
        if self._read > MAX_HEAD_BYTES + _SENT_AT_ONCE:
            raise UnboundedAnswer(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes and was not read on")

    def end_head(self) -> None:
        """The head is whole: what comes from now on is body."""
        self._in_head, self._head = False, b""


class BoundedTransport(httpx.BaseTransport):
    """httpx's transport with `timeout_s` for each whole exchange, towards the places of `reach` alone.

    Knows no proxy but the one it is given, whatever the environment says.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        timeout_s: float,
        tls: ssl.SSLContext,
        local_address: str | None = None,
        connections: int = 100,
        idle_s: float = 5.0,
        proxy: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._reach = reach
        self._tls = tls
        self._local_address = local_address
        self._backend = backend = _Backend(reach.and_of([proxy]) if proxy else reach)
        shared: dict[str, Any] = {
            "ssl_context": tls,
            "max_connections": connections,
            "keepalive_expiry": idle_s,
            "network_backend": backend,
        }
        self._pool = (
            httpcore.HTTPProxy(proxy, **shared)
            if proxy
            else httpcore.ConnectionPool(local_address=local_address, **shared)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and read the head of the answer; the body is read as the response is."""
        url = request.url
        place, wait, budget = self._begun(request)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write"), budget) | {"pool": self._timeout_s}
        # a proxy would connect for us, so the place itself is asked about too
        self._reach.check(*place)
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _Named(request, wait, budget):
            answer = self._pool.handle_request(asked)
            budget.end_head()
            if len(answer.headers) > MAX_FIELDS:
                answer.close()
                raise UnboundedAnswer(f"the answer has more than {MAX_FIELDS} header fields")
        return BoundedResponse(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, request, wait, budget),
            extensions=answer.extensions,
        )

    @contextmanager
    def apart(self, request: httpx.Request) -> Iterator[tuple[httpcore.NetworkStream, Budget]]:
        """A connection for that request alone, to read of its answer what httpx does not say; nothing is sent yet.

        Whatever is raised meanwhile has httpx's names, as in `handle_request`.
        """
        place, wait, budget = self._begun(request)
        with _Named(request, wait, budget), closing(self._connected(request.url, place, budget)) as stream:
            yield stream, budget
        wait.was_answered(budget.taken())

    def _connected(self, url: httpx.URL, place: Place, budget: Budget) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(*place, budget, self._local_address)
        return stream.start_tls(self._tls, url.host, budget) if url.scheme == "https" else stream

    def _begun(self, request: httpx.Request) -> tuple[Place, Wait, Budget]:
        """Where a request goes, and the time that its exchange has from now on."""
        place = (plain_host(request.url.host), request.url.port or PORTS.get(request.url.scheme, 0))
        wait = wait_for(place, f"{request.method} {request.url.path}", self._timeout_s)
        if wait.refusal:
            raise (Spared if wait.is_spared else httpx.ReadTimeout)(wait.refusal, request=request)
        return place, wait, Budget(wait.seconds)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class BoundedResponse(httpx.Response):
    """A response that stops decoding where its body gets too long."""

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """See `httpx.Response.iter_bytes`. Chunks are of any size up to 64 KiB unless the body was read before."""
        if hasattr(self, "_content"):
            yield from super().iter_bytes(chunk_size)
            return
        total = 0
        try:
            for piece in decoded(self.iter_raw(), self.headers.get_list("content-encoding", split_commas=True)):
                total += len(piece)
                if total > MAX_ANSWER_BYTES:
                    what = f"the answer is longer than {MAX_ANSWER_BYTES} bytes decoded and was not read on"
                    raise UnboundedAnswer(what, request=self.request)
                yield piece
        except CodingError as error:
            raise httpx.DecodingError(str(error), request=self.request) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request, wait: Wait, budget: Budget) -> None:
        self._answer = answer
        self._request = request
        self._wait = wait
        self._budget = budget

    def __iter__(self) -> Iterator[bytes]:
        with _Named(self._request, self._wait, self._budget):
            total = 0
            for number, chunk in enumerate(self._answer.iter_stream(), start=1):
                total += len(chunk)
                if number > MAX_CRUMBS and total < number * _CRUMB:
                    what = (
                        f"the answer comes in chunks of fewer than {_CRUMB} bytes, and was not read on after {number}"
                    )
                    raise UnboundedAnswer(what)
                # what came in one read may be thousands of chunks
                self._budget.left()
                yield chunk
        self._wait.was_answered(self._budget.taken())

    def close(self) -> None:
        self._answer.close()


class _Named:
    """Errors of httpcore under the names that httpx has for them, and what h11 stumbles over as the answer's fault."""

    def __init__(self, request: httpx.Request, wait: Wait, budget: Budget) -> None:
        self._request = request
        self._wait = wait
        self._budget = budget

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, httpcore.TimeoutException):
            # whoever reads may have had enough, too
            self._wait.broke_off(self._budget.taken())
        if isinstance(error, UnboundedAnswer):
            error.request = self._request
        elif isinstance(error, httpcore.TimeoutException) and not isinstance(error, httpcore.PoolTimeout):
            self._wait.in_vain(self._budget.taken())
            what = f"no whole answer within {float(self._budget):g} s"
            raise getattr(httpx, type(error).__name__)(what, request=self._request) from error
        elif kind is not None and kind.__module__.startswith("httpcore"):
            raise getattr(httpx, kind.__name__, httpx.TransportError)(str(error), request=self._request) from error
        elif isinstance(error, (h11.ProtocolError, ValueError, ArithmeticError)):
            what = f"no answer of HTTP/1.1 ({error})"
            raise httpx.RemoteProtocolError(what, request=self._request) from error


class _Backend(httpcore.NetworkBackend):
    """Connects where `reach` says, and makes streams that keep to the budget of the exchange that uses them."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._reach.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for number, address in enumerate(addresses, start=1):
            # one that swallows packets must leave time for the next
            share = _left(timeout) / (len(addresses) - number + 1)
            try:
                stream = self._sockets.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _Stream(stream)
        raise httpcore.ConnectError(f"{host} has no address")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, _left(timeout))
        if isinstance(timeout, Budget):
            timeout.count(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SENT_AT_ONCE):
            self._stream.write(buffer[start : start + _SENT_AT_ONCE], _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        return self._stream.get_extra_info(info)


def _left(timeout: float | None) -> float:
    """What is left of a budget; never no limit at all."""
    if isinstance(timeout, Budget):
        return timeout.left()
    return timeout if timeout is not None else 60.0
