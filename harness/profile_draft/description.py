"""Where a service describes its API, and what the description shows to a reader without an account."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, OpenApiError, Operation, load_document
from harness.profile_draft.login_shape import LoginShape, is_sendable, login_shape
from harness.profile_draft.markup import read_markup
from harness.profile_draft.parts import Key, Part
from harness.profile_draft.reader import Reader, kind_of

_PLACES = (
    "/openapi.json",
    "/api/openapi.json",
    "/v3/api-docs",
    "/swagger.json",
    "/swagger/v1/swagger.json",
    "/api/v1/openapi.json",
)
_MOST_LINKED = 3
_LINK = re.compile(r"<([^<>]*+)>\s*+;[^,<]*\brel=\"?(?:service-desc|describedby)\b", re.IGNORECASE)
"""RFC 8631: a service's description, as a link of any of its answers."""
ACTS = re.compile(r"log-?out|sign-?out|delete|remove|unsubscribe|cancel|confirm|export|download", re.IGNORECASE)
"""A GET that, against RFC 9110, may do more than read: never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description, and what of it the harness can use."""

    part: Part
    path: str = ""
    reads: tuple[str, ...] = ()
    """Paths whose GET needs neither parameter nor login."""
    login: LoginShape | None = None


def find_description(reader: Reader, front: Exchange) -> Description:
    """Look at the front page's links to a description, then at the usual places."""
    refused = ""
    for path in _candidates(reader, front):
        answer = reader.ask(path)
        if answer is None or not _describes(answer):
            continue
        if answer.size > len(answer.body):
            why = f"GET {path} answered with {answer.size} bytes that begin like OpenAPI, too long to be looked into"
            return Description(part=Part(table="openapi", keys=(Key(name="path", value=path, why=why),)), path=path)
        try:
            api = load_document(answer.body, reader.url)
        except OpenApiError as error:
            refused = f"GET {path} looks like a description of the API, which the harness cannot read: {error}"
            continue
        return _described(path, api)
    note = refused or "No OpenAPI document was found at the usual places. If it lies elsewhere:"
    return Description(part=Part(table="openapi", notes=(note,), example=("[openapi]", 'path = "/openapi.json"')))


def _candidates(reader: Reader, front: Exchange) -> tuple[str, ...]:
    linked = [match[1] for line in front.header_lines("Link") for match in _LINK.finditer(line)]
    if kind_of(front) == "text/html":
        linked += read_markup(front.text).descriptions
    own = [path for link in linked if (path := reader.local_path(link)) is not None]
    return tuple(dict.fromkeys([*own[:_MOST_LINKED], *_PLACES]))


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
    return Description(
        part=Part(table="openapi", keys=(Key(name="path", value=path, why=why),)),
        path=path,
        reads=reads,
        login=login_shape(api),
    )


def _media_types(api: OpenApi, operation: Operation) -> tuple[str, ...]:
    try:
        return api.media_types(operation, 200) or ()
    except OpenApiError:
        return ()
