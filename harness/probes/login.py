"""Logs in as one of the profile's roles: for a token, or by a form in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model import PageLogin, StackInfo, Target
from harness.model.placeholders import fill
from harness.probes.address import SHARED_ADDRESSES
from harness.probes.exchange import Exchange
from harness.probes.http import RecordingClient

if TYPE_CHECKING:
    from playwright.sync_api import Page


_TOKEN = re.compile(r"(?:access|auth|bearer|id|session)?_?token|jwt", re.IGNORECASE)


def log_in(target: Target, info: StackInfo, role: str) -> str:
    """The bearer token of a role. Raises `AssertionError` where the service refuses the profile's account."""
    body = fill_body(target, info, role)
    mode = target.clients.address
    with RecordingClient(
        info.url,
        timeout_s=target.service.timeout_s,
        address_mode=mode,
        address=SHARED_ADDRESSES.fresh(mode),
        ca_file=info.ca_file,
    ) as client:
        sent = {"data" if target.auth.form else "json": body}
        answer = client.exchange("POST", target.auth.login, **sent)
    found = _at(answer, target.auth.token) or _named_like_one(answer)
    if answer.status >= 400 or not isinstance(found, str):
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


def _at(answer: Exchange, path: str) -> object:
    """The member at a dotted path of a JSON answer; None if there is none."""
    try:
        value: object = answer.json()
    except ValueError:
        return None
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _named_like_one(answer: Exchange) -> object:
    """A text of a JSON answer that is called as access tokens are, wherever it stands: a draft may not know where."""
    try:
        waiting: list[object] = [answer.json()]
    except ValueError:
        return None
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            named = (value for name, value in part.items() if _TOKEN.fullmatch(name) and isinstance(value, str))
            if found := next(filter(None, named), ""):
                return found
            waiting += part.values()
    return None


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
