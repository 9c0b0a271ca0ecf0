"""What a page of HTML says of other pages, of an API's description, and of a form to log in by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_SIMPLE = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_TYPED = frozenset({"", "email", "text", "tel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFields:
    """CSS selectors of a login form's fields; `username` is "" where a password is all that it asks for."""

    username: str
    password: str


@dataclass(slots=True)
class PageMarkup:
    """Links in the order of the page, those to descriptions of an API, and the first form to log in by."""

    links: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    form: LoginFields | None = None
    """A form with two passwords, to register or to change it, is no login."""


def read_markup(text: str) -> PageMarkup:
    """Read a page, however broken it is."""
    parser = _Parser()
    try:
        parser.feed(text)
        parser.close()
    except AssertionError:
        # Python's parser gives up on some malformed declarations: what came before them is known
        return parser.markup
    return parser.markup


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.markup = PageMarkup()
        self._typed = ""
        self._passwords: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        match tag:
            case "a" if "href" in said:
                self.markup.links.append(said["href"])
            case "link" if {"service-desc", "describedby"} & set(said.get("rel", "").lower().split()):
                self.markup.descriptions.append(said.get("href", ""))
            case "form":
                self._typed, self._passwords = "", []
            case "input":
                self._field(said)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and len(self._passwords) == 1 and self.markup.form is None:
            self.markup.form = LoginFields(username=self._typed, password=self._passwords[0])

    def _field(self, said: dict[str, str]) -> None:
        kind = said.get("type", "").lower()
        if kind == "password":
            self._passwords.append(_selector(said) or 'input[type="password"]')
        elif kind in _TYPED and not self._passwords:
            self._typed = _selector(said)


def _selector(said: dict[str, str]) -> str:
    if _SIMPLE.fullmatch(said.get("id", "")):
        return f"#{said['id']}"
    name = said.get("name", "")
    return f'input[name="{name}"]' if _SIMPLE.fullmatch(name) else ""
