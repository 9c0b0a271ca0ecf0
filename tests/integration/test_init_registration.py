"""What `harness init` makes of operations that make accounts, and logins whose token stands where nobody said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.config import generic_target
from harness.model import Role, StackInfo
from harness.probes.login import log_in
from tests.strangers import HTML, JSON, NOTHING, Reply, Stranger, drafted, serving


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, Any], Reply]], Stranger]]:
    with serving() as start:
        yield start


def takes(*required: str, optional: tuple[str, ...] = (), security: list[Any] | None = None) -> dict[str, Any]:
    fields = {name: {"type": "string"} for name in (*required, *optional)}
    schema = {"type": "object", "properties": fields, "required": list(required)}
    body = {"content": {"application/json": {"schema": schema}}}
    said = {} if security is None else {"security": security}
    return {"post": {"requestBody": body, "responses": {"200": {"description": "x"}}, **said}}


LOGIN = takes("username", "password")
BY_MAIL = takes("email", "password")
FOUND = {
    "a name, a mail and two passwords": (
        LOGIN,
        {"/auth/register": takes("username", "email", "password", "password_confirm")},
        "/auth/register",
        {
            "username": "{username}",
            "email": "{username}@example.org",
            "password": "{password}",
            "password_confirm": "{password}",
        },
    ),
    "a collection of users": (
        LOGIN,
        {"/api/users": takes("username", "password", optional=("age",))},
        "/api/users",
        {"username": "{username}", "password": "{password}"},
    ),
    "a mail and names": (
        BY_MAIL,
        {"/signup": takes("email", "password", "first_name")},
        "/signup",
        {"email": "{username}", "password": "{password}", "first_name": "hx{random}"},
    ),
}
NOT_FOUND = {
    "more is wanted than is known": {"/register": takes("username", "password", "invitation")},
    "it is behind a login": {"/users": takes("username", "password", security=[{"b": []}])},
    "it has no password": {"/register": takes("username", "email")},
    "it resets one": {"/password/reset": takes("username", "password")},
}


def profile_of(serve: Any, folder: Path, login: dict[str, Any], others: dict[str, Any]) -> Any:
    schemes = {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}
    info = {"title": "Kettles", "version": "1"}
    paths = {"/auth/login": login, **others}
    document = json.dumps({"openapi": "3.1.0", "info": info, "paths": paths, "components": schemes})
    stranger = serve(lambda path, _: (200, JSON, document) if path == "/openapi.json" else NOTHING)
    target, text = drafted(stranger.url, folder)
    assert {method for method, _ in stranger.asked} == {"GET"}
    assert ("harness gate --active" in text) is bool(target.auth.register.path)
    return target.auth


@pytest.mark.parametrize("kind", FOUND)
def test_a_registration_for_everybody_is_drafted(kind: str, serve: Any, tmp_path: Path) -> None:
    login, others, path, body = FOUND[kind]
    auth = profile_of(serve, tmp_path, login, others)
    assert (auth.register.path, dict(auth.register.body)) == (path, body)
    assert ("@" in auth.register.username) is (login is BY_MAIL)


@pytest.mark.parametrize("kind", NOT_FOUND)
def test_what_makes_no_account_for_everybody_is_not(kind: str, serve: Any, tmp_path: Path) -> None:
    auth = profile_of(serve, tmp_path, LOGIN, NOT_FOUND[kind])
    assert (auth.login, auth.register.path) == ("/auth/login", "")


_ENTER = '<form method="post"><input name="who"><input type="password" name="word"></form>'
_JOIN = '<form method="post"><input type="hidden" name="key" value="1"><input name="who"{more}>{words}</form>'
_WORDS = '<input type="password" name="word"><input type="password" name="word2">'


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (_JOIN.format(more="", words=_WORDS), {"who": "{username}", "word": "{password}", "word2": "{password}"}),
        (
            _JOIN.format(more="><input name='age'", words=_WORDS),
            {"who": "{username}", "word": "{password}", "word2": "{password}"},
        ),
        (_JOIN.format(more="><input name='invitation' required", words=_WORDS), {}),
        (_JOIN.format(more="", words=""), {}),
        (_ENTER.replace("post", "get"), {}),
    ],
    ids=["passwords", "what may be left out", "what nobody knows", "no password", "by GET"],
)
def test_a_form_of_a_page_that_makes_accounts_is_drafted(form: str, body: Any, serve: Any, tmp_path: Path) -> None:
    pages = {"/": '<a href="/enter">in</a> <a href="/join">new</a>', "/enter": _ENTER, "/join": form}
    stranger = serve(lambda path, _: (200, HTML, f"<!doctype html>{pages[path]}") if path in pages else NOTHING)
    auth = drafted(stranger.url, tmp_path)[0].auth
    assert (auth.login, auth.form) == ("/enter", True)
    assert (auth.register.path, dict(auth.register.body)) == ("/join" if body else "", body)


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        ({"access_token": "abc"}, "abc"),
        ({"auth": {"token": "abcd1234", "refresh_token": "no"}}, "abcd1234"),
        ({"data": [{"session": {"jwt": "abcd1234"}}]}, "abcd1234"),
        ({"data": {"refresh_token": "no", "authToken": "abcd1234"}}, "abcd1234"),
        ({"auth": {"token": "none"}}, None),
        ({"refresh_token": "no", "token_type": "bearer"}, None),
    ],
)
def test_a_token_is_found_by_its_name_where_the_profile_does_not_know(answer: Any, token: Any, serve: Any) -> None:
    stranger = serve(lambda _path, _headers: (200, JSON, json.dumps(answer)))
    target = generic_target(stranger.url)
    auth = replace(target.auth, login="/login", body={}, roles={"user": Role(username="a", password="b")})
    info = StackInfo(target="x", name="x", backend="attach", url=stranger.url, owned=False)
    if token is None:
        with pytest.raises(AssertionError, match="expected a token at 'access_token'"):
            log_in(replace(target, auth=auth), info, "user")
    else:
        assert log_in(replace(target, auth=auth), info, "user") == token
