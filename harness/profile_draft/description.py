"""Where a service describes its API, and what the description shows to a reader without an account: what it may read,
and how one would log in. The login is not tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.probes.exchange import Exchange
from harness.probes.headers import ENDLESS
from harness.probes.openapi import OpenApi, OpenApiError, Operation, load_document
from harness.probes.openapi_document import looks_like_document
from harness.probes.openapi_places import openapi_places
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import ACTS, DraftReader, kind_of

_PASSWORD = re.compile(r"pass(word|wd|phrase)?$", re.IGNORECASE)
_USER = re.compile(r"e-?mail|user(_?name|_?id)?|login|account", re.IGNORECASE)
_LOGIN = re.compile(r"log-?in|sign-?in|token|session|auth", re.IGNORECASE)
_OTHER = re.compile(r"regist|sign-?up|reset|change|forgot|refresh|logout|users?/?$|accounts?/?$", re.IGNORECASE)
_TOKENS = ("access_token", "accessToken", "token", "jwt", "id_token", "idToken")
_NAMES_ITSELF = re.compile(rb"""["']?\b(?:openapi|swagger)["']?[ \t]*:""")
_MOST_BRANCHES = 50
_NESTS = ("data", "result", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginShape:
    """Path, body and place of the token of a login."""

    path: str
    username: str
    password: str
    token: str | None
    """Dotted path in the answer; None where the description does not tell."""
    also: tuple[str, ...]
    """Further members that the body must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description, and what of it the harness can use."""

    part: DraftTable
    path: str = ""
    reads: tuple[str, ...] = ()
    """Paths whose GET needs neither parameter nor login."""
    login: LoginShape | None = None


def find_description(reader: DraftReader, front: Exchange) -> Description:
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
            api = load_document(answer.body, reader.url, path)
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
    return replace(_found(path, why), reads=reads, login=login_shape(api))


def _found(path: str, why: str) -> Description:
    keys = (DraftKey(name="path", value=path, why=why),)
    return Description(part=DraftTable(table="openapi", keys=keys), path=path)


def _media_types(api: OpenApi, operation: Operation) -> tuple[str, ...]:
    try:
        return api.media_types(operation, 200) or ()
    except OpenApiError:
        return ()


def login_shape(api: OpenApi) -> LoginShape | None:
    """The likeliest login of a description; None if none takes a JSON body with a user's name and a password."""
    found = [shape for operation in api.operations if (shape := _shape(api, operation)) is not None]
    likely = [shape for shape in found if not _OTHER.search(shape.path.rsplit("/", 1)[-1])]
    named = [shape for shape in likely if _LOGIN.search(shape.path)]
    return min(named or likely, key=lambda shape: (len(shape.also), len(shape.path)), default=None)


def is_sendable(path: str) -> bool:
    """Can a path of a description be a request's, and a profile's?"""
    return path.startswith("/") and path.isprintable() and " " not in path


def _shape(api: OpenApi, operation: Operation) -> LoginShape | None:
    if operation.method != "POST" or operation.required or not operation.has_body or not is_sendable(operation.path):
        return None
    try:
        root = api.request_schema(operation)
    except OpenApiError:
        return None
    members, required = _members(root, root)
    password = next(filter(_PASSWORD.search, members), None)
    username = next(filter(_USER.fullmatch, members), None)
    if password is None or username is None:
        return None
    return LoginShape(
        path=operation.path,
        username=username,
        password=password,
        token=_token(api, operation),
        also=tuple(name for name in required if name not in (username, password)),
    )


def _token(api: OpenApi, operation: Operation) -> str | None:
    for status in (200, 201):
        try:
            root = api.answer_schema(operation, status)
        except OpenApiError:
            continue
        token = next(_tokens(root), None)
        if token is not None:
            return token
    return None


def _tokens(root: Mapping[str, Any] | None) -> Iterator[str]:
    """Dotted paths that a token may have among an answer's members, the likeliest first."""
    members, _ = _members(root, root)
    yield from (name for name in _TOKENS if name in members)
    for nest in _NESTS:
        if nest in members:
            inner, _ = _members(root, members[nest])
            yield from (f"{nest}.{name}" for name in _TOKENS if name in inner)


def _members(root: Mapping[str, Any] | None, schema: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Schemas of an object's members, those of each `allOf` among them, and which of them are required.

    References lead to places of `root`.
    """
    members: dict[str, Any] = {}
    required: list[str] = []
    waiting = [schema]
    for _ in range(_MOST_BRANCHES):
        if not waiting:
            break
        part = _followed(root, waiting.pop())
        properties, names, branches = part.get("properties"), part.get("required"), part.get("allOf")
        members |= properties if isinstance(properties, Mapping) else {}
        required += map(str, names) if isinstance(names, list) else ()
        waiting += branches if isinstance(branches, list) else ()
    return members, tuple(required)


def _followed(root: Mapping[str, Any] | None, schema: object) -> Mapping[str, Any]:
    for _ in range(_MOST_BRANCHES):
        if not isinstance(schema, Mapping):
            break
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = root
        for part in reference.split("/")[1:]:
            schema = schema.get(part) if isinstance(schema, Mapping) else None
    return {}
