"""The operation by which an API says that one logs in, as its own description tells it. Nothing is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.probes.openapi import OpenApi, OpenApiError, Operation

_PASSWORD = re.compile(r"pass(word|wd|phrase)?$", re.IGNORECASE)
_USER = re.compile(r"e-?mail|user(_?name|_?id)?|login|account", re.IGNORECASE)
_LOGIN = re.compile(r"log-?in|sign-?in|token|session|auth", re.IGNORECASE)
_OTHER = re.compile(r"regist|sign-?up|reset|change|forgot|refresh|logout|users?/?$|accounts?/?$", re.IGNORECASE)
_TOKENS = ("access_token", "accessToken", "token", "jwt", "id_token", "idToken")
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
        pointer, body = api.resolve(f"{operation.pointer}/requestBody")
        members, required = _members(api, pointer, body)
    except OpenApiError:
        return None
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
            described = api.response(operation, status)
            token = next(_tokens(api, _members(api, *described)[0]), None) if described is not None else None
        except OpenApiError:
            continue
        if token is not None:
            return token
    return None


def _tokens(api: OpenApi, members: Mapping[str, str]) -> Iterator[str]:
    """Dotted paths that a token may have among an answer's members, the likeliest first."""
    yield from (name for name in _TOKENS if name in members)
    for nest in _NESTS:
        if nest in members:
            inner, _ = _properties(api, members[nest])
            yield from (f"{nest}.{name}" for name in _TOKENS if name in inner)


def _members(api: OpenApi, pointer: str, holder: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Members of the JSON content of a request or an answer with their pointers, and which of them are required."""
    content = holder.get("content")
    if not isinstance(content, Mapping):
        return {}, ()
    kind = next((key for key in content if str(key).split(";")[0].strip().lower() == "application/json"), None)
    return _properties(api, f"{pointer}/content/{_escape(kind)}/schema") if kind is not None else ({}, ())


def _properties(api: OpenApi, pointer: str) -> tuple[dict[str, str], tuple[str, ...]]:
    at, schema = api.resolve(pointer)
    properties, required = schema.get("properties"), schema.get("required")
    members = {
        str(name): f"{at}/properties/{_escape(name)}"
        for name in (properties if isinstance(properties, Mapping) else {})
    }
    return members, tuple(str(name) for name in required) if isinstance(required, list) else ()


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
