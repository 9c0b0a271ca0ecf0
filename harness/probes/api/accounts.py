"""Accounts to ask as: those of the profile, and new ones where it says how anybody makes one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model import Role, StackInfo, Target
from harness.probes.api.inputs import plain_name
from harness.probes.api.pages import page_of, shows_again
from harness.probes.api.request import NOBODY, ApiAccount, ApiClient, leads_on, sent_cookies, succeeded
from harness.probes.cookies import SetCookie, parse_set_cookie
from harness.probes.exchange import Exchange
from harness.probes.login import resolved, token_of

CSRF_COOKIES = {"csrftoken": "X-CSRFToken", "xsrftoken": "X-XSRF-TOKEN", "csrf": "X-CSRF-Token"}
"""Cookie, by its plain name -> the header in which it is sent a second time."""
_NOT_OF_THAT_KIND = frozenset({400, 415, 422})
_ADMIN = ("admin", "operator", "root", "super", "staff", "manager", "owner", "moderator")


class NoAccountError(AssertionError):
    """An account was not made, or is not let in."""


@dataclass(frozen=True, slots=True)
class Login:
    """How the target lets accounts in and makes new ones, and who asks it."""

    target: Target
    info: StackInfo
    client: ApiClient
    made: list[Exchange] = field(default_factory=list)
    """The answers to registrations."""
    landings: list[str] = field(default_factory=list)
    """Where logins led to."""

    def words(self, username: str, password: str) -> dict[str, str]:
        """The login's body for an account."""
        given = {"username": username, "password": password}
        return {key: resolved(text, self.info, given) for key, text in self.target.auth.body.items()}

    def attempt(
        self,
        username: str,
        password: str,
        body: Mapping[str, Any] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Try to log in: by JSON, or by a form where JSON is not taken."""
        sent = dict(body) if body is not None else self.words(username, password)
        return self._hand_in(self.target.auth.login, sent, cookies or {})

    def _hand_in(self, path: str, sent: Mapping[str, Any], cookies: Mapping[str, str]) -> Exchange:
        has_texts = all(isinstance(each, str) for each in sent.values())
        if self.target.auth.form and has_texts:
            return self._fill_in(path, sent, cookies)
        answer = self.client.ask(NOBODY, "POST", path, json=sent, cookies=cookies)
        if answer.status in _NOT_OF_THAT_KIND and has_texts:
            by_form = self.client.ask(NOBODY, "POST", path, data=sent, cookies=cookies)
            if by_form.status not in _NOT_OF_THAT_KIND:
                return by_form
        return answer

    def _fill_in(self, path: str, sent: Mapping[str, str], cookies: Mapping[str, str]) -> Exchange:
        """Send a page's form as a browser does: with what its page hides in it, and the cookies of that page."""
        words = self.form_words(self.client.ask(NOBODY, "GET", path, cookies=cookies), sent, cookies)
        return self.client.ask(NOBODY, "POST", path, **words)

    def form_words(self, shown: Exchange, sent: Mapping[str, str], cookies: Mapping[str, str]) -> dict[str, Any]:
        """What is sent with a form of that page."""
        page = page_of(shown)
        forms = page.forms if page is not None else []
        hidden = next((each.hidden for each in forms if each.method == "post" and each.asks_for_password), {})
        own = {"Referer": shown.url, "Origin": self.info.url.rstrip("/")}
        return {"data": {**hidden, **sent}, "headers": own, "cookies": {**cookies_of(shown), **cookies}}

    def cookies_set(self, account: ApiAccount) -> tuple[Exchange, list[SetCookie]]:
        """The answer to a login, and the account's cookies as it sets them, or the page of the form before it."""
        answer = self.attempt(account.username, account.password)
        shown = [self.client.ask(NOBODY, "GET", self.target.auth.login)] if self.target.auth.form else []
        return answer, _own_cookies((answer, *shown), account)

    def lets_in(self, answer: Exchange) -> bool:
        """Did a login give what later requests need?"""
        return any(let_in(answer, self.target.auth.token))

    def enter(self, name: str, role: str, username: str, password: str, *, ours: bool = False) -> ApiAccount:
        """Log in. Raises `NoAccountError` where that gives neither token nor cookie."""
        answer = self.attempt(username, password)
        headers, cookies = let_in(answer, self.target.auth.token)
        self.landings.append(answer.header("Location") or "/")
        if not headers and not cookies:
            raise NoAccountError(
                f"POST {self.target.auth.login} answered {answer.status} to {role} without a token or a cookie"
            )
        return ApiAccount(
            name=name, role=role, username=username, password=password, headers=headers, cookies=cookies, ours=ours
        )

    def new_account(self) -> tuple[dict[str, str], dict[str, str]]:
        """A user name and a password that nobody has, and the body that registers them."""
        register = self.target.auth.register
        # a password that is like the name is refused by many
        random, other = ({"random": secrets.token_hex(6)} for _ in range(2))
        account = {
            "username": resolved(register.username, self.info, random),
            "password": resolved(register.password, self.info, other),
        }
        return account, {key: resolved(text, self.info, {**random, **account}) for key, text in register.body.items()}

    def sign_up(self, body: Mapping[str, Any]) -> Exchange:
        """Ask for a new account: by JSON, or by a form where JSON is not taken."""
        return self._hand_in(self.target.auth.register.path, dict(body), {})

    def register(self, name: str, more: Mapping[str, Any] | None = None) -> ApiAccount:
        """Make a new account, with more members in the request than the profile says, and log in as it."""
        account, body = self.new_account()
        answer = self.sign_up({**body, **(more or {})})
        self.made.append(answer)
        if answer.status >= 400 or shows_again(answer, body):
            path = self.target.auth.register.path
            again = " and the form again" if answer.status < 400 else ""
            raise NoAccountError(f"POST {path} made no account: it answered {answer.status}{again}")
        return self.enter(name, "user", account["username"], account["password"], ours=True)

    def given(self) -> Iterator[ApiAccount]:
        """The accounts of the profile that are let in here, by role: the first one, then the second."""
        for role, first in self.target.auth.roles.items():
            for name, each in ((f"the first {role}", first), (f"the second {role}", self.target.auth.second.get(role))):
                if each is not None and (account := self._given(name, role, each)) is not None:
                    yield account

    def _given(self, name: str, role: str, account: Role) -> ApiAccount | None:
        try:
            username, password = resolved(account.username, self.info), resolved(account.password, self.info)
            return self.enter(name, role, username, password)
        except (UsageError, NoAccountError):
            return None


def _own_cookies(answers: Iterable[Exchange], account: ApiAccount) -> list[SetCookie]:
    lines = [line for each in answers for line in each.header_lines("Set-Cookie")]
    found = {each.name: each for each in map(parse_set_cookie, reversed(lines))}
    own = [each for name, each in found.items() if name in account.cookies and each.purpose != "csrf"]
    # beside the session a login may set what is no secret: a language, a name to greet
    return [each for each in own if each.purpose == "session"] or own


def let_in(answer: Exchange, place: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a login's answer gives for later requests: headers with a token, or cookies."""
    if not succeeded(answer) and not 300 <= answer.status < 400:
        return {}, {}
    if token := token_of(answer, place):
        return {"Authorization": f"Bearer {token}"}, {}
    if _asks_again(answer):
        return {}, {}
    # a session may have begun with the page that has the form
    cookies = {**(sent_cookies(answer) if leads_on(answer) else {}), **cookies_of(answer)}
    if all(plain_name(key) in CSRF_COOKIES for key in cookies):
        return {}, {}
    twice = {header: cookies[key] for key in cookies if (header := CSRF_COOKIES.get(plain_name(key)))}
    return twice, cookies


def _asks_again(answer: Exchange) -> bool:
    """Is whoever logged in shown the login's form again, or led back to it?"""
    page = page_of(answer)
    leads_back = urlsplit(answer.header("Location") or "").path == urlsplit(answer.url).path
    return leads_back or (page is not None and any(each.asks_for_password for each in page.forms))


def cookies_of(answer: Exchange) -> dict[str, str]:
    """Cookies that an answer sets to something."""
    found: dict[str, str] = {}
    for line in answer.header_lines("Set-Cookie"):
        try:
            read = SimpleCookie(line)
        except CookieError:
            continue
        found |= {key: each.coded_value for key, each in read.items() if each.value and each["max-age"] != "0"}
    return found


def is_privileged(role: str) -> bool:
    """Does a role, by its name, stand above others?"""
    return any(word in role.lower() for word in _ADMIN)
