"""How anybody makes an account, as a description of the API shows it. Nothing is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.probes.api.pages import WebForm, page_of
from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, Operation
from harness.profile_draft.logins import LoginShape, goes_to_itself, posted_bodies
from harness.profile_draft.parts import DraftKey, DraftTable

_REGISTERS = re.compile(r"regist|sign-?up|(?:^|/)(?:users|accounts|join)(?:/(?:create|new|add))?/?$", re.IGNORECASE)
_PASSWORD = re.compile(r"(?:re-?|confirm_?|repeat_?)?pass(?:word|wd)_?(?:2|again|confirm\w*|repeat)?", re.IGNORECASE)
_MAIL = re.compile(r"e-?mail(?:_?address)?", re.IGNORECASE)
_NAME = re.compile(
    r"(?:user|login|account|display|full|first|last|given|family|nick|sur)?_?name|user|login", re.IGNORECASE
)
_OF_A_LOGIN = frozenset({"{username}", "{password}"})


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
    for path, form in _forms(shown, login.path):
        body = _typed(form, login.username)
        if body is not None and goes_to_itself(form.action, path):
            why = f"the form at {path} is sent there with {' and '.join(body)}; it was not tried"
            return _table(path, body, login.username, why)
    return None


def _forms(shown: Mapping[str, Exchange], but: str) -> Iterator[tuple[str, WebForm]]:
    """The forms of pages that are called so, each with its path."""
    for path, answer in shown.items():
        page = page_of(answer) if path != but and _REGISTERS.search(path) else None
        yield from ((path, form) for form in (page.forms if page is not None else ()))


def _typed(form: WebForm, called: str) -> dict[str, str] | None:
    """What is typed into the form; None where it is for something else, or demands what nobody knows."""
    fields = [each for each in form.fields.values() if each.kind not in ("hidden", "checkbox")]
    known = {each.name: "{password}" if each.kind == "password" else _filled(each.name, called) for each in fields}
    said = {each.name: known[each.name] for each in fields if known[each.name] or each.required}
    return said if form.method == "post" and _is_whole(said) else None


def _is_whole(said: Mapping[str, str]) -> bool:
    return set(said.values()) >= _OF_A_LOGIN and "" not in said.values()


def _table(path: str, body: Mapping[str, str], called: str, why: str) -> DraftTable:
    # who logs in by mail is called by it
    mail = (("username", "hx{random}@example.org"),) if _MAIL.fullmatch(called) else ()
    said = (("path", path), ("body", dict(body)), *mail)
    keys = tuple(DraftKey(name=name, value=value, why=why) for name, value in said)
    note = "With --active, or where [allow] names the host, each run makes accounts of its own by it."
    return DraftTable(table="auth.register", keys=keys, notes=(note,))


def _body(api: OpenApi, operation: Operation, login: LoginShape) -> dict[str, str] | None:
    """What is sent to make an account; None where the operation does something else, or wants more than that."""
    if not _is_open(operation) or operation.path == login.path:
        return None
    for body in posted_bodies(api, operation):
        filled = {name: _filled(name, login.username) for name in body.members}
        said = {name: text for name, text in filled.items() if name in body.required or text in _OF_A_LOGIN}
        if _is_whole(said):
            return said
    return None


def _is_open(operation: Operation) -> bool:
    """Is it called as what makes an account, for everybody?"""
    is_called_so = _REGISTERS.search(operation.path) is not None
    return is_called_so and not operation.needs_login and "{" not in operation.path


def _filled(name: str, called: str) -> str:
    """What a member is given; "" where nobody knows."""
    if name == called:
        return "{username}"
    if _PASSWORD.fullmatch(name):
        return "{password}"
    if _MAIL.fullmatch(name):
        return "{username}@example.org"
    return "hx{random}" if _NAME.fullmatch(name) else ""
