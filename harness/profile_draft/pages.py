"""Pages for a browser: the front page, those it links to, and the one that asks for a password."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.probes.exchange import Exchange
from harness.profile_draft.description import ACTS
from harness.profile_draft.markup import read_markup
from harness.profile_draft.parts import Key, Part
from harness.profile_draft.reader import Reader, kind_of

_MOST_LINKS = 6
_FILE = re.compile(r"\.(?!html?$)\w{1,5}$", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What is known of the pages: `shown` answer everybody with HTML."""

    parts: tuple[Part, ...]
    shown: tuple[str, ...] = ()


def find_pages(reader: Reader) -> Pages:
    """Look at the front page and at the first links of each kind on it; a link that may act is left alone."""
    start, front = reader.land("/")
    if front is None or kind_of(front) != "text/html":
        note = "GET / did not answer with a page. If there are pages elsewhere:"
        return Pages(parts=(Part(table="pages", notes=(note,), example=("[pages]", 'paths = ["/"]')),))
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
    paths = Key(name="paths", value=tuple(shown), why=why)
    pages = Part(table="pages", keys=(paths,), notes=(note,) if form else ())
    return Pages(parts=(pages, _login_part(form, shown)) if form else (pages,), shown=tuple(shown))


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


def _login_part(path: str, shown: dict[str, Exchange]) -> Part:
    form = read_markup(shown[path].text)
    why = f"the form at {path} asks for one password; it is sent with Enter, unless `submit` names a button"
    found = (("path", path), ("username", form.username), ("password", form.password))
    return Part(table="pages.login", keys=tuple(Key(name=name, value=value, why=why) for name, value in found))


def _links(reader: Reader, page: Exchange, at: str) -> tuple[str, ...]:
    """Paths that a page links to: without a query, no files, no acts, and one of those that differ in numbers only."""
    kinds: dict[str, str] = {}
    for link in read_markup(page.text).links:
        path = reader.local_path(link, at)
        if path is not None and path != at and "?" not in path and not _FILE.search(path) and not ACTS.search(path):
            kinds.setdefault(_NUMBER.sub("0", path), path)
    return tuple(kinds.values())[:_MOST_LINKS]
