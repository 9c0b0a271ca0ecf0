"""Where a service describes its API, and what the description shows to a reader without an account."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, OpenApiError, Operation, load_document
from harness.probes.openapi_places import openapi_places
from harness.profile_draft.login_shape import LoginShape, is_sendable, login_shape
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import ACTS, Reader, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description, and what of it the harness can use."""

    part: DraftTable
    path: str = ""
    reads: tuple[str, ...] = ()
    """Paths whose GET needs neither parameter nor login."""
    login: LoginShape | None = None


def find_description(reader: Reader, front: Exchange) -> Description:
    """Look at the front page's links to a description, then at the usual places."""
    refused = ""
    page = front.text if kind_of(front) == "text/html" else ""
    for path in openapi_places(reader.url, front.header_lines("Link"), page):
        answer = reader.ask(path)
        if answer is None or not _describes(answer):
            continue
        if answer.size > len(answer.body):
            why = f"GET {path} answered with {answer.size} bytes that begin like OpenAPI, too long to be looked into"
            return _found(path, why)
        try:
            api = load_document(answer.body, reader.url)
        except OpenApiError as error:
            refused = f"GET {path} looks like a description of the API, which the harness cannot read: {error}"
            continue
        return _described(path, api)
    note = refused or "No OpenAPI document was found at the usual places. If it lies elsewhere:"
    return Description(part=DraftTable(table="openapi", notes=(note,), example=("[openapi]", 'path = "/openapi.json"')))


def _describes(answer: Exchange) -> bool:
    if kind_of(answer) in ("", "text/html"):
        return False
    if answer.size > len(answer.body):
        return b'"openapi"' in answer.body[:4096]
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and bool({"openapi", "swagger"} & document.keys())


def _described(path: str, api: OpenApi) -> Description:
    reads = tuple(
        operation.path
        for operation in api.plain_gets()
        if is_sendable(operation.path)
        and not ACTS.search(operation.path)
        and "text/event-stream" not in _media_types(api, operation)
    )
    why = f"GET {path} answered with OpenAPI {api.version}, {len(api.operations)} operations"
    return replace(_found(path, why), reads=reads, login=login_shape(api))


def _found(path: str, why: str) -> Description:
    keys = (DraftKey(name="path", value=path, why=why),)
    return Description(part=DraftTable(table="openapi", keys=keys), path=path)


def _media_types(api: OpenApi, operation: Operation) -> tuple[str, ...]:
    try:
        return api.media_types(operation, 200) or ()
    except OpenApiError:
        return ()
