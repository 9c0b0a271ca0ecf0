"""The process that makes requests of a document: `python -m harness.probes.generated_maker PIPE`.

It reads schemathesis' failures as causes: what shows the same mistake is one, told by its shortest requests.
"""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any

import requests
from schemathesis.core.failures import Failure
from schemathesis.engine import events
from schemathesis.engine.errors import UnrecoverableNetworkError
from schemathesis.engine.recorder import CheckNode, ScenarioRecorder

from harness.machine.encodable import encodable
from harness.probes.generated_engine import GeneratedTraffic, engine_events
from harness.probes.generated_messages import (
    FAULTS,
    Answer,
    Cause,
    FromMaker,
    Report,
    Task,
    WantedRequest,
    hear_harness,
    tell,
)
from harness.probes.openapi_document import short

_KINDS = {
    "not_a_server_error": "server_error",
    "status_code_conformance": "status",
    "content_type_conformance": "media_type",
    "response_schema_conformance": "body",
    "response_headers_conformance": "header",
    "positive_data_acceptance": "refused_valid",
    "negative_data_rejection": "accepted_invalid",
    "missing_required_header": "accepted_without_header",
    "unsupported_method": "method",
    "allow_header_conformance": "allow",
    "ignored_auth": "login",
    "use_after_free": "freed",
    "ensure_resource_availability": "lost",
}
"""schemathesis' checks, as ours are called."""
_OF_THE_WHOLE = frozenset({"method", "allow", "status"})
"""Kinds of which the same at several operations is the habit of a framework: one cause."""
_FOLLOWS = {
    "server_error": frozenset({"status", "media_type", "body", "header", "freed", "lost"}),
    "login": frozenset({"accepted_without_header", "accepted_invalid", "status"}),
}
"""Kind -> what is no news at an operation where that was found in the same answers."""
_MOST_LIMITS = 20
_MOST_MEMORY = 4 * 2**30
_REDIRECTS = 300


def main() -> None:
    """Make the requests of one task."""
    pipe = Connection(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    sys.addaudithook(_refuse_connections)
    task = hear_harness(pipe).task
    assert task is not None, "a task was expected"  # noqa: S101 - a mistake of ours

    def send(ask: WantedRequest) -> Answer:
        tell(pipe, FromMaker(ask=ask))
        answer = hear_harness(pipe).answer
        assert answer is not None, "an answer was expected"  # noqa: S101
        return answer

    tell(pipe, FromMaker())
    tell(pipe, FromMaker(report=make(task, GeneratedTraffic(send), lambda label: tell(pipe, FromMaker(at=label)))))


def make(task: Task, traffic: GeneratedTraffic, turn_to: Callable[[str], None]) -> Report:
    """Make requests, and tell what was found; `turn_to` hears at which operation."""
    found = _Found(traffic)
    limits: dict[str, None] = {}
    try:
        for event in engine_events(task, traffic):
            if isinstance(event, events.ScenarioStarted):
                turn_to(event.label or "")
            elif isinstance(event, events.ScenarioFinished):
                found.read(event.recorder)
            elif (limit := _limit(event)) is not None:
                limits[limit] = None
    except Exception as error:  # noqa: BLE001 - whatever a library says of somebody's document
        limits[f"{type(error).__name__}: {short(error)}"] = None
    return Report(
        tried=dict(found.tried),
        called=tuple(sorted(found.called)),
        labels={case: found.labels[case] for case in traffic.created if case in found.labels},
        causes=tuple(found.causes()),
        limits=tuple(map(encodable, list(limits)[:_MOST_LIMITS])),
        out_of_time=traffic.out_of_time,
    )


def _refuse_connections(event: str, _: object) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise PermissionError("no request leaves this process but by its pipe")


def _limit(event: object) -> str | None:
    """What of the document no request could be made of."""
    if isinstance(event, events.FatalError):
        return short(event.exception)
    if isinstance(event, events.NonFatalError) and not _is_of_the_way(event.value):
        return f"{event.label}: {short(event.info.message or event.value)}"
    return None


def _is_of_the_way(error: Exception) -> bool:
    """Is that an answer that did not come, which is told as such?"""
    return isinstance(error, (requests.RequestException, UnrecoverableNetworkError))


class _Found:
    """Failures as they come, cause by cause."""

    def __init__(self, traffic: GeneratedTraffic) -> None:
        self._traffic = traffic
        self.tried: Counter[str] = Counter()
        self.called: set[str] = set()
        self.labels: dict[str, str] = {}
        """Case -> its operation, of requests that created something."""
        self._causes: dict[tuple[str, ...], list[_Seen]] = {}

    def read(self, recorder: ScenarioRecorder) -> None:
        """What one scenario showed."""
        for case_id, node in recorder.cases.items():
            self._read_case(case_id, node.value.operation.label)
        for case_id, checks in recorder.checks.items():
            if not _is_unknown_method(recorder, case_id):
                self._read_checks(recorder, case_id, checks)

    def _read_case(self, case_id: str, label: str) -> None:
        sent, unanswered = self._traffic.sizes, self._traffic.unanswered
        if case_id in sent:
            self.called.add(label)
            self.labels[case_id] = label
            self.tried["unanswered"] += 1
        if case_id in unanswered:
            words = f"was not answered: {unanswered[case_id]}"
            self._note(("unanswered", label), _Seen(label, words, (case_id,), sent[case_id]))

    def _read_checks(self, recorder: ScenarioRecorder, case_id: str, checks: Sequence[CheckNode]) -> None:
        kinds = {_KINDS[each.name] for each in checks if each.failure_info is not None and each.name in _KINDS}
        known = frozenset().union(*(_FOLLOWS.get(kind, frozenset()) for kind in kinds))
        for check in checks:
            kind = _KINDS.get(check.name)
            if kind is None or kind in known:
                continue
            if check.failure_info is None:
                self.tried[kind] += _was_tried(kind, recorder, case_id)
            else:
                self.tried[kind] += 1
                failure = check.failure_info.failure
                self._read_failure(kind, failure, recorder, failure.case_id or case_id)

    def _read_failure(self, kind: str, failure: Failure, recorder: ScenarioRecorder, case_id: str) -> None:
        case, sent = recorder.cases[case_id].value, self._traffic.sizes
        chain = recorder.iter_chain_cases(case_id=case_id, related_case_ids=failure.related_case_ids())
        way = tuple(each.id for each in chain if each.id in sent)
        if not way:
            return
        answer = recorder.find_response(case_id=case_id)
        status = answer.status_code if answer is not None else 0
        words = f"answered {status}{_says(kind, failure, case)}"
        cause = (kind, *_cause(kind, failure, case, status))
        self._note(cause, _Seen(case.operation.label, words, way, sum(sent[each] for each in way)))

    def _note(self, cause: tuple[str, ...], seen: _Seen) -> None:
        self._causes.setdefault(cause, []).append(seen)

    def _operations(self, kind: str) -> set[str]:
        """Where a kind of failure was seen."""
        return {seen.operation for cause, found in self._causes.items() if cause[0] == kind for seen in found}

    def causes(self) -> Iterator[Cause]:
        """All causes, those of the worst kinds first."""
        refused = self._operations("login")
        undescribed = self._operations("status")
        for cause, found in sorted(self._causes.items(), key=lambda each: (FAULTS.index(each[0][0]), each[0])):
            if cause[0] == "accepted_without_header" and {seen.operation for seen in found} <= refused:
                continue
            # a refusal whose status nobody described is told as that
            if cause[0] == "refused_valid" and {seen.operation for seen in found} <= undescribed:
                continue
            shortest = min(found, key=lambda seen: (len(seen.cases), seen.size))
            yield Cause(
                kind=cause[0],
                operation=shortest.operation,
                says=encodable(shortest.says),
                cases=shortest.cases,
                places=tuple(dict.fromkeys([shortest.operation, *(seen.operation for seen in found)])),
                seen=len(found),
            )


@dataclass(frozen=True, slots=True)
class _Seen:
    operation: str
    says: str
    cases: tuple[str, ...]
    size: int


def _is_unknown_method(recorder: ScenarioRecorder, case_id: str) -> bool:
    """Is it a method that no description has, answered as is due where a service does not know it at all?"""
    case, answer = recorder.cases[case_id].value, recorder.find_response(case_id=case_id)
    is_described = case.method.upper() == case.operation.method.upper()
    # 405 is due to one that it knows, and does not allow there (RFC 9110, 9.1 and 15.6.2)
    return not is_described and answer is not None and answer.status_code == HTTPStatus.NOT_IMPLEMENTED


def _was_tried(kind: str, recorder: ScenarioRecorder, case_id: str) -> bool:
    """Did the answer show anything of that kind? schemathesis counts what does not apply as passed."""
    case, answer = recorder.cases[case_id].value, recorder.find_response(case_id=case_id)
    if answer is None:
        return False
    if kind in ("freed", "lost"):
        return _followed({"DELETE"} if kind == "freed" else {"POST", "PUT"}, recorder, case_id)
    return _SHOWS[kind](case, answer) if kind in _SHOWS else True


def _followed(methods: set[str], recorder: ScenarioRecorder, case_id: str) -> bool:
    """Was there a request by one of these methods in the same chain that succeeded?"""
    answers = [
        recorder.find_response(case_id=each.id)
        for each in recorder.find_all_cases()
        if each.id != case_id and each.method.upper() in methods
    ]
    return any(answer is not None and answer.status_code < _REDIRECTS for answer in answers)


def _is_invalid(case: Any) -> bool:  # noqa: ANN401
    return case.meta is not None and case.meta.generation.mode.is_negative


def _describes_headers(case: Any, answer: Any) -> bool:  # noqa: ANN401
    described = case.operation.responses.find_by_status_code(answer.status_code)
    return described is not None and bool(described.definition.get("headers"))


def _needs_login(case: Any, _: Any) -> bool:  # noqa: ANN401
    return bool(case.operation.definition.raw.get("security", case.operation.schema.raw_schema.get("security")))


_SHOWS: dict[str, Callable[[Any, Any], bool]] = {
    "method": lambda case, _: case.method.upper() != case.operation.method.upper(),
    "accepted_invalid": lambda case, _: _is_invalid(case),
    "refused_valid": lambda case, _: not _is_invalid(case),
    "allow": lambda _, answer: "allow" in answer.headers,
    "header": _describes_headers,
    "body": lambda _, answer: "json" in ",".join(answer.headers.get("content-type", [])),
    "login": _needs_login,
    "accepted_without_header": lambda case, _: any(each.is_required for each in case.operation.headers),
}
"""Kind -> whether a case and its answer show anything of it."""


def _cause(kind: str, failure: Any, case: Any, status: int) -> tuple[str, ...]:  # noqa: ANN401 - classes by kind
    """What makes two failures of a kind one."""
    label = case.operation.label
    if kind in ("status", "refused_valid"):
        return (str(status),)
    if kind in _OF_THE_WHOLE:
        return (failure.title,)
    if kind == "accepted_invalid":
        data = case.meta.phase.data if case.meta is not None else None
        place = getattr(getattr(data, "parameter_location", None), "name", "")
        # what one body is not held to is one mistake, whatever member shows it
        return (label, place, "" if place == "BODY" else str(getattr(data, "parameter", "")))
    if kind in ("server_error", "login", "freed", "lost"):
        return (label,)
    return (label, str(status), failure.title)


def _says(kind: str, failure: Any, case: Any) -> str:  # noqa: ANN401 - classes by kind
    """What follows on `GET /x answered 200`."""
    try:
        return _WORDS[kind](failure, case)
    except (AttributeError, KeyError):
        return f": {short(failure.message or failure.title)}"


_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "server_error": lambda _, case: f" to data that the document {_verdict_on_data(case)}",
    "status": lambda failure, _: f"; the document describes {', '.join(failure.defined_status_codes) or 'no status'}",
    "media_type": lambda failure, _: (
        f" as {failure.content_type}; the document describes {', '.join(failure.defined_content_types)}"
    ),
    "body": lambda failure, _: f", and its body is not as described: {short(failure.validation_message)}",
    "header": lambda failure, _: f" without {', '.join(failure.missing_headers)}, which the document calls required",
    "refused_valid": lambda *_: " to data that the document allows",
    "accepted_invalid": lambda _, case: f" to data that the document forbids{_invalid_part(case)}",
    "accepted_without_header": lambda failure, _: (
        f" without the header {failure.header_name}, which the document calls required"
    ),
    "login": lambda failure, _: f", and the document asks for a login ({failure.title})",
    "freed": lambda failure, _: f" after {failure.free} had deleted what it names",
    "lost": lambda failure, _: f" right after {failure.created_with} had created what it names",
}
"""Kind -> the words for a failure of schemathesis'; what has other members is told in its own words."""


def _verdict_on_data(case: Any) -> str:  # noqa: ANN401
    if case.meta is None:
        return "describes"
    return f"forbids{_invalid_part(case)}" if case.meta.generation.mode.is_negative else "allows"


def _invalid_part(case: Any) -> str:  # noqa: ANN401
    data = case.meta.phase.data if case.meta is not None else None
    parameter, place = getattr(data, "parameter", None), getattr(data, "parameter_location", None)
    words = [
        f"`{parameter}`" if parameter else "",
        f"in {place.name.lower()}" if place else "",
        short(getattr(data, "description", "") or ""),
    ]
    told = ", ".join(filter(None, words))
    return f" ({told})" if told else ""


if __name__ == "__main__":
    main()
