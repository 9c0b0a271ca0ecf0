"""Logs in as one of the profile's roles: for a token, or by a form in a browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model import PageLogin, StackInfo, Target
from harness.model.placeholders import fill
from harness.probes.address import SHARED_ADDRESSES
from harness.probes.api.inputs import leaves, plain_name
from harness.probes.exchange import Exchange
from harness.probes.http import RecordingClient

if TYPE_CHECKING:
    from playwright.sync_api import Page


_TOKEN_NAMES = ("accesstoken", "token", "authtoken", "jwt", "idtoken", "sessiontoken", "bearertoken", "sessionid")
_SHORTEST_TOKEN = 8


def client_of(target: Target, info: StackInfo) -> RecordingClient:
    """A client of the stack, of an address that nobody had."""
    mode = target.clients.address
    return RecordingClient(
        info.url,
        timeout_s=target.service.timeout_s,
        address_mode=mode,
        address=SHARED_ADDRESSES.fresh(mode),
        ca_file=info.ca_file,
    )


def log_in(target: Target, info: StackInfo, role: str) -> str:
    """The bearer token of a role. Raises `AssertionError` where the service refuses the profile's account."""
    body = fill_body(target, info, role)
    with client_of(target, info) as client:
        sent = {"data" if target.auth.form else "json": body}
        answer = client.exchange("POST", target.auth.login, **sent)
    found = token_of(answer, target.auth.token)
    if answer.status >= 400 or not found:
        raise AssertionError(
            f"login as {role}: expected a token at {target.auth.token!r} from POST {target.auth.login},"
            f" got status {answer.status}"
        )
    return found


def fill_body(target: Target, info: StackInfo, role: str) -> dict[str, str]:
    """What a login of the role sends."""
    username, password = account_of(target, info, role)
    words = {"username": username, "password": password}
    return {key: resolved(value, info, words) for key, value in target.auth.body.items()}


def account_of(target: Target, info: StackInfo, role: str) -> tuple[str, str]:
    """User name and password of a role. Raises `UsageError` naming the placeholder that has no value here."""
    account = target.auth.roles[role]
    return resolved(account.username, info), resolved(account.password, info)


def log_in_by_form(page: Page, form: PageLogin, username: str, password: str) -> None:
    """Fill in the form and send it. Raises `AssertionError` where the browser is not led away from its page."""
    from playwright.sync_api import TimeoutError as NotInTime

    page.goto(form.path)
    begun = urlsplit(page.url).path
    if form.username:
        page.fill(form.username, username)
    page.fill(form.password, password)
    try:
        if form.submit:
            page.click(form.submit)
        else:
            page.press(form.password, "Enter")
        page.wait_for_url(lambda url: urlsplit(url).path != begun, wait_until="domcontentloaded")
    except NotInTime as error:
        raise AssertionError(f"login by form: the browser is still at {form.path} after the form was sent") from error


def token_of(answer: Exchange, place: str) -> str:
    """The token in a JSON answer: at a dotted path, else, since a draft may not know it, where it is called like one.

    "" if there is none.
    """
    try:
        body = answer.json()
    except ValueError:
        return ""
    found = {".".join(map(str, way)): value for way, value in leaves(body) if isinstance(value, str)}
    if found.get(place):
        return found[place]
    for name in _TOKEN_NAMES:
        for way, value in found.items():
            if plain_name(way.rpartition(".")[2]) == name and len(value) >= _SHORTEST_TOKEN:
                return value
    return ""


def resolved(text: str, info: StackInfo, words: Mapping[str, str] | None = None) -> str:
    """Fill in `words`, `{secret.NAME}` (of our own stacks) and `{env.NAME}` (of the caller).

    Raises `UsageError` naming what has no value.
    """

    def value_of(placeholder: str) -> str:
        if words is not None and placeholder in words:
            return words[placeholder]
        kind, _, name = placeholder.partition(".")
        value = {"secret": info.secrets, "env": os.environ}.get(kind, {}).get(name)
        if value is None:
            what = f"set the environment variable {name}" if kind == "env" else "a stack that we started knows it"
            raise UsageError(f"[auth]: {{{placeholder}}} has no value here; {what}")
        return value

    return fill(text, value_of)
