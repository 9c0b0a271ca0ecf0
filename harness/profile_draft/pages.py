"""Pages for a browser: the front page, those it links to, and the one that asks for a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from harness.probes.exchange import Exchange
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import ACTS, Reader, kind_of

_MOST_LINKS = 6
_FILE = re.compile(r"\.(?!html?$)\w{1,5}$", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
_SIMPLE = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_TYPED = frozenset({"", "email", "text", "tel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPages:
    """What is known of the pages: `shown` answer everybody with HTML."""

    parts: tuple[DraftTable, ...]
    shown: tuple[str, ...] = ()


def find_pages(reader: Reader) -> FoundPages:
    """Look at the front page and at the first links of each kind on it; a link that may act is left alone."""
    start, front = reader.land("/")
    if front is None or kind_of(front) != "text/html":
        note = "GET / did not answer with a page. If there are pages elsewhere:"
        return FoundPages(parts=(DraftTable(table="pages", notes=(note,), example=("[pages]", 'paths = ["/"]')),))
    shown, closed = {start: front}, dict[str, str]()
    for path in _links(reader, front, start):
        landed, answer = reader.land(path)
        if answer is not None and (landed != path or answer.status in (401, 403)):
            closed[path] = landed
        if answer is not None and kind_of(answer) == "text/html" and "?" not in landed:
            shown.setdefault(landed, answer)
    form = _form_page(reader, shown)
    behind = [path for path, landed in closed.items() if form and landed.partition("?")[0] in (form, path)]
    why = f"GET {start} answered with HTML" + (", and pages that it links to did too" if len(shown) > 1 else "")
    first = f"Behind a login: {', '.join(behind)}. Such a page" if behind else "A page behind a login"
    note = f"{first} is tested once it stands in paths, and in [pages.roles] with a role of [auth.roles]."
    paths = DraftKey(name="paths", value=tuple(shown), why=why)
    pages = DraftTable(table="pages", keys=(paths,), notes=(note,) if form else ())
    return FoundPages(parts=(pages, _login_part(form, shown)) if form else (pages,), shown=tuple(shown))


def _form_page(reader: Reader, shown: dict[str, Exchange]) -> str:
    """The page with the login form, put among those shown if only its usual name led to it; "" if there is none."""
    for path, answer in shown.items():
        if read_markup(answer.text).password:
            return path
    landed, found = reader.land("/login")
    path = landed.partition("?")[0]
    if found is None or kind_of(found) != "text/html" or not read_markup(found.text).password:
        return ""
    shown[path] = found
    return path


def _login_part(path: str, shown: dict[str, Exchange]) -> DraftTable:
    form = read_markup(shown[path].text)
    why = f"the form at {path} asks for one password; it is sent with Enter, unless `submit` names a button"
    found = (("path", path), ("username", form.username), ("password", form.password))
    return DraftTable(
        table="pages.login", keys=tuple(DraftKey(name=name, value=value, why=why) for name, value in found)
    )


def _links(reader: Reader, page: Exchange, at: str) -> tuple[str, ...]:
    """Paths that a page links to: without a query, no files, no acts, and one of those that differ in numbers only."""
    kinds: dict[str, str] = {}
    for link in read_markup(page.text).links:
        path = reader.local_path(link, at)
        if path is not None and path != at and "?" not in path and not _FILE.search(path) and not ACTS.search(path):
            kinds.setdefault(_NUMBER.sub("0", path), path)
    return tuple(kinds.values())[:_MOST_LINKS]


@dataclass(slots=True)
class PageMarkup:
    """Links in the order of the page, descriptions of an API, and CSS selectors of the login form's two fields."""

    links: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    username: str = ""
    password: str = ""
    """"" where no form asks for one. A form with two, to register or to change it, is no login."""


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
        if tag == "form" and len(self._passwords) == 1 and self._typed and not self.markup.password:
            self.markup.username, self.markup.password = self._typed, self._passwords[0]

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
