"""Where a service describes its API, and what the description shows to a reader without an account."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harness.probes.acts import ACTS
from harness.probes.exchange import Exchange
from harness.probes.headers import ENDLESS
from harness.probes.openapi import OpenApi, OpenApiError, Operation, load_document
from harness.probes.openapi_document import looks_like_document
from harness.probes.openapi_places import openapi_places
from harness.profile_draft.logins import LoginShape, is_sendable, login_shape
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import DraftReader, media_type_of
from harness.profile_draft.registrations import registration_table

_NAMES_ITSELF = re.compile(rb"""["']?\b(?:openapi|swagger)["']?[ \t]*:""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description, and what of it the harness can use."""

    part: DraftTable
    path: str = ""
    reads: tuple[str, ...] = ()
    """Paths whose GET needs neither parameter nor login."""
    login: LoginShape | None = None
    registration: DraftTable | None = None
    title: str = ""
    """What the service calls itself there."""


def find_description(reader: DraftReader, front: Exchange) -> Description:
    """Look at the front page's links to a description, then at the usual places."""
    refused = ""
    page = front.text if media_type_of(front) == "text/html" else ""
    for path in openapi_places(reader.url, front.header_lines("Link"), page):
        answer = reader.ask(path)
        if answer is None or not _describes(answer):
            continue
        if answer.size > len(answer.body):
            why = f"GET {path} answered with {answer.size} bytes that begin like OpenAPI, too long to be looked into"
            return _found(path, why)
        try:
            api = load_document(answer.body, reader.url, path)
        except OpenApiError as error:
            refused = f"GET {path} looks like a description of the API, which the harness cannot read: {error}"
            continue
        return _described(path, api)
    note = refused or "No OpenAPI document was found at the usual places. If it lies elsewhere:"
    return Description(part=DraftTable(table="openapi", notes=(note,), example=("[openapi]", 'path = "/openapi.json"')))


def _describes(answer: Exchange) -> bool:
    if media_type_of(answer) in ("", "text/html"):
        return False
    if answer.size > len(answer.body):
        return _NAMES_ITSELF.search(answer.body[:4096]) is not None
    return looks_like_document(answer.body) and _NAMES_ITSELF.search(answer.body) is not None


def _described(path: str, api: OpenApi) -> Description:
    reads = tuple(
        operation.path
        for operation in api.plain_gets()
        if is_sendable(operation.path)
        and not ACTS.search(operation.path)
        and ENDLESS.isdisjoint(_media_types(api, operation))
    )
    kind = "Swagger" if api.document.is_swagger else "OpenAPI"
    why = f"GET {path} answered with {kind} {api.version}, {len(api.operations)} operations"
    if api.unread:
        why += f", and {len(api.unread)} that cannot be read: {next(iter(api.unread.values()))}"
    login = login_shape(api)
    made = registration_table(api, login)
    return replace(_found(path, why), reads=reads, login=login, registration=made, title=_title(api))


def _title(api: OpenApi) -> str:
    info = api.document.content.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    return title if isinstance(title, str) else ""


def _found(path: str, why: str) -> Description:
    keys = (DraftKey(name="path", value=path, why=why),)
    return Description(part=DraftTable(table="openapi", keys=keys), path=path)


def _media_types(api: OpenApi, operation: Operation) -> tuple[str, ...]:
    try:
        return api.media_types(operation, 200) or ()
    except OpenApiError:
        return ()
