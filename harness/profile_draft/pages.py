"""Pages for a browser: the front page, those it links to, and the one that asks for a password."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.probes.acts import ACTS
from harness.probes.exchange import Exchange
from harness.probes.page_parts import PageForm, read_parts
from harness.profile_draft.logins import LoginShape
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
    shown, closed, data = _follow(reader, front, start, links[:most])
    form = _form_page(reader, shown)
    behind = [path for path, landed in closed.items() if form and landed.partition("?")[0] in (form, path)]
    by_script = " once its scripts ran" if rendered is not None else ""
    why = f"GET {start} answered with HTML" + (
        f", and pages that it links to{by_script} did too" if len(shown) > 1 else ""
    )
    first = f"Behind a login: {', '.join(behind)}. Such a page" if behind else "A page behind a login"
    note = f"{first} is tested once it stands in paths, and in [pages.roles] with a role of [auth.roles]."
    kept = tuple(path for at, path in enumerate(shown) if at < _MOST_KEPT or path == form)
    others = [path for path in shown if path not in kept]
    more = f"Pages as well, each of which takes a browser some seconds: {', '.join(others)}"
    paths = DraftKey(name="paths", value=kept, why=why)
    notes = (*((note,) if form else ()), *((more,) if others else ()))
    pages = DraftTable(table="pages", keys=(paths,), notes=notes)
    return FoundPages(
        parts=(pages, *_login_tables(form, shown)),
        shown=tuple(shown),
        reads=tuple(dict.fromkeys((*_reads(reader, rendered), *data))),
        title=rendered.title if rendered is not None else parts.title,
        login=(login := _form_login(form, shown)),
        registration=registration_form(shown, login),
    )


def _reads(reader: DraftReader, rendered: Rendered | None) -> tuple[str, ...]:
    paths = [reader.local_path(read) for read in rendered.reads] if rendered is not None else []
    return tuple(dict.fromkeys(path for path in paths if path and "?" not in path and not ACTS.search(path)))


def _form_login(path: str | None, shown: dict[str, Exchange]) -> LoginShape | None:
    """A form that goes to its own page, by the names of its fields: only such a one is sure to be sent aright."""
    form = _login_on(shown[path]) if path is not None else None
    password = form.password.name if form is not None and form.password is not None else ""
    if path is None or form is None or form.method != "post" or not password:
        return None
    if (form.action or "").partition("?")[0] not in ("", path, path.rsplit("/", 1)[-1]):
        return None
    username = form.username.name if form.username is not None else ""
    why = f"the form at {path} is sent there with {username or 'nothing'} and {password}; it was not tried"
    return LoginShape(why=why, kind="cookie", path=path, username=username, password=password, form=True)


def _login_on(page: Exchange) -> PageForm | None:
    return read_parts(page.text).login


def _follow(
    reader: DraftReader, front: Exchange, start: str, links: Sequence[str]
) -> tuple[dict[str, Exchange], dict[str, str], list[str]]:
    """Pages that answer everybody, where those that do not led to, and paths of data."""
    shown, closed, data = {start: front}, dict[str, str](), list[str]()
    for path in links:
        landed, answer = reader.land(path)
        if answer is None:
            continue
        if landed != path or answer.status in (401, 403):
            closed[path] = landed
        if media_type_of(answer) == "text/html" and "?" not in landed:
            shown.setdefault(landed, answer)
        if media_type_of(answer) == "application/json" and landed == path:
            data.append(path)
    return shown, closed, data


def _form_page(reader: DraftReader, shown: dict[str, Exchange]) -> str | None:
    """The page with the login form, put among those shown if only a usual name led to it."""
    for path, answer in shown.items():
        if _login_on(answer) is not None:
            return path
    for place in _LOGINS:
        landed, found = reader.land(place)
        if found is not None and media_type_of(found) == "text/html" and _login_on(found) is not None:
            path = landed.partition("?")[0]
            shown[path] = found
            return path
    return None


def _login_tables(path: str | None, shown: dict[str, Exchange]) -> tuple[DraftTable, ...]:
    form = _login_on(shown[path]) if path is not None else None
    if path is None or form is None or form.password is None:
        return ()
    why = f"the form at {path} asks for one password; it is sent with Enter, unless `submit` names a button"
    username = form.username.selector if form.username is not None else ""
    user = (("username", username),) if username else ()
    found = (("path", path), *user, ("password", form.password.selector or 'input[type="password"]'))
    keys = tuple(DraftKey(name=name, value=value, why=why) for name, value in found)
    return (DraftTable(table="pages.login", keys=keys),)


def _links(reader: DraftReader, links: Iterable[str], at: str) -> tuple[str, ...]:
    """Paths that a page links to: without a query, no files, no acts, and one of those that differ in numbers only."""
    kinds: dict[str, str] = {}
    for link in links:
        path = reader.local_path(link, at)
        if path is not None and path != at and "?" not in path and not _FILE.search(path) and not ACTS.search(path):
            kinds.setdefault(_NUMBER.sub("0", path), path)
    return tuple(kinds.values())
