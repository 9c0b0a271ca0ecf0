"""An HTTP client that keeps what it sent and got, speaks from an address of its own, and asks before it sends.

It is an `httpx.Client`, so suites use it as they know it. A service that refuses, cuts or does not answer a request
in time raises `ServiceUnavailable`, which is the target's fault as long as the stack answers
(docs/policy.md#whose-fault-a-failure-is).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from harness.errors import SafetyError, UsageError
from harness.model.network import is_loopback
from harness.probes.address import AddressMode
from harness.probes.exchange import Exchange, SentRequest, curl_line
from harness.probes.trust import trusted

Permit = Callable[[str, str], str | None]
"""(method, URL) -> None, or why the request may not be sent."""

MAX_ANSWER_BYTES = 32 * 2**20
"""An answer longer than this is not read to its end."""

_KEPT_BODY = 256 * 1024
_KEPT_REQUEST = 8 * 1024
# Below the 5 s after which uvicorn and Node close an idle connection: otherwise now and then a request would be sent
# into a connection that is just being closed, and a healthy service would seem to cut it.
_IDLE_S = 2.0
_BEGUN = "harness.begun"
_EXCHANGE = "harness.exchange"


class ServiceUnavailable(Exception):  # noqa: N818 - a state of the service, named as HTTP names it
    """The service refused a connection, cut it, or gave no whole answer in time."""

    def __init__(self, what: str, attempt: SentRequest) -> None:
        self.what = what
        self.attempt = attempt
        self.curl = curl_line(attempt)
        super().__init__(f"{attempt!r}: {what}\n  repeat: {self.curl}")


class RecordingClient(httpx.Client):
    """See the module's text. Its last `keep` exchanges, each redirect's hop among them, are in `exchanges`.

    `address_mode` and `address` say who it is: "x-forwarded-for" adds that header to every request that has none,
    "source" binds the connection (loopback targets only), "none" does nothing. `permit` is asked before every request,
    redirects included; a refusal raises `SafetyError`. `timeout_s` bounds a whole answer, not each read of it.
    `ca_file` is one authority more to trust over TLS, such as a stack's own.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        address_mode: AddressMode = "none",
        address: str = "",
        permit: Permit | None = None,
        headers: Mapping[str, str] | None = None,
        keep: int = 100,
        connections: int = 100,
        proxy: str | None = None,
        ca_file: str = "",
    ) -> None:
        if address_mode != "none" and not address:
            raise UsageError(f"clients told apart by {address_mode} need an address")
        if address_mode == "source" and not is_loopback(base_url):
            raise UsageError(f"{base_url}: a source address can only be bound towards this machine")
        self.address = address
        self._mode = address_mode
        self._permit = permit
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self.exchanges: deque[Exchange] = deque(maxlen=keep)
        wire = httpx.HTTPTransport(
            verify=trusted(ca_file),
            local_address=address if address_mode == "source" else None,
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=_IDLE_S),
            proxy=proxy,
        )
        super().__init__(
            base_url=base_url,
            transport=_BoundedTransport(wire, timeout_s),
            timeout=timeout_s,
            headers=headers,
            event_hooks={"request": [self._before], "response": [self._after]},
        )

    @property
    def last(self) -> Exchange:
        """The latest exchange. Raises `IndexError` if there was none."""
        return self.exchanges[-1]

    def exchange(self, method: str, url: str, **request: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
        """Send a request as `httpx.Client.request` does; returns the exchange with the last hop's answer."""
        return exchange_of(self.request(method, url, **request))

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        """Send, and name the service's failures as such. Raises `ServiceUnavailable`, `SafetyError`."""
        try:
            return super().send(request, **options)
        except httpx.PoolTimeout:
            raise
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.DecodingError) as error:
            what = _describe(error, self._timeout_s)
            raise ServiceUnavailable(what, self._attempt(error.request)) from error

    def _before(self, request: httpx.Request) -> None:
        url = str(request.url)
        refusal = self._permit(request.method, url) if self._permit else None
        if refusal is not None:
            raise SafetyError(refusal)
        if self._mode == "x-forwarded-for":
            request.headers.setdefault("X-Forwarded-For", self.address)
        request.read()
        request.extensions[_BEGUN] = time.perf_counter()

    def _after(self, response: httpx.Response) -> None:
        body = response.read()
        elapsed = time.perf_counter() - response.request.extensions[_BEGUN]
        sent = self._attempt(response.request)
        exchange = Exchange(
            method=sent.method,
            url=sent.url,
            request_headers=sent.request_headers,
            request_bytes=sent.request_bytes,
            request_size=sent.request_size,
            client=sent.client,
            bound=sent.bound,
            ca_file=sent.ca_file,
            status=response.status_code,
            headers=_header_lines(response.headers),
            body=body[:_KEPT_BODY],
            size=len(body),
            elapsed_s=elapsed,
        )
        response.extensions[_EXCHANGE] = exchange
        self.exchanges.append(exchange)

    def _attempt(self, request: httpx.Request) -> SentRequest:
        body = request.read()
        return SentRequest(
            method=request.method,
            url=str(request.url),
            request_headers=_header_lines(request.headers),
            request_bytes=body[:_KEPT_REQUEST],
            request_size=len(body),
            client=self.address,
            bound=self._mode == "source",
            ca_file=self._ca_file,
        )


def exchange_of(response: httpx.Response) -> Exchange:
    """The exchange that a `RecordingClient` kept of this answer."""
    exchange: Exchange = response.extensions[_EXCHANGE]
    return exchange


def _header_lines(headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _describe(error: httpx.RequestError, timeout_s: float) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    match error:
        case httpx.TimeoutException():
            return f"no whole answer within {timeout_s:g} s"
        case httpx.ConnectError():
            return f"the connection was not accepted ({reason})"
        case httpx.DecodingError():
            return f"the answer's body is not what its Content-Encoding says ({reason})"
        case _:
            return f"the connection was cut before the answer was whole ({reason})"


class _BoundedTransport(httpx.BaseTransport):
    """Gives every answer a deadline and a greatest length: httpx's own time-outs begin anew with each read."""

    def __init__(self, wire: httpx.BaseTransport, timeout_s: float) -> None:
        self._wire = wire
        self._timeout_s = timeout_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + self._timeout_s
        response = self._wire.handle_request(request)
        stream = response.stream
        if isinstance(stream, httpx.SyncByteStream):
            response.stream = _BoundedStream(stream, request, deadline)
        return response

    def close(self) -> None:
        self._wire.close()


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request, deadline: float) -> None:
        self._stream = stream
        self._request = request
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._stream:
            total += len(chunk)
            if total > MAX_ANSWER_BYTES:
                raise httpx.ReadError(f"longer than {MAX_ANSWER_BYTES} bytes, not read on", request=self._request)
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer took too long", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()
