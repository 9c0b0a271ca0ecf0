"""How anybody makes an account, as a description of the API shows it. Nothing is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.probes.api.pages import PageForm, page_of
from harness.probes.exchange import Exchange
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
            return _table(operation.path, body, login.username, why)
    return None


def registration_form(shown: Mapping[str, Exchange], login: LoginShape | None) -> DraftTable | None:
    """The form of a page to make an account, where all that it demands is known, and which goes to its own page."""
    if login is None or not login.form or not login.username:
        return None
    for path, answer in shown.items():
        page = page_of(answer) if path != login.path and _REGISTERS.search(path) else None
        for form in page.forms if page is not None else ():
            body = _typed(form, login.username)
            if body is not None and form.action.partition("?")[0] in ("", path, path.rsplit("/", 1)[-1]):
                why = f"the form at {path} is sent there with {' and '.join(body)}; it was not tried"
                return _table(path, body, login.username, why)
    return None


def _typed(form: PageForm, called: str) -> dict[str, str] | None:
    """What is typed into the form; None where it is for something else, or demands what nobody knows."""
    fields = [each for each in form.fields.values() if each.kind not in ("hidden", "checkbox")]
    known = {each.name: "{password}" if each.kind == "password" else _filled(each.name, called) for each in fields}
    said = {each.name: known[each.name] for each in fields if known[each.name] or each.required}
    is_whole = {"{username}", "{password}"} <= set(said.values()) and "" not in said.values()
    return said if form.method == "post" and is_whole else None


def _table(path: str, body: Mapping[str, str], called: str, why: str) -> DraftTable:
    # who logs in by mail is called by it
    mail = (("username", "hx{random}@example.org"),) if _MAIL.fullmatch(called) else ()
    said = (("path", path), ("body", dict(body)), *mail)
    keys = tuple(DraftKey(name=name, value=value, why=why) for name, value in said)
    note = "With --active, or where [allow] names the host, each run makes accounts of its own by it."
    return DraftTable(table="auth.register", keys=keys, notes=(note,))


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
