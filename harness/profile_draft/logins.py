"""How one logs in, as a description of the API, an answer that refuses, or a form shows it. Nothing is tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, OpenApiError, Operation
from harness.profile_draft.parts import DraftKey, DraftTable, Value

_PASSWORD = re.compile(r"pass(word|wd|phrase|code)?$|^pin$|^secret$", re.IGNORECASE)
_USER = re.compile(r"e-?mail(_?address)?|user(_?name|_?id)?|login|account(_?name)?|identifier|name", re.IGNORECASE)
_LOGIN = re.compile(r"log-?in|log-?on|sign-?in|token|session|auth", re.IGNORECASE)
_OTHER = re.compile(
    r"regist|sign-?up|reset|change|forgot|refresh|logout|revoke|verify|users?/?$|accounts?/?$", re.IGNORECASE
)
_TOKENS = ("access_token", "accessToken", "auth_token", "authToken", "token", "jwt", "id_token", "idToken")
_LIKE_A_TOKEN = re.compile(r"(?!.*refresh)(?:.*_?token|jwt|bearer|access)$", re.IGNORECASE)
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_MOST_BRANCHES = 50
_NESTED = 2

Kind = Literal["bearer", "basic", "key", "cookie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginShape:
    """What an account sends, and what it is given."""

    why: str
    kind: Kind = "bearer"
    path: str = ""
    username: str = ""
    password: str = ""
    form: bool = False
    token: str | None = None
    """Dotted path in the answer; None where the description does not tell."""
    header: str = ""
    also: tuple[str, ...] = ()
    """Further members that the body must have."""


def login_shape(api: OpenApi) -> LoginShape | None:
    """The likeliest login of a description: an operation that takes a password, else a scheme that needs no login."""
    found = [shape for operation in api.operations if (shape := _shape(api, operation)) is not None]
    return _likeliest(found) or _scheme(api)


def _likeliest(shapes: Iterable[LoginShape]) -> LoginShape | None:
    likely = [shape for shape in shapes if not _OTHER.search(shape.path.rsplit("/", 1)[-1])]
    named = [shape for shape in likely if _LOGIN.search(shape.path)]
    # a password alone is asked for by much else
    sure = named or [shape for shape in likely if shape.username]
    return min(sure, key=lambda shape: (len(shape.also), len(shape.path)), default=None)


def refusing_login(answer: Exchange | None) -> LoginShape | None:
    """A login that an answer asks for (RFC 9110 11.6.1)."""
    asked = answer.header("WWW-Authenticate") if answer is not None and answer.status == 401 else None
    if asked is None or not asked.strip().lower().startswith("basic"):
        return None
    return LoginShape(kind="basic", why="GET / answered 401 and asks for Basic")


def is_sendable(path: str) -> bool:
    """Can a path of a description be a request's, and a profile's?"""
    return path.startswith("/") and path.isprintable() and " " not in path


def goes_to_itself(action: str, path: str) -> bool:
    """Does a form on the page at `path` go to that page? Only such a one is sure to be sent aright."""
    return action.partition("?")[0] in ("", path, path.rsplit("/", 1)[-1])


def auth_table(login: LoginShape | None) -> DraftTable:
    """The login as a table, with the account that is to be added."""
    fill = "An account that exists, in the environment variables named here or others, lets checks log in:"
    if login is None:
        note = "No operation that takes a password was found in a description of the API."
        example = ("[auth]", 'login = "/login"', 'body = { username = "{username}", password = "{password}" }')
        notes = (note, f'If there is one, or kind = "basic", "key" or "cookie": {fill}')
        return DraftTable(table="auth", notes=notes, example=(*example, *account_lines(login)))
    also = (f"The body must also have: {', '.join(login.also)}.",) if login.also else ()
    return DraftTable(table="auth", keys=tuple(_keys(login)), notes=(*also, fill), example=account_lines(login))


def account_lines(login: LoginShape | None) -> tuple[str, ...]:
    """An account to be completed."""
    named = login is None or login.kind == "basic" or bool(login.username)
    user = ('username = "{env.TARGET_USERNAME}"',) if named else ()
    return ("[auth.roles.user]", *user, 'password = "{env.TARGET_PASSWORD}"')


def _keys(login: LoginShape) -> Iterator[DraftKey]:
    def key(name: str, value: Value, why: str = login.why) -> DraftKey:
        return DraftKey(name=name, value=value, why=why)

    if login.kind != "bearer":
        yield key("kind", login.kind)
    if login.header:
        yield key("header", login.header)
    if not login.path:
        return
    yield key("login", login.path)
    user = {login.username: "{username}"} if login.username else {}
    yield key("body", {**user, login.password: "{password}"})
    if login.form:
        yield key("form", value=True)
    if login.kind == "bearer":
        usual = "usual; the description does not say where the token is"
        yield key("token", login.token or "access_token", "described in its answer" if login.token else usual)


def _shape(api: OpenApi, operation: Operation) -> LoginShape | None:
    for body in posted_bodies(api, operation) if operation.has_body else ():
        password = next(filter(_PASSWORD.search, body.members), "")
        username = next(filter(_USER.fullmatch, body.members), "")
        if not password:
            continue
        token = _token(api, operation)
        told = f"{username} and {password}" if username else password
        return LoginShape(
            why=f"POST {operation.path} is described with {told}; it was not tried",
            kind="cookie" if token is None and _in_cookies(api) else "bearer",
            path=operation.path,
            username=username,
            password=password,
            form=body.media == _FORM,
            token=token,
            also=tuple(name for name in body.required if name not in (username, password, "grant_type")),
        )
    return None


@dataclass(frozen=True, slots=True)
class PostedBody:
    """The members of a body that an operation takes, in one media type, and which of them it must have."""

    media: str
    members: Mapping[str, Any]
    required: tuple[str, ...]


def posted_bodies(api: OpenApi, operation: Operation) -> Iterator[PostedBody]:
    """What a POST without parameters takes as JSON, and as a form."""
    if operation.method != "POST" or operation.required or not is_sendable(operation.path):
        return
    for media in (_JSON, _FORM):
        try:
            root = api.request_schema(operation, media)
        except OpenApiError:
            return
        yield PostedBody(media, *members_of(root, root))


def _schemes(api: OpenApi) -> tuple[Mapping[str, Any], ...]:
    content = api.document.content
    components = content.get("components")
    found = content.get("securityDefinitions") if api.document.is_swagger else None
    if isinstance(components, Mapping):
        found = components.get("securitySchemes")
    return tuple(one for one in found.values() if isinstance(one, Mapping)) if isinstance(found, Mapping) else ()


def _in_cookies(api: OpenApi) -> bool:
    return any(one.get("type") == "apiKey" and one.get("in") == "cookie" for one in _schemes(api))


def _scheme(api: OpenApi) -> LoginShape | None:
    for one in _schemes(api):
        name = one.get("name")
        if one.get("type") == "basic" or (one.get("type") == "http" and str(one.get("scheme")).lower() == "basic"):
            return LoginShape(kind="basic", why="the description names the scheme Basic")
        if one.get("type") == "apiKey" and one.get("in") == "header" and isinstance(name, str):
            bearer = name.lower() == "authorization"
            if not bearer and re.fullmatch(r"[\w-]+", name, re.ASCII):
                return LoginShape(kind="key", header=name, why=f"the description names a key in the header {name}")
    return None


def _token(api: OpenApi, operation: Operation) -> str | None:
    for status in (200, 201):
        try:
            root = api.answer_schema(operation, status)
        except OpenApiError:
            continue
        token = next(_tokens(root, root, _NESTED), None)
        if token is not None:
            return token
    return None


def _tokens(root: Mapping[str, Any] | None, schema: object, depth: int) -> Iterator[str]:
    """Dotted paths that a token may have among an answer's members, the likeliest first."""
    members, _ = members_of(root, schema)
    yield from (name for name in _TOKENS if name in members)
    for name in filter(_LIKE_A_TOKEN.match, members):
        if name not in _TOKENS and not members_of(root, members[name])[0]:
            yield name
    if depth:
        for name, part in members.items():
            yield from (f"{name}.{inner}" for inner in _tokens(root, part, depth - 1))


def members_of(root: Mapping[str, Any] | None, schema: object) -> tuple[dict[str, Any], tuple[str, ...]]:
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
