"""Pages for a browser: the front page, those it links to, and the one that asks for a password."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.probes.acts import ACTS
from harness.probes.exchange import Exchange
from harness.probes.page_parts import PageField, PageForm, read_parts
from harness.profile_draft.logins import LoginShape, goes_to_itself
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import DraftReader, media_type_of
from harness.profile_draft.registrations import registration_form
from harness.profile_draft.rendered import Rendered, render

MOST_LINKS = 30
_MOST_KEPT = 10
"""As many pages as a browser gets through in a minute; the others are named."""
_LOGINS = ("/login", "/signin", "/users/sign_in", "/accounts/login/", "/auth/login", "/admin/")
"""Where frameworks have their form to log in."""
_FILE = re.compile(r"\.(?!html?$)\w{1,5}$", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPages:
    """What is known of the pages: `shown` answer everybody with HTML."""

    parts: tuple[DraftTable, ...]
    shown: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    """Paths of data that the front page links to, or its scripts read."""
    title: str = ""
    login: LoginShape | None = None
    """The form, where a client can send it as a browser does."""
    registration: DraftTable | None = None


def find_pages(reader: DraftReader, most: int = MOST_LINKS) -> FoundPages:
    """Look at the front page and at the first links of each kind on it; a link that may act is left alone."""
    start, front = reader.land("/")
    if front is None or media_type_of(front) != "text/html":
        note = "GET / did not answer with a page. If there are pages elsewhere:"
        return FoundPages(parts=(DraftTable(table="pages", notes=(note,), example=("[pages]", 'paths = ["/"]')),))
    parts = read_parts(front.text)
    links = _links(reader, parts.links, start)
    rendered = render(reader.url, start) if parts.scripts else None
    if rendered is not None:
        links = tuple(dict.fromkeys((*links, *_links(reader, rendered.links, start))))
    followed = _follow(reader, front, start, links[:most])
    shown = followed.shown
    form = _login_page(reader, shown)
    by_script = " once its scripts ran" if rendered is not None else ""
    linked = f", and pages that it links to{by_script} did too" if len(shown) > 1 else ""
    pages = _pages_table(followed, form, f"GET {start} answered with HTML{linked}")
    login = _form_login(form) if form is not None else None
    return FoundPages(
        parts=(pages, _login_table(form)) if form is not None else (pages,),
        shown=tuple(shown),
        reads=tuple(dict.fromkeys((*_reads(reader, rendered), *followed.data))),
        title=rendered.title if rendered is not None else parts.title,
        login=login,
        registration=registration_form(shown, login),
    )


@dataclass(frozen=True, slots=True)
class _Followed:
    """Pages that answer everybody, where those that do not led to, and paths of data."""

    shown: dict[str, Exchange]
    closed: dict[str, str]
    data: list[str]


@dataclass(frozen=True, slots=True)
class _LoginPage:
    """The page with the form to log in by."""

    path: str
    form: PageForm
    password: PageField


def _pages_table(followed: _Followed, login: _LoginPage | None, why: str) -> DraftTable:
    form = login.path if login is not None else None
    kept = tuple(path for at, path in enumerate(followed.shown) if at < _MOST_KEPT or path == form)
    others = [path for path in followed.shown if path not in kept]
    more = f"Pages as well, each of which takes a browser some seconds: {', '.join(others)}"
    notes = (*_note_on_closed(followed, form), *((more,) if others else ()))
    return DraftTable(table="pages", keys=(DraftKey(name="paths", value=kept, why=why),), notes=notes)


def _note_on_closed(followed: _Followed, form: str | None) -> tuple[str, ...]:
    if form is None:
        return ()
    behind = [path for path, landed in followed.closed.items() if landed.partition("?")[0] in (form, path)]
    first = f"Behind a login: {', '.join(behind)}. Such a page" if behind else "A page behind a login"
    return (f"{first} is tested once it stands in paths, and in [pages.roles] with a role of [auth.roles].",)


def _reads(reader: DraftReader, rendered: Rendered | None) -> tuple[str, ...]:
    paths = [reader.local_path(read) for read in rendered.reads] if rendered is not None else []
    return tuple(dict.fromkeys(path for path in paths if path and "?" not in path and not ACTS.search(path)))


def _form_login(page: _LoginPage) -> LoginShape | None:
    """A form that goes to its own page, by the names of its fields."""
    path, form, password = page.path, page.form, page.password.name
    if form.method != "post" or not password or not goes_to_itself(form.action or "", path):
        return None
    username = form.username.name if form.username is not None else ""
    why = f"the form at {path} is sent there with {username or 'nothing'} and {password}; it was not tried"
    return LoginShape(why=why, kind="cookie", path=path, username=username, password=password, form=True)


def _follow(reader: DraftReader, front: Exchange, start: str, links: Sequence[str]) -> _Followed:
    found = _Followed({start: front}, {}, [])
    for path in links:
        landed, answer = reader.land(path)
        if answer is None:
            continue
        if landed != path or answer.status in (401, 403):
            found.closed[path] = landed
        if media_type_of(answer) == "text/html" and "?" not in landed:
            found.shown.setdefault(landed, answer)
        if media_type_of(answer) == "application/json" and landed == path:
            found.data.append(path)
    return found


def _login_page(reader: DraftReader, shown: dict[str, Exchange]) -> _LoginPage | None:
    """The page with the login form, put among those shown if only a usual name led to it."""
    for path, answer in shown.items():
        if (page := _login_on(path, answer)) is not None:
            return page
    for place in _LOGINS:
        landed, found = reader.land(place)
        if found is None or media_type_of(found) != "text/html":
            continue
        page = _login_on(landed.partition("?")[0], found)
        if page is not None:
            shown[page.path] = found
            return page
    return None


def _login_on(path: str, answer: Exchange) -> _LoginPage | None:
    form = read_parts(answer.text).login
    return _LoginPage(path, form, form.password) if form is not None and form.password is not None else None


def _login_table(page: _LoginPage) -> DraftTable:
    why = f"the form at {page.path} asks for one password; it is sent with Enter, unless `submit` names a button"
    username = page.form.username.selector if page.form.username is not None else ""
    user = (("username", username),) if username else ()
    found = (("path", page.path), *user, ("password", page.password.selector or 'input[type="password"]'))
    return DraftTable(
        table="pages.login", keys=tuple(DraftKey(name=name, value=value, why=why) for name, value in found)
    )


def _links(reader: DraftReader, links: Iterable[str], at: str) -> tuple[str, ...]:
    """Paths that a page links to: without a query, no files, no acts, and one of those that differ in numbers only."""
    kinds: dict[str, str] = {}
    for link in links:
        path = reader.local_path(link, at)
        if path is not None and path != at and "?" not in path and not _FILE.search(path) and not ACTS.search(path):
            kinds.setdefault(_NUMBER.sub("0", path), path)
    return tuple(kinds.values())
