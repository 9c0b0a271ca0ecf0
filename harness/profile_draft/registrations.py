"""How anybody makes an account, as a description of the API shows it. Nothing is tried."""

from __future__ import annotations

import re

from harness.probes.openapi import OpenApi, OpenApiError, Operation
from harness.profile_draft.logins import LoginShape, is_sendable, members_of
from harness.profile_draft.parts import DraftKey, DraftTable

_REGISTERS = re.compile(r"regist|sign-?up|(?:^|/)(?:users|accounts|join)(?:/(?:create|new|add))?/?$", re.IGNORECASE)
_PASSWORD = re.compile(r"(?:re-?|confirm_?|repeat_?)?pass(?:word|wd)_?(?:2|again|confirm\w*|repeat)?", re.IGNORECASE)
_MAIL = re.compile(r"e-?mail(?:_?address)?", re.IGNORECASE)
_NAME = re.compile(
    r"(?:user|login|account|display|full|first|last|given|family|nick|sur)?_?name|user|login", re.IGNORECASE
)
_BODIES = ("application/json", "application/x-www-form-urlencoded")


def registration_table(api: OpenApi, login: LoginShape | None) -> DraftTable | None:
    """The likeliest registration, where all that it demands is known: names, addresses of mail and passwords."""
    if login is None or not login.path or not login.username:
        return None
    for operation in api.operations:
        body = _body(api, operation, login)
        if body is not None:
            why = f"POST {operation.path} is described with {' and '.join(body)}, for everybody; it was not tried"
            # who logs in by mail is called by it
            mail = (("username", "hx{random}@example.org"),) if _MAIL.fullmatch(login.username) else ()
            keys = tuple(
                DraftKey(name=name, value=value, why=why)
                for name, value in (("path", operation.path), ("body", body), *mail)
            )
            note = "With --active, or where [allow] names the host, each run makes accounts of its own by it."
            return DraftTable(table="auth.register", keys=keys, notes=(note,))
    return None


def _body(api: OpenApi, operation: Operation, login: LoginShape) -> dict[str, str] | None:
    """What is sent to make an account; None where the operation does something else, or wants more than that."""
    if operation.method != "POST" or not _REGISTERS.search(operation.path) or not is_sendable(operation.path):
        return None
    if operation.path == login.path or operation.required or operation.needs_login or "{" in operation.path:
        return None
    for media in _BODIES:
        try:
            root = api.request_schema(operation, media)
        except OpenApiError:
            return None
        members, required = members_of(root, root)
        wanted = [name for name in members if name in required or name == login.username or _PASSWORD.fullmatch(name)]
        said = {name: _filled(name, login.username) for name in wanted}
        if login.username in said and "{password}" in said.values() and "" not in said.values():
            return said
    return None


def _filled(name: str, called: str) -> str:
    """What a member is given; "" where nobody knows."""
    if name == called:
        return "{username}"
    if _PASSWORD.fullmatch(name):
        return "{password}"
    if _MAIL.fullmatch(name):
        return "{username}@example.org"
    return "hx{random}" if _NAME.fullmatch(name) else ""
