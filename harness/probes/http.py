"""An HTTP client that keeps what it sent and got, speaks from an address of its own, and asks before it sends.

It is an `httpx.Client`, so suites use it as they know it. A service that refuses, cuts or does not answer a request
in time raises `ServiceUnavailable`, which is the target's fault as long as the stack answers
(docs/policy.md#whose-fault-a-failure-is).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http import cookiejar
from typing import Any

import httpx

from harness.errors import SafetyError, UsageError
from harness.model.network import is_loopback
from harness.probes.address import AddressMode
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer, curl_line
from harness.probes.framing import Surplus, surplus_behind
from harness.probes.headers import is_endless
from harness.probes.reach import Reach
from harness.probes.transport import BoundedTransport, Spared, UnboundedAnswer
from harness.probes.trust import trusted

MOST_COOKIES = 180
"""As many as browsers keep of one site."""

Permit = Callable[[str, str], str | None]
"""(method, URL) -> None, or why the request may not be sent."""

_KEPT_BODY = 256 * 1024
_KEPT_REQUEST = 8 * 1024
# Below the 5 s after which uvicorn and Node close an idle connection: otherwise now and then a request would be sent
# into a connection that is just being closed, and a healthy service would seem to cut it.
_IDLE_S = 2.0
_MOST_REDIRECTS = 10
_SHOWN_REASON = 300
_BEGUN = "harness.begun"
_EXCHANGE = "harness.exchange"
_HEAD_ONLY = "harness.head_only"


class Cookies(cookiejar.CookieJar):
    """Each cookie is read by itself: one that cannot be read is not kept, and costs no other.

    (The standard library gives up all cookies of an answer for one of them, with a warning and a traceback.) Those
    outside of the standard's alphabet (RFC 6265, 4.1.1) are not kept either: no header can send them back.
    """

    def make_cookies(self, response: Any, request: Any) -> list[cookiejar.Cookie]:  # noqa: ANN401 - urllib's own
        """See `CookieJar.make_cookies`."""
        self._now = int(time.time())
        lines = response.info().get_all("Set-Cookie", [])
        room = max(0, MOST_COOKIES - len(self))
        return [cookie for line in lines[:room] for cookie in self._read(str(line), request)]

    def _read(self, line: str, request: Any) -> list[cookiejar.Cookie]:  # noqa: ANN401
        if not line.isascii() or not line.isprintable():
            return []
        try:
            attributes = cookiejar.parse_ns_headers([line])  # type: ignore[attr-defined]
            found: list[cookiejar.Cookie] = self._cookies_from_attrs_set(attributes, request)  # type: ignore[attr-defined]
            self._process_rfc2109_cookies(found)  # type: ignore[attr-defined]
        except (ValueError, ArithmeticError, TypeError, LookupError, AttributeError):
            return []
        return found


class ServiceUnavailable(Exception):  # noqa: N818 - a state of the service, named as HTTP names it
    """The service refused a connection, cut it, or gave no whole answer in time."""

    def __init__(self, what: str, attempt: SentRequest) -> None:
        self.what = what
        self.attempt = attempt
        self.curl = curl_line(attempt)
        super().__init__(f"{attempt!r}: {what}\n  repeat: {self.curl}")


class NotAsked(ServiceUnavailable):
    """We did not ask on a service that answers late: what it would have said is not known."""


class RecordingClient(httpx.Client):
    """See the module's text. Its last `keep` exchanges, each redirect's hop among them, are in `exchanges`.

    `address_mode` and `address` say who it is: "x-forwarded-for" adds that header to every request that has none,
    "source" binds the connection (loopback targets only), "none" does nothing. `permit` is asked before every request,
    redirects included; a refusal raises `SafetyError`. It connects to `base_url` and the places of `also`, and nowhere
    else. `timeout_s` bounds a whole answer, not each read of it.
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
        also: Iterable[str] = (),
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
        self._reach = Reach.of(base_url, *also)
        self._bounded = BoundedTransport(
            self._reach,
            timeout_s=timeout_s,
            tls=trusted(ca_file),
            local_address=address if address_mode == "source" else None,
            connections=connections,
            idle_s=_IDLE_S,
            proxy=proxy,
        )
        super().__init__(
            base_url=base_url,
            transport=self._bounded,
            max_redirects=_MOST_REDIRECTS,
            cookies=Cookies(),
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

    def status_of(self, path: str) -> int:
        """Status of the answer to a GET whose body is not read, however long it is; it is no exchange."""
        with self.stream("GET", path, extensions={_HEAD_ONLY: True}) as answer:
            return answer.status_code

    def surplus_behind(self, method: str, url: str) -> Surplus | None:
        """What comes behind the end of an answer, on a connection of its own; None where the answer has no end.

        It is no exchange. Raises `ServiceUnavailable` where no whole answer comes, and as `send` does.
        """
        request = self.build_request(method, url)
        self._before(request)
        try:
            with self._bounded.apart(request) as (stream, budget):
                return surplus_behind(stream, request, budget)
        except httpx.RequestError as error:
            raise _unanswered(error, self._attempt(request)) from error

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:  # noqa: ANN401 - httpx's own arguments
        """See `httpx.Client.build_request`. Raises `UnfitAnswer` for text that no request can hold."""
        try:
            return super().build_request(method, url, **options)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise UnfitAnswer(f"{str(url)[:_SHOWN_REASON]!r} cannot be asked for ({error})") from error

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        """Send, and name the service's failures as such. Raises `ServiceUnavailable`, `UnfitAnswer`, `SafetyError`."""
        try:
            return super().send(request, **options)
        except httpx.PoolTimeout:
            raise
        except (httpx.LocalProtocolError, UnicodeError) as error:
            raise UnfitAnswer(f"{self._attempt(request)!r} cannot be sent ({_one_line(error)})") from error
        except httpx.InvalidURL as error:
            # the request's own address is held by `build_request`
            what = f"its answer redirects to what is no address ({_one_line(error)})"
            raise ServiceUnavailable(what, self._attempt(request)) from error
        except httpx.RequestError as error:
            raise _unanswered(error, self._attempt(_request_of(error, request))) from error

    def _before(self, request: httpx.Request) -> None:
        url = str(request.url)
        refusal = self._permit(request.method, url) if self._permit else None
        if refusal is not None:
            raise SafetyError(refusal)
        if _BEGUN in request.extensions and not self._reach.covers(url):
            raise UnfitAnswer(f"the service redirects to {url[:_SHOWN_REASON]!r}, where nobody allowed to ask")
        if self._mode == "x-forwarded-for":
            request.headers.setdefault("X-Forwarded-For", self.address)
        request.read()
        request.extensions[_BEGUN] = time.perf_counter()

    def _after(self, response: httpx.Response) -> None:
        if _HEAD_ONLY in response.request.extensions:
            return
        if is_endless(response.headers):
            # judged by its head: what comes then is empty to everybody who reads on
            response.stream.close()  # type: ignore[union-attr]
            response.stream = httpx.ByteStream(b"")
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


def _request_of(error: httpx.RequestError, sent: httpx.Request) -> httpx.Request:
    """The hop that failed, where the error knows it."""
    try:
        return error.request
    except RuntimeError:
        return sent


def _one_line(error: Exception) -> str:
    """What an error says, which may quote what a server sent."""
    return " ".join(str(error)[: 2 * _SHOWN_REASON].split())[:_SHOWN_REASON] or type(error).__name__


def _unanswered(error: httpx.RequestError, attempt: SentRequest) -> ServiceUnavailable:
    return (NotAsked if isinstance(error, Spared) else ServiceUnavailable)(_describe(error), attempt)


def _describe(error: httpx.RequestError) -> str:
    reason = _one_line(error)
    match error:
        case httpx.ConnectError():
            return f"the connection was not accepted ({reason})"
        case httpx.DecodingError():
            return f"the answer's body is not what its Content-Encoding says ({reason})"
        case UnboundedAnswer() | httpx.TimeoutException():
            return reason
        case httpx.TooManyRedirects():
            return f"more than {_MOST_REDIRECTS} redirects one after the other"
        case httpx.UnsupportedProtocol():
            return f"the service leads to an address that is no http(s) URL ({reason})"
        case _:
            return f"the connection was cut before the answer was whole ({reason})"
