"""Requests that are made of a service's own description: what was tried, and what of the answers is not as described.

schemathesis makes the data (valid, invalid, by links and by what earlier answers held) and holds answers to the
document (`generated_engine`); here its failures become faults: one for each cause, with the shortest requests that
show it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.probes.chains import ChainFault, Chains
from harness.probes.exchange import SentRequest
from harness.probes.http import RecordingClient
from harness.probes.openapi import OpenApi
from harness.probes.openapi_document import short
from harness.probes.openapi_operation import Operation

if TYPE_CHECKING:
    from schemathesis.engine.recorder import ScenarioRecorder


FAULTS = (
    *("server_error", "unanswered", "status", "media_type", "body", "header", "refused_valid", "accepted_invalid"),
    *("accepted_without_header", "method", "allow", "login", "freed", "lost"),
)
"""Kinds of what may be wrong."""
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
_REDIRECTS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is sent at most, and what kind of it."""

    seed: int
    requests: int
    seconds: float
    writes: bool
    """Whether operations are called that change something."""
    invalid: bool = True
    """Whether data is sent that the document does not allow."""
    per_client: int = 100
    """Requests after which another client goes on: none comes near a limiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One cause, and how it shows."""

    kind: str
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
    from schemathesis.engine import events

    from harness.probes.generated_engine import EngineStuck, Traffic, engine_events

    wanted = {(each.method, each.written): each for each in chosen}
    found = _Found()
    traffic = Traffic()
    limits: dict[str, None] = {}
    prefix = _common_prefix(wanted.values())
    sent_by = _as_described(api.document.content, credentials or {})
    try:
        for event in engine_events(
            _below(api.document.content, wanted, prefix),
            url.rstrip("/") + prefix,
            lambda method, path: (method, path) in wanted,
            new_client,
            bounds,
            sent_by,
            traffic,
        ):
            if isinstance(event, events.ScenarioFinished):
                found.read(event.recorder, traffic.sent, traffic.unanswered, prefix)
            elif isinstance(event, events.NonFatalError) and not _is_of_the_way(event.value):
                limits[f"{event.label}: {short(event.info.message or event.value)}"] = None
            elif isinstance(event, events.FatalError):
                limits[short(event.exception)] = None
    except EngineStuck:
        limits["making data of the document takes too long"] = None
    except Exception as error:
        if traffic.broken is None:
            limits[short(error) or type(error).__name__] = None
    if traffic.broken is not None:
        raise traffic.broken
    chains = Chains(api, new_client(), sent_by)
    own = list(wanted.values())
    for fault in chains.read(own):
        found.add(fault)
    if bounds.writes:
        created = {
            f"POST {prefix}{found.labels[case].partition(' ')[2]}": (traffic.sent[case], answer)
            for case, answer in sorted(
                traffic.answers.items(), key=lambda each: traffic.sent[each[0]].request_size, reverse=True
            )
            if case in found.labels
        }
        for fault in chains.live(own, created):
            found.add(fault)
    found.tried["lost"] += len(chains.reached)
    names = {f"{each.method} {each.written}": each.name for each in wanted.values()}
    called = tuple(name for written, name in names.items() if written in found.called)
    full = traffic.count >= bounds.requests
    return GeneratedRun(
        requests=traffic.count + chains.sent,
        tried=dict(found.tried),
        operations=called,
        uncalled=tuple(name for written, name in names.items() if written not in found.called),
        faults=found.faults(),
        limits=tuple(limits)[:_MOST_LIMITS],
        stopped=f"{bounds.requests} requests were sent, and no more are" if full else "",
    )


class _Found:
    """Failures as they come, cause by cause."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.called: set[str] = set()
        self.labels: dict[str, str] = {}
        """Case -> its operation, of requests that created something."""
        self._causes: dict[tuple[str, ...], list[_Seen]] = {}

    def read(
        self,
        recorder: ScenarioRecorder,
        sent: Mapping[str, SentRequest],
        unanswered: Mapping[str, str],
        prefix: str,
    ) -> None:
        for case_id, node in recorder.cases.items():
            if case_id in sent:
                self.called.add(node.value.operation.label)
                self.labels[case_id] = node.value.operation.label
                self.tried["unanswered"] += 1
            if case_id in unanswered:
                label = node.value.operation.label
                words = f"{_shown(sent[case_id])} was not answered: {unanswered[case_id]}"
                self._note(("unanswered", label), _Seen(prefix_label(label, prefix), words, (sent[case_id],)))
        for case_id, checks in recorder.checks.items():
            kinds = {_KINDS[each.name] for each in checks if each.failure_info is not None and each.name in _KINDS}
            known = frozenset().union(*(_FOLLOWS.get(kind, frozenset()) for kind in kinds))
            for check in checks:
                kind = _KINDS.get(check.name)
                if kind is None or kind in known:
                    continue
                if check.failure_info is None:
                    self.tried[kind] += _was_tried(kind, recorder, case_id)
                    continue
                self.tried[kind] += 1
                failure = check.failure_info.failure
                case = recorder.cases[failure.case_id or case_id].value
                way = [
                    sent[each.id]
                    for each in recorder.iter_chain_cases(
                        case_id=failure.case_id or case_id, related_case_ids=failure.related_case_ids()
                    )
                    if each.id in sent
                ]
                if not way:
                    continue
                answer = recorder.find_response(case_id=failure.case_id or case_id)
                status = answer.status_code if answer is not None else 0
                label = case.operation.label
                words = f"{_shown(way[-1])} answered {status}{_says(kind, failure, case)}"
                cause = (kind, *_cause(kind, failure, case, status))
                self._note(cause, _Seen(prefix_label(label, prefix), words, tuple(way)))

    def add(self, fault: ChainFault) -> None:
        """What a chain showed, if nothing of the kind is known of the operation."""
        known = any(
            cause[0] == fault.kind and any(seen.operation == fault.operation for seen in found)
            for cause, found in self._causes.items()
        )
        self.tried[fault.kind] += 1
        if not known:
            self._note((fault.kind, fault.operation), _Seen(fault.operation, fault.says, fault.sent))

    def _note(self, cause: tuple[str, ...], seen: _Seen) -> None:
        self._causes.setdefault(cause, []).append(seen)

    def faults(self) -> tuple[Fault, ...]:
        refused = {seen.operation for cause, found in self._causes.items() if cause[0] == "login" for seen in found}
        made = []
        for cause, found in self._causes.items():
            if cause[0] == "accepted_without_header" and {seen.operation for seen in found} <= refused:
                continue
            shortest = min(found, key=lambda seen: seen.size)
            made.append(
                Fault(
                    kind=cause[0],
                    operation=shortest.operation,
                    says=shortest.says,
                    places=tuple(dict.fromkeys(seen.operation for seen in found)),
                    seen=len(found),
                    sent=shortest.sent,
                )
            )
        return tuple(sorted(made, key=lambda fault: (FAULTS.index(fault.kind), fault.operation)))


@dataclass(frozen=True, slots=True)
class _Seen:
    operation: str
    says: str
    sent: tuple[SentRequest, ...]

    @property
    def size(self) -> tuple[int, int]:
        return len(self.sent), sum(len(each.url) + each.request_size for each in self.sent)


def _was_tried(kind: str, recorder: ScenarioRecorder, case_id: str) -> bool:
    """Did the answer show anything of that kind? schemathesis counts what does not apply as passed."""
    case, answer = recorder.cases[case_id].value, recorder.find_response(case_id=case_id)
    if answer is None:
        return False
    invalid = case.meta is not None and case.meta.generation.mode.is_negative
    match kind:
        case "method":
            return bool(case.method.upper() != case.operation.method.upper())
        case "accepted_invalid":
            return invalid
        case "refused_valid":
            return not invalid
        case "allow":
            return "allow" in answer.headers
        case "header":
            described = case.operation.responses.find_by_status_code(answer.status_code)
            return described is not None and bool(described.definition.get("headers"))
        case "body":
            return "json" in ",".join(answer.headers.get("content-type", []))
        case "login":
            return bool(case.operation.definition.raw.get("security", case.operation.schema.raw_schema.get("security")))
        case "accepted_without_header":
            return any(each.is_required for each in case.operation.headers)
        case "freed" | "lost":
            made = {"DELETE"} if kind == "freed" else {"POST", "PUT"}
            return any(
                each.id != case_id
                and each.method.upper() in made
                and (before := recorder.find_response(case_id=each.id)) is not None
                and before.status_code < _REDIRECTS
                for each in recorder.find_all_cases()
            )
        case _:
            return True


def _cause(kind: str, failure: Any, case: Any, status: int) -> tuple[str, ...]:  # noqa: ANN401 - classes by kind
    """What makes two failures of a kind one."""
    label = case.operation.label
    if kind == "status":
        return (str(status),)
    if kind in _OF_THE_WHOLE:
        return (failure.title,)
    if kind == "accepted_invalid":
        data = case.meta.phase.data if case.meta is not None else None
        return (label, str(getattr(data, "parameter_location", "")), str(getattr(data, "parameter", "")))
    if kind in ("server_error", "login", "refused_valid", "freed", "lost"):
        return (label,)
    return (label, str(status), failure.title)


def _says(kind: str, failure: Any, case: Any) -> str:  # noqa: ANN401, PLR0911 - a sentence a kind
    """What follows on `GET /x answered 200`."""
    match kind:
        case "server_error":
            return f" to data that the document {_verdict_on_data(case)}"
        case "status":
            return f"; the document describes {', '.join(failure.defined_status_codes) or 'no status'}"
        case "media_type" if hasattr(failure, "defined_content_types"):
            return f" as {failure.content_type}; the document describes {', '.join(failure.defined_content_types)}"
        case "body":
            return f", and its body is not as described: {short(getattr(failure, 'validation_message', failure.title))}"
        case "header" if hasattr(failure, "missing_headers"):
            return f" without {', '.join(failure.missing_headers)}, which the document calls required"
        case "refused_valid":
            return " to data that the document allows"
        case "accepted_invalid":
            return f" to data that the document forbids{_invalid_part(case)}"
        case "accepted_without_header":
            return f" without the header {failure.header_name}, which the document calls required"
        case "login":
            return f", and the document asks for a login ({failure.title})"
        case "freed":
            return f" after {failure.free} had deleted what it names"
        case "lost":
            return f" right after {failure.created_with} had created what it names"
        case _:
            return f": {short(failure.message or failure.title)}"


def _verdict_on_data(case: Any) -> str:  # noqa: ANN401
    if case.meta is None:
        return "describes"
    return f"forbids{_invalid_part(case)}" if case.meta.generation.mode.is_negative else "allows"


def _invalid_part(case: Any) -> str:  # noqa: ANN401
    data = case.meta.phase.data if case.meta is not None else None
    words = [
        f"`{data.parameter}`" if getattr(data, "parameter", None) else "",
        f"in {data.parameter_location.name.lower()}" if getattr(data, "parameter_location", None) else "",
        short(getattr(data, "description", "") or ""),
    ]
    told = ", ".join(filter(None, words))
    return f" ({told})" if told else ""


def _shown(sent: SentRequest) -> str:
    return f"{sent.method} {short(sent.path)}"


def prefix_label(label: str, prefix: str) -> str:
    """An operation's name with the path of its server."""
    method, _, path = label.partition(" ")
    return f"{method} {prefix}{path}" if path.startswith("/") else label


def _common_prefix(operations: Iterable[Operation]) -> str:
    """What stands before the written path at most of the operations: the path of the server."""
    prefixes = Counter(each.path.removesuffix(each.written) for each in operations)
    return prefixes.most_common(1)[0][0] if prefixes else ""


def _below(
    content: Mapping[str, Any], wanted: Mapping[tuple[str, str], Operation], prefix: str
) -> dict[str, Any]:
    """The document without what leads elsewhere: servers, examples at other addresses, and paths of other servers."""
    paths = {written for (_, written), each in wanted.items() if each.path == prefix + written}
    known = content.get("paths", {})
    kept = {path: item for path, item in known.items() if path in paths}
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


def _is_of_the_way(error: Exception) -> bool:
    """Is that an answer that did not come, which is told as such?"""
    import requests
    from schemathesis.engine.errors import UnrecoverableNetworkError

    return isinstance(error, (requests.RequestException, UnrecoverableNetworkError))
