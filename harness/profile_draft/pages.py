"""Pages for a browser: the front page, those it links to, and the one that asks for a password."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.probes.exchange import Exchange
from harness.probes.page_markup import read_markup
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import ACTS, DraftReader, kind_of

_MOST_LINKS = 6
_FILE = re.compile(r"\.(?!html?$)\w{1,5}$", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPages:
    """What is known of the pages: `shown` answer everybody with HTML."""

    parts: tuple[DraftTable, ...]
    shown: tuple[str, ...] = ()


def find_pages(reader: DraftReader) -> FoundPages:
    """Look at the front page and at the first links of each kind on it; a link that may act is left alone."""
    start, front = reader.land("/")
    if front is None or kind_of(front) != "text/html":
        note = "GET / did not answer with a page. If there are pages elsewhere:"
        return FoundPages(parts=(DraftTable(table="pages", notes=(note,), example=("[pages]", 'paths = ["/"]')),))
    shown, closed = _follow(reader, front, start)
    form = _form_page(reader, shown)
    behind = [path for path, landed in closed.items() if form and landed.partition("?")[0] in (form, path)]
    why = f"GET {start} answered with HTML" + (", and pages that it links to did too" if len(shown) > 1 else "")
    first = f"Behind a login: {', '.join(behind)}. Such a page" if behind else "A page behind a login"
    note = f"{first} is tested once it stands in paths, and in [pages.roles] with a role of [auth.roles]."
    paths = DraftKey(name="paths", value=tuple(shown), why=why)
    pages = DraftTable(table="pages", keys=(paths,), notes=(note,) if form else ())
    return FoundPages(parts=(pages, *_login_tables(form, shown)), shown=tuple(shown))


def _follow(reader: DraftReader, front: Exchange, start: str) -> tuple[dict[str, Exchange], dict[str, str]]:
    """Pages that answer everybody, and where those that do not led to."""
    shown, closed = {start: front}, dict[str, str]()
    for path in _links(reader, front, start):
        landed, answer = reader.land(path)
        if answer is None:
            continue
        if landed != path or answer.status in (401, 403):
            closed[path] = landed
        if kind_of(answer) == "text/html" and "?" not in landed:
            shown.setdefault(landed, answer)
    return shown, closed


def _form_page(reader: DraftReader, shown: dict[str, Exchange]) -> str | None:
    """The page with the login form, put among those shown if only its usual name led to it."""
    for path, answer in shown.items():
        if read_markup(answer.text).form is not None:
            return path
    landed, found = reader.land("/login")
    path = landed.partition("?")[0]
    if found is None or kind_of(found) != "text/html" or read_markup(found.text).form is None:
        return None
    shown[path] = found
    return path


def _login_tables(path: str | None, shown: dict[str, Exchange]) -> tuple[DraftTable, ...]:
    form = read_markup(shown[path].text).form if path is not None else None
    if path is None or form is None:
        return ()
    why = f"the form at {path} asks for one password; it is sent with Enter, unless `submit` names a button"
    found = (("path", path), ("username", form.username), ("password", form.password))
    keys = tuple(DraftKey(name=name, value=value, why=why) for name, value in found)
    return (DraftTable(table="pages.login", keys=keys),)


def _links(reader: DraftReader, page: Exchange, at: str) -> tuple[str, ...]:
    """Paths that a page links to: without a query, no files, no acts, and one of those that differ in numbers only."""
    kinds: dict[str, str] = {}
    for link in read_markup(page.text).links:
        path = reader.local_path(link, at)
        if path is not None and path != at and "?" not in path and not _FILE.search(path) and not ACTS.search(path):
            kinds.setdefault(_NUMBER.sub("0", path), path)
    return tuple(kinds.values())[:_MOST_LINKS]
