"""Requests that are made of a service's own description: what was tried, and what of the answers is not as described.

schemathesis makes the data (valid, invalid, by links and by what earlier answers held) and holds answers to the
document, in a process of its own (`generated_maker`); each request is sent from here, and chains that no schema
describes are followed (`chains`).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import httpx
import msgspec

from harness.errors import SafetyError
from harness.model.network import SAFE_METHODS
from harness.probes.chains import ChainFault, Chains
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer
from harness.probes.generated_messages import (
    Answer,
    Bounds,
    Cause,
    FromMaker,
    Report,
    Task,
    ToMaker,
    WantedRequest,
    hear_maker,
    tell,
)
from harness.probes.http import RecordingClient, ServiceUnavailable, exchange_of
from harness.probes.openapi import OpenApi
from harness.probes.openapi_document import short
from harness.probes.openapi_operation import Operation

__all__ = ["Bounds", "Fault", "GeneratedRun", "generate_requests", "seed_of"]

_START_S = 30.0
"""The process needs a second to start, on a busy machine ten."""
_QUIET_S = 8.0
"""A process of which nothing is heard for longer is ended."""
_MOST_RUNS = 3
_LEAST_S = 2.0
_MOST_UNANSWERED = 8
"""Requests one after the other without an answer, after which no more are sent."""
_SENT = tuple(each.name for each in fields(SentRequest))


_OF_PLAIN_READS = frozenset({"status", "media_type", "body"})
_SENT_ALWAYS = frozenset({"accept", "accept-encoding", "connection", "host", "user-agent", "x-forwarded-for"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One cause, and how it shows."""

    kind: str
    """One of `generated_messages.FAULTS`."""
    operation: str
    """`GET /x/{id}`, the first at which it was seen."""
    says: str
    """What was asked and what was wrong with the answer, in a sentence."""
    places: tuple[str, ...]
    """All operations at which it was seen."""
    seen: int
    """In how many answers."""
    sent: tuple[SentRequest, ...]
    """The requests that show it, in their order."""

    def is_of_plain_read(self, url: str, paths: Collection[str]) -> bool:
        """Does a plain GET of one of the paths below `url` show it, which other checks send and hold to the same?"""
        shown = self.sent[-1]
        own_headers = {name.lower() for name, _ in shown.request_headers} - _SENT_ALWAYS
        return (
            self.kind in _OF_PLAIN_READS
            and len(self.places) == 1
            and (shown.method, own_headers) == ("GET", set())
            and shown.url.removeprefix(url.rstrip("/")) in paths
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedRun:
    """What was tried, and what was found."""

    requests: int
    tried: Mapping[str, int]
    """Kind -> how many answers were held to it."""
    operations: tuple[str, ...]
    """Those that were called."""
    uncalled: tuple[str, ...]
    """Those that were chosen, and for which there was no room."""
    faults: tuple[Fault, ...]
    limits: tuple[str, ...]
    """What of the document the harness cannot make requests of, a line each."""
    stopped: str
    """Why not all was tried that would be without bounds; "" if all was."""


def seed_of(api: OpenApi) -> int:
    """The seed that a document has by itself."""
    digest = hashlib.sha256(repr(api.document.content).encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:4], "big")


def generate_requests(
    api: OpenApi,
    chosen: Iterable[Operation],
    url: str,
    new_client: Callable[[], RecordingClient],
    bounds: Bounds,
    credentials: Mapping[str, str] | None = None,
) -> GeneratedRun:
    """Try these operations of the service at `url` with generated data, as whoever has those headers.

    Raises what of ours ended it; what the document lacks is among the run's `limits`.
    """
    operations = list(chosen)
    prefix = _common_prefix(operations)
    wanted = _by_label(operations, prefix)
    headers = _as_described(api.document.content, credentials or {})
    sender = _Sender(new_client, bounds)
    task = Task(
        document=_below(api.document.content, wanted.values()),
        url=url.rstrip("/") + prefix,
        operations=tuple((each.method, each.written) for each in wanted.values()),
        credentials=headers,
        bounds=bounds,
    )
    report, limits = _run(task, sender)
    faults = [_fault(cause, wanted, sender.sent) for cause in report.causes]
    chains = Chains(api, new_client(), headers)
    own = list(wanted.values())
    more = list(chains.read(own))
    if bounds.writes:
        more += chains.live(own, _created(report, wanted, sender))
    faults += _news(more, faults)
    tried = Counter(report.tried) + Counter(fault.kind for fault in more) + Counter(lost=len(chains.reached))
    called = set(report.called)
    return GeneratedRun(
        requests=sender.count + chains.sent,
        tried=dict(tried),
        operations=tuple(each.name for written, each in wanted.items() if written in called),
        uncalled=tuple(each.name for each in operations if f"{each.method} {each.written}" not in called),
        faults=tuple(faults),
        limits=(*limits, *report.limits),
        stopped=_stopped(sender, report, bounds),
    )


def _by_label(operations: Iterable[Operation], prefix: str) -> dict[str, Operation]:
    """Those below the prefix, as the process that makes requests calls them."""
    return {f"{each.method} {each.written}": each for each in operations if each.path == prefix + each.written}


def _created(
    report: Report, wanted: Mapping[str, Operation], sender: _Sender
) -> dict[str, tuple[SentRequest, Exchange]]:
    """Of each operation that created something the smallest request that did, and its answer."""
    return {
        wanted[label].name: (sender.sent[case], sender.created[case])
        for case, label in sorted(report.labels.items(), key=lambda each: -sender.sent[each[0]].request_size)
        if label in wanted and case in sender.created
    }


class _Sender:
    """Sends what is asked for by the harness' own clients, and keeps what was sent."""

    def __init__(self, new_client: Callable[[], RecordingClient], bounds: Bounds) -> None:
        self._new_client = new_client
        self._client = new_client()
        self._left = bounds.per_client
        self._bounds = bounds
        self._unanswered = 0
        self.count = 0
        self.sent: dict[str, SentRequest] = {}
        self.created: dict[str, Exchange] = {}

    @property
    def is_silent(self) -> bool:
        """Did the service answer nothing for long?"""
        return self._unanswered >= _MOST_UNANSWERED

    def send(self, ask: WantedRequest) -> Answer:
        """Send one. Raises `HarnessError` for what ends the run: a write that nobody allowed, a place elsewhere."""
        if ask.method not in SAFE_METHODS and not self._bounds.writes:
            raise SafetyError(f"{ask.method} {ask.url} would write, and nobody allowed it")
        self.count += 1
        self._take_client()
        try:
            answer = self._twice(self._request(ask))
        except ServiceUnavailable as error:
            self.sent.setdefault(ask.case, error.attempt)
            self._unanswered += 1
            if self.is_silent:
                return Answer(failed="stopped", says=error.what)
            return Answer(failed="late" if _took_too_long(error) else "cut", says=error.what)
        except UnfitAnswer as error:
            return Answer(failed="unfit", says=short(error))
        finally:
            self._client.cookies.clear()
        self._unanswered = 0
        exchange = exchange_of(answer)
        self.sent.setdefault(ask.case, SentRequest(**{name: getattr(exchange, name) for name in _SENT}))
        if ask.method == "POST" and answer.is_success:
            self.created[ask.case] = exchange
        return Answer(
            status=answer.status_code, says=answer.reason_phrase, headers=exchange.headers, body=answer.content
        )

    def _take_client(self) -> None:
        """Each sends only so many requests."""
        if not self._left:
            self._client, self._left = self._new_client(), self._bounds.per_client
        self._left -= 1

    def _request(self, ask: WantedRequest) -> httpx.Request:
        headers = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in ask.headers
        ]
        return self._client.build_request(ask.method, ask.url, content=ask.body or None, headers=headers)

    def _twice(self, request: httpx.Request) -> httpx.Response:
        """Send; once more where a kept connection was closed under the request, as browsers and curl do."""
        try:
            return self._client.send(request)
        except ServiceUnavailable as error:
            if _took_too_long(error):
                raise
        request.extensions = {}
        return self._client.send(request)


class _Stuck(Exception):  # noqa: N818 - a state of the process
    """Nothing was heard of the process for long, since it turned to that operation."""

    def __init__(self, at: str) -> None:
        super().__init__(at)
        self.at = at


def _run(task: Task, sender: _Sender) -> tuple[Report, tuple[str, ...]]:
    """Let the process make requests until it reports, without operations at which it is stuck; what those are."""
    limits: list[str] = []
    end = time.monotonic() + task.bounds.seconds
    for _ in range(_MOST_RUNS):
        try:
            return _once(task, sender), tuple(limits)
        except _Stuck as stuck:
            limits.append(f"{stuck.at or 'the document'}: making data for it takes too long, and none was made")
            rest = tuple(each for each in task.operations if " ".join(each) != stuck.at)
            if not rest or rest == task.operations:
                break
            bounds = replace(task.bounds, seconds=max(_LEAST_S, end - time.monotonic()))
            task = replace(task, operations=rest, bounds=bounds)
        except (EOFError, OSError, msgspec.DecodeError) as error:
            why = short(error) or type(error).__name__
            limits.append(f"the process that makes requests of the document ended ({why})")
            break
    return Report(tried={}, called=(), labels={}, causes=(), limits=(), out_of_time=False), tuple(limits)


def _once(task: Task, sender: _Sender) -> Report:
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.probes.generated_maker", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    try:
        tell(ours, ToMaker(task=task))
        return _serve(ours, sender)
    finally:
        process.kill()
        process.wait()
        ours.close()


def _serve(pipe: Connection, sender: _Sender) -> Report:
    at, patience = "", _START_S
    while True:
        if not pipe.poll(patience):
            raise _Stuck(at)
        message: FromMaker = hear_maker(pipe)
        patience = _QUIET_S
        if message.report is not None:
            return message.report
        at = message.at or at
        if message.ask is not None:
            tell(pipe, ToMaker(answer=sender.send(message.ask)))


def _fault(cause: Cause, wanted: Mapping[str, Operation], sent: Mapping[str, SentRequest]) -> Fault:
    way = tuple(sent[case] for case in cause.cases)
    names = tuple(wanted[label].name if label in wanted else label for label in cause.places)
    return Fault(
        kind=cause.kind,
        operation=names[0],
        says=f"{way[-1].method} {short(way[-1].path)} {cause.says}",
        places=names,
        seen=cause.seen,
        sent=way,
    )


def _news(chained: Iterable[ChainFault], known: Iterable[Fault]) -> list[Fault]:
    """What chains showed and nothing else did."""
    seen = {(fault.kind, place) for fault in known for place in fault.places}
    made: dict[tuple[str, str], Fault] = {}
    for each in chained:
        kind, place = each.kind, each.operation
        if (kind, place) not in seen:
            fault = Fault(kind=kind, operation=place, says=each.says, places=(place,), seen=1, sent=each.sent)
            made.setdefault((kind, place), fault)
    return list(made.values())


def _stopped(sender: _Sender, report: Report, bounds: Bounds) -> str:
    if sender.is_silent:
        return f"{_MOST_UNANSWERED} requests one after the other were not answered, and no more were sent"
    if sender.count >= bounds.requests:
        return f"{bounds.requests} requests were sent, and no more are"
    if report.out_of_time:
        return f"{bounds.seconds:g} s were over before all was sent: another run may send more or less"
    return ""


def _took_too_long(error: ServiceUnavailable) -> bool:
    return isinstance(error.__cause__, httpx.TimeoutException)


def _common_prefix(operations: Iterable[Operation]) -> str:
    """What stands before the written path at most of the operations: the path of the server."""
    prefixes = Counter(each.path.removesuffix(each.written) for each in operations)
    return prefixes.most_common(1)[0][0] if prefixes else ""


def _below(content: Mapping[str, Any], operations: Iterable[Operation]) -> dict[str, Any]:
    """The document with these paths alone, and without what leads elsewhere: servers, examples at other addresses."""
    paths = {each.written for each in operations}
    kept = {path: item for path, item in content.get("paths", {}).items() if path in paths}
    return {
        key: _without_addresses(value)
        for key, value in {**content, "paths": kept}.items()
        if key not in ("servers", "host", "basePath", "schemes")
    }


def _as_described(content: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, str]:
    """Headers under the names that the document's security has for them: schemathesis takes off what it knows."""
    components = content.get("components", {})
    schemes = (components if isinstance(components, Mapping) else {}).get("securitySchemes", {})
    schemes = content.get("securityDefinitions", schemes)
    named = [each.get("name") for each in schemes.values() if isinstance(each, Mapping)]
    names = {str(name).lower(): str(name) for name in ("Authorization", "Cookie", *named) if name}
    return {names.get(name.lower(), name): value for name, value in credentials.items()}


def _without_addresses(node: Any) -> Any:  # noqa: ANN401 - a part of somebody's document
    if isinstance(node, list):
        return [_without_addresses(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_addresses(value) for key, value in node.items() if key not in ("externalValue", "servers")}
