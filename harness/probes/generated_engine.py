"""schemathesis' engine, sent through a client of ours and bounded in requests and time.

The engine, its data and its checks are schemathesis' own. Ours is what a gate needs of it:

- every request leaves by the client that it is given, and by nothing else (`_Adapter`); what the engine sends by a way
  of its own (probes of the server, examples at other addresses) is not asked for;
- a budget of requests for each phase and operation, the same at each repetition; time only ends what takes too long;
- no file is read or written beside what the document says.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import httpx
import requests
from requests.adapters import BaseAdapter
from schemathesis.config import SchemathesisConfig
from schemathesis.core import SCHEMATHESIS_TEST_CASE_HEADER
from schemathesis.engine import events
from schemathesis.engine.context import EngineContext
from schemathesis.engine.control import ExecutionControl
from schemathesis.engine.core import Engine, ExecutionPlan
from schemathesis.engine.observations import Observations
from schemathesis.engine.run import Phase, PhaseName
from schemathesis.openapi import from_dict
from schemathesis.transport.prepare import _normalize_multipart_boundary
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport import BaseTransport
from schemathesis.transport.requests import REQUESTS_TRANSPORT, ManagedCookiesSession, RequestsTransport
from urllib3 import HTTPHeaderDict, HTTPResponse

from harness.errors import HarnessError
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer
from harness.probes.generated import Bounds
from harness.probes.http import RecordingClient, ServiceUnavailable, exchange_of
from harness.probes.openapi_operation import READS

if TYPE_CHECKING:
    from schemathesis.core.transport import Response
    from schemathesis.generation.case import Case
    from schemathesis.schemas import BaseSchema

_SHARES = {PhaseName.EXAMPLES: 1, PhaseName.COVERAGE: 4, PhaseName.FUZZING: 2, PhaseName.STATEFUL_TESTING: 3}
"""How the budget is divided; what a phase leaves falls to the later ones."""
_MOST_EXAMPLES = 50
"""Values drawn for one operation in one phase, where the budget has room for them."""
_MOST_CHAINS = 300
_MOST_STEPS = 5
"""Requests of one chain."""
_GRACE_S = 10.0
"""A step of the engine that takes longer than that beyond its time is left alone."""
_CURL_SENDS = frozenset({"accept", "accept-encoding", "connection", "content-length", "user-agent"})


@dataclass(slots=True)
class Traffic:
    """What was sent for each of the engine's cases, and what became of it."""

    sent: dict[str, SentRequest] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    """Case -> how its answer failed to come."""
    answers: dict[str, Exchange] = field(default_factory=dict)
    """Case -> the answer, of requests that created something."""
    count: int = 0
    broken: HarnessError | None = None
    """What of ours ended the run."""


class EngineStuck(Exception):  # noqa: N818 - a state of the engine
    """The engine made no step for longer than the whole run may take."""


def engine_events(
    document: Mapping[str, Any],
    url: str,
    chosen: Callable[[str, str], bool],
    new_client: Callable[[], RecordingClient],
    bounds: Bounds,
    credentials: Mapping[str, str],
    traffic: Traffic,
) -> Iterator[events.EngineEvent]:
    """What the engine tells while it tries the operations for which `chosen(method, path)` holds.

    `document` leads nowhere else, and its paths lie below `url`. Raises `EngineStuck`; errors of the document are
    events.
    """
    session = _session(_Adapter(new_client, traffic, bounds))
    read = from_dict(dict(document), config=_config(url, bounds, credentials)).include(
        lambda context: chosen(context.operation.method.upper(), context.operation.path)
    )
    schema = _schema_sending_by(_Transport(session))(read.raw_schema, config=read.config, filter_set=read.filter_set)
    # h11 refuses a NUL in a header, as servers do
    schema.adapt_to_null_byte_in_header_failure()
    context = _Context(schema, session, traffic, bounds)
    yield from _guarded(_phases(schema, context), bounds.seconds + _GRACE_S)


def _config(url: str, bounds: Bounds, credentials: Mapping[str, str]) -> SchemathesisConfig:
    methods = {"trace"} if not bounds.writes else {"get", "put", "post", "delete", "options", "patch", "trace"}
    return SchemathesisConfig.from_dict(
        {
            "seed": bounds.seed,
            "base-url": url,
            "headers": dict(credentials),
            "workers": 1,
            "continue-on-failure": True,
            "suppress-health-check": ["all"],
            "cache": {"enabled": False},
            "auth": {"auto-signup": False},
            "generation": {
                "mode": "all" if bounds.invalid else "positive",
                "database": "none",
                "max-examples": _MOST_EXAMPLES,
                "no-shrink": True,
            },
            "phases": {
                "coverage": {"unexpected-methods": sorted(methods) if bounds.invalid else []},
                "stateful": {"max-steps": _MOST_STEPS, "generation": {"max-examples": _MOST_CHAINS}},
            },
        }
    )


def _session(adapter: BaseAdapter) -> requests.Session:
    session = ManagedCookiesSession()
    session.trust_env = False
    session.headers.clear()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _schema_sending_by(ours: BaseTransport[requests.Session]) -> type[OpenApiSchema]:
    """schemathesis' probes of a login bring no session of ours: the schema's transport is what they all leave by."""

    class Schema(OpenApiSchema):
        @property
        def transport(self) -> BaseTransport[requests.Session]:
            return ours

    return Schema


class _Transport(RequestsTransport):
    def __init__(self, session: requests.Session) -> None:
        super().__init__()
        self._copy_serializers_from(REQUESTS_TRANSPORT)
        self._session = session

    def send(self, case: Case, *, session: requests.Session | None = None, **request: Any) -> Response:  # noqa: ANN401
        return super().send(case, session=session or self._session, **request)


def _phases(schema: BaseSchema, context: _Context) -> Iterator[events.EngineEvent]:
    engine = Engine(schema)
    for name in _SHARES:
        if context.traffic.broken is not None:
            return
        phase = engine.get_phase_config(
            name, is_supported=True, requires_transitions=name is PhaseName.STATEFUL_TESTING
        )
        context.begin(phase)
        yield from ExecutionPlan([phase]).execute(context)


def _guarded(steps: Iterator[events.EngineEvent], seconds: float) -> Iterator[events.EngineEvent]:
    """The same events; gives up on an engine that is still at work after that time."""
    told: queue.Queue[events.EngineEvent | Exception | None] = queue.Queue()

    def work() -> None:
        try:
            for step in steps:
                told.put(step)
        except Exception as error:  # noqa: BLE001 - handed over to whoever reads
            told.put(error)
        told.put(None)

    threading.Thread(target=work, name="generated-requests", daemon=True).start()
    end = time.monotonic() + seconds
    while True:
        try:
            step = told.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise EngineStuck from None
        if step is None:
            return
        if isinstance(step, Exception):
            raise step
        yield step


class _Control(ExecutionControl):
    """Stops a phase at its share of requests or seconds."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(stop_event=threading.Event(), max_failures=None)
        self._traffic = traffic
        self.last = 0
        self.end = 0.0

    @property
    def has_reached_time_limit(self) -> bool:
        return (
            self._traffic.count >= self.last or time.monotonic() >= self.end or self._traffic.broken is not None
        )


class _Context(EngineContext):
    """Gives the engine our session, and each operation its share of its phase's requests."""

    def __init__(self, schema: BaseSchema, session: requests.Session, traffic: Traffic, bounds: Bounds) -> None:
        super().__init__(schema=schema, stop_event=threading.Event(), observations=Observations())
        self.control: _Control = _Control(traffic)
        self.control.stop_event = threading.Event()
        self.traffic = traffic
        self._session = session
        self._requests = bounds.requests
        self._end = time.monotonic() + bounds.seconds
        self._weights = dict(_SHARES)
        self._operations = 1
        self._slice_last = 0
        self._slice_end = 0.0

    def begin(self, phase: Phase) -> None:
        """Give a phase its share of what is left."""
        total = sum(self._weights.values())
        share = self._weights.pop(phase.name) / total
        now = time.monotonic()
        self.control.last = self.traffic.count + round((self._requests - self.traffic.count) * share)
        self.control.end = now + max(0.0, self._end - now) * share
        self.release_operation_slice()

    def get_session(self, *, operation: Any = None) -> requests.Session:  # noqa: ANN401, ARG002 - schemathesis' own
        return self._session

    def start_unit_phase(self, total_operations: int) -> None:
        self._operations = total_operations

    def take_operation_slice(self) -> None:
        left, now = max(self._operations, 1), time.monotonic()
        self._operations -= 1
        self._slice_last = self.traffic.count + max(1, (self.control.last - self.traffic.count) // left)
        self._slice_end = now + max(0.0, self.control.end - now) / left

    def release_operation_slice(self) -> None:
        self._slice_last, self._slice_end = self.control.last, self.control.end

    @property
    def is_operation_slice_expired(self) -> bool:
        return self.traffic.count >= self._slice_last or time.monotonic() >= self._slice_end


class _Adapter(BaseAdapter):
    """Sends what requests has prepared by the harness' own client."""

    def __init__(self, new_client: Callable[[], RecordingClient], traffic: Traffic, bounds: Bounds) -> None:
        super().__init__()
        self._new_client = new_client
        self._client = new_client()
        self._left = bounds.per_client
        self._traffic = traffic
        self._bounds = bounds

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """See `requests.adapters.BaseAdapter.send`."""
        case = str(request.headers.pop(SCHEMATHESIS_TEST_CASE_HEADER, ""))
        _normalize_multipart_boundary(request)
        method = request.method or "GET"
        if method not in READS and not self._bounds.writes:
            self._traffic.broken = HarnessError(f"{method} {request.url} would write, and nobody allowed it")
            raise requests.ConnectionError(str(self._traffic.broken), request=request)
        # blanks at an end are no part of a value (RFC 9110 5.5), and h11 sends none
        headers = [
            (name, value.strip() if isinstance(value, str) else bytes(value).strip())
            for name, value in request.headers.items()
            if name.lower() not in _CURL_SENDS
        ]
        self._traffic.count += 1
        self._left -= 1
        if self._left < 0:
            self._client, self._left = self._new_client(), self._bounds.per_client
        try:
            asked = self._client.build_request(method, str(request.url), content=request.body or None, headers=headers)
            answer = self._send(asked)
        except ServiceUnavailable as error:
            self._traffic.sent[case] = error.attempt
            self._traffic.unanswered[case] = error.what
            kind = requests.ReadTimeout if _took_too_long(error) else requests.ConnectionError
            raise kind(error.what, request=request) from error
        except UnfitAnswer as error:
            raise requests.exceptions.InvalidURL(str(error), request=request) from error
        except HarnessError as error:
            self._traffic.broken = error
            raise requests.ConnectionError(str(error), request=request) from error
        finally:
            self._client.cookies.clear()
        exchange = exchange_of(answer)
        self._traffic.sent.setdefault(case, _request_of(exchange))
        if method == "POST" and answer.is_success:
            self._traffic.answers[case] = exchange
        return _response(request, answer, exchange)

    def _send(self, asked: httpx.Request) -> httpx.Response:
        """Send; once more where a kept connection was closed under the request, as browsers and curl do."""
        try:
            return self._client.send(asked)
        except ServiceUnavailable as error:
            if _took_too_long(error):
                raise
        asked.extensions = {}
        return self._client.send(asked)

    def close(self) -> None:
        """The client is its owner's to close."""


def _request_of(exchange: Exchange) -> SentRequest:
    """Without the answer, which may be long."""
    return SentRequest(**{each.name: getattr(exchange, each.name) for each in fields(SentRequest)})


def _took_too_long(error: ServiceUnavailable) -> bool:
    return isinstance(error.__cause__, httpx.TimeoutException)


def _response(request: requests.PreparedRequest, answer: httpx.Response, exchange: Exchange) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status_code
    response.reason = answer.reason_phrase
    response.url = str(request.url)
    response.request = request
    headers = HTTPHeaderDict()
    for name, value in exchange.headers:
        # the body is decoded already
        if name.lower() not in ("content-encoding", "transfer-encoding"):
            headers.add(name, value)
    response.headers.update(headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = HTTPResponse(body=answer.content, headers=headers, status=answer.status_code, preload_content=False)
    response._content = answer.content  # noqa: SLF001 - read already, and bounded
    return response
