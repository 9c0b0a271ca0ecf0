"""schemathesis' engine, whose requests leave by whoever is asked to send them, bounded in their number and in time.

The engine, its data and its checks are schemathesis' own. Ours is what a gate needs of it:

- every request is handed to `send`, and nothing is sent in another way (`_Adapter`, `_Transport`); what the engine
  sends by a way of its own (probes of the server, examples at other addresses) is not asked for;
- a budget of requests for each phase and operation, the same at each repetition; time only ends what takes too long;
- no file is read or written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport import BaseTransport
from schemathesis.transport.prepare import _normalize_multipart_boundary
from schemathesis.transport.requests import REQUESTS_TRANSPORT, ManagedCookiesSession, RequestsTransport
from urllib3 import HTTPHeaderDict, HTTPResponse

from harness.probes.generated_messages import Answer, Bounds, Task, WantedRequest

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
_ERRORS = {"late": requests.ReadTimeout, "unfit": requests.exceptions.InvalidURL}
_REDIRECTS = 300
_SENT_BY_ITSELF = frozenset({"accept", "accept-encoding", "connection", "content-length", "user-agent"})


Send = Callable[[WantedRequest], Answer]


@dataclass(slots=True)
class GeneratedTraffic:
    """What was handed over, and what became of it."""

    send: Send
    count: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    """Case -> length of its request, of all that were sent."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """Case -> how its answer failed to come."""
    created: list[str] = field(default_factory=list)
    """Cases that may have created something."""
    out_of_time: bool = False
    """Whether a phase ended before it had sent its share."""
    stopped: bool = False
    """Whether nothing more is to be sent."""


def engine_events(task: Task, traffic: GeneratedTraffic) -> Iterator[events.EngineEvent]:
    """What the engine tells while it tries the operations of a task; errors of the document are events."""
    session = _session(_Adapter(traffic))
    wanted = set(task.operations)
    read = from_dict(dict(task.document), config=_config(task)).include(
        lambda context: (context.operation.method.upper(), context.operation.path) in wanted
    )
    schema = _schema_sending_by(_Transport(session))(read.raw_schema, config=read.config, filter_set=read.filter_set)
    # h11 refuses a NUL in a header, as servers do
    schema.adapt_to_null_byte_in_header_failure()
    context = _Context(schema, session, traffic, task.bounds)
    engine = Engine(schema)
    for name in _SHARES:
        if traffic.stopped:
            return
        phase = engine.get_phase_config(
            name, is_supported=True, requires_transitions=name is PhaseName.STATEFUL_TESTING
        )
        context.begin(phase)
        yield from ExecutionPlan([phase]).execute(context)
        traffic.out_of_time |= time.monotonic() >= context.control.end


def _config(task: Task) -> SchemathesisConfig:
    bounds = task.bounds
    methods = {"trace"} if not bounds.writes else {"get", "put", "post", "delete", "options", "patch", "trace"}
    return SchemathesisConfig.from_dict(
        {
            "seed": bounds.seed,
            "base-url": task.url,
            "headers": dict(task.credentials),
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

    def send(self, case: Case[Any], *, session: requests.Session | None = None, **request: Any) -> Response:  # noqa: ANN401
        return super().send(case, session=session or self._session, **request)


class _Control(ExecutionControl):
    """Stops a phase at its share of requests or seconds."""

    def __init__(self, traffic: GeneratedTraffic) -> None:
        super().__init__(stop_event=threading.Event(), max_failures=None)
        self._traffic = traffic
        self.last = 0
        self.end = 0.0

    @property
    def has_reached_time_limit(self) -> bool:
        return self._traffic.count >= self.last or time.monotonic() >= self.end or self._traffic.stopped


class _Context(EngineContext):
    """Gives the engine our session, and each operation its share of its phase's requests."""

    def __init__(
        self, schema: BaseSchema, session: requests.Session, traffic: GeneratedTraffic, bounds: Bounds
    ) -> None:
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

    def detect_server_outage(self, exc: requests.ConnectionError) -> bool:  # noqa: ARG002 - schemathesis' own
        """Whether a service still lives is not looked at from here; whoever sends says when to stop."""
        return False

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
    """Hands over what requests has prepared."""

    def __init__(self, traffic: GeneratedTraffic) -> None:
        super().__init__()
        self._traffic = traffic

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """See `requests.adapters.BaseAdapter.send`."""
        traffic, ask = self._traffic, _wanted(request)
        traffic.count += 1
        answer = traffic.send(ask)
        if answer.failed != "unfit":
            traffic.sizes.setdefault(ask.case, len(ask.url) + len(ask.body))
        if answer.failed in ("late", "cut"):
            traffic.unanswered[ask.case] = answer.says
        traffic.stopped |= answer.failed == "stopped"
        if answer.failed:
            # schemathesis reads the cause that requests' own adapter puts in front, and how long it waited
            cause = OSError(f"{answer.says} (read timeout=0)" if answer.failed == "late" else answer.says)
            raise _ERRORS.get(answer.failed, requests.ConnectionError)(cause, request=request)
        if ask.method == "POST" and answer.status < _REDIRECTS:
            traffic.created.append(ask.case)
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is open."""


def _wanted(request: requests.PreparedRequest) -> WantedRequest:
    """What is to be sent, which says no more of which case it is."""
    case = _text(request.headers.pop(SCHEMATHESIS_TEST_CASE_HEADER, ""))
    _normalize_multipart_boundary(request)
    # a stream is not made by the engine
    body = request.body.encode() if isinstance(request.body, str) else request.body
    return WantedRequest(
        case=case,
        method=request.method or "GET",
        url=str(request.url),
        # blanks at an end are no part of a value (RFC 9110 5.5), and h11 sends none
        headers=tuple(
            (_text(name), _text(value).strip())
            for name, value in request.headers.items()
            if _text(name).lower() not in _SENT_BY_ITSELF
        ),
        body=body if isinstance(body, bytes) else b"",
    )


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.says
    response.url = str(request.url)
    response.request = request
    headers = HTTPHeaderDict()
    for name, value in answer.headers:
        # the body is decoded already
        if name.lower() not in ("content-encoding", "transfer-encoding"):
            headers.add(name, value)
    response.headers.update(headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = HTTPResponse(body=answer.body, headers=headers, status=answer.status, preload_content=False)
    response._content = answer.body  # noqa: SLF001 - read already, and bounded
    return response


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
