"""What a service shows to whoever follows its links: answers, places for input, and folders that may lie open.

All of it is read by GET, without cookies. A link that may act is left alone, of links that differ in numbers or values
only the first is followed, and the walk ends at `MOST_ANSWERS` or `MOST_SECONDS`.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from harness.probes.acts import ACTS
from harness.probes.document import is_page
from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.http import ServiceUnavailable
from harness.probes.landing import Ask, ask_once, land
from harness.probes.openapi_places import local_path
from harness.probes.page_parts import PageParts, read_parts

MOST_ANSWERS = 100
MOST_SECONDS = 20.0
_MOST_OF_A_PAGE = 40
_MOST_FOLDERS = 12
USUAL_PATHS = (
    *("/search", "/login", "/signin", "/about", "/contact", "/products", "/product", "/items", "/item", "/users"),
    *("/user", "/profile", "/account", "/hello", "/greet", "/welcome", "/echo", "/page", "/view", "/article"),
    *("/posts", "/orders", "/admin", "/redirect", "/go", "/out", "/api/users", "/api/items", "/api/products"),
    *("/api/orders", "/api/search", "/api/me", "/api/v1/users", "/api", "/users.json"),
)
"""Where services of many kinds take input, tried where nobody links to them."""
_FILE = re.compile(r"\.(?!html?$|php$|aspx?$|jsp$|do$|cgi$|json$)\w{1,5}$", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
_ROBOTS = re.compile(r"^(?:dis)?allow:\s*+(/[^\s*$]*+)\s*+$", re.IGNORECASE | re.MULTILINE)
_BROKEN = (404, 410)
_ERROR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAnswer:
    """An answer to a GET, and the page that led to it."""

    path: str
    exchange: Exchange
    found_on: str = ""
    """"" for what was known before, or tried by its usual name."""
    parts: PageParts | None = None
    """Of a page of HTML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPlace:
    """A path and the parameters of its query that somebody named, each with a value that was seen there."""

    path: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that was seen."""

    answers: tuple[SeenAnswer, ...] = ()
    inputs: tuple[InputPlace, ...] = ()
    folders: tuple[str, ...] = ()
    stopped: str = ""
    """Why the walk ended before it had seen all; "" if it did not."""

    @property
    def shown(self) -> tuple[SeenAnswer, ...]:
        """Answers of success."""
        return tuple(one for one in self.answers if one.exchange.status < 300)

    @property
    def pages(self) -> tuple[SeenAnswer, ...]:
        """Pages of HTML among them."""
        return tuple(one for one in self.shown if one.parts is not None)

    @property
    def dead(self) -> tuple[SeenAnswer, ...]:
        """What a page links to and is not there."""
        return tuple(
            one
            for one in self.answers
            if one.found_on and (one.exchange.status in _BROKEN or one.exchange.status >= 500)
        )


@dataclass(slots=True)
class _Walk:
    base_url: str
    waiting: deque[tuple[str, str]] = field(default_factory=deque)
    kinds: set[str] = field(default_factory=set)
    answers: list[SeenAnswer] = field(default_factory=list)
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)

    def offer(self, path: str, found_on: str = "") -> None:
        """Ask for it too, if it is of a new kind and does not act."""
        bare, _, query = path.partition("?")
        self.note_input(bare, parse_qsl(query, keep_blank_values=True))
        self.note_folder(bare)
        names = sorted(name for name, _ in parse_qsl(query, keep_blank_values=True))
        kind = "?".join((_NUMBER.sub("0", bare), *names))
        if kind not in self.kinds and not _FILE.search(bare) and not ACTS.search(path):
            self.kinds.add(kind)
            self.waiting.append((path, found_on))

    def note_input(self, path: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Somebody names parameters of that path."""
        known = self.inputs.setdefault(path, {})
        for name, value in pairs:
            known.setdefault(name, value)

    def note_folder(self, path: str) -> None:
        """What lies above a path may be listed."""
        above = path.rpartition("/")[0]
        while above and above != "/":
            self.folders.setdefault(f"{above}/")
            above = above.rpartition("/")[0]


def walk_site(
    ask: Ask, base_url: str, known: Iterable[str], usual: Iterable[str] = (), inputs: Iterable[InputPlace] = ()
) -> Site:
    """Follow links from `known` paths; look at `usual` ones and at what `robots.txt` names as well.

    `inputs` are places that a description names.
    """
    walk = _Walk(base_url)
    for path in ["/", *known]:
        walk.offer(path)
    for place in inputs:
        walk.note_input(place.path, place.values.items())
    beside = deque([*_robots(ask), *usual])
    ends = time.monotonic() + MOST_SECONDS
    stopped = ""
    while (walk.waiting or beside) and not stopped:
        if not walk.waiting:
            walk.offer(beside.popleft())
            continue
        stopped = _look(walk, ask) or _enough(walk, ends)
    return Site(
        answers=tuple(walk.answers),
        inputs=tuple(_input_places(walk)),
        folders=tuple(walk.folders)[:_MOST_FOLDERS],
        stopped=stopped,
    )


def _input_places(walk: _Walk) -> Iterator[InputPlace]:
    """Paths that take parameters, or are there and may take some."""
    seen = {one.path.partition("?")[0] for one in walk.answers if one.exchange.status not in _BROKEN}
    for path, values in walk.inputs.items():
        if (values or path in seen) and not ACTS.search(path):
            yield InputPlace(path=path, values=values)


def _enough(walk: _Walk, ends: float) -> str:
    if len(walk.answers) >= MOST_ANSWERS:
        return f"{MOST_ANSWERS} answers were looked at, and there are more"
    return f"{MOST_SECONDS:g} s were over" if time.monotonic() > ends else ""


def _look(walk: _Walk, ask: Ask) -> str:
    """Read the next one, and note where it leads; why nothing more may be asked, "" where it may."""
    path, found_on = walk.waiting.popleft()
    try:
        landing = land(ask, walk.base_url, path)
    except (ServiceUnavailable, UnfitAnswer):
        return ""
    answer = landing.answer
    if answer.status == 429:
        return f"GET {path} was answered 429"
    # what a path redirects to is asked for once, whoever leads there
    walk.kinds.update(_NUMBER.sub("0", one) for one in landing.paths)
    if any(one.path == landing.path for one in walk.answers):
        return ""
    parts = read_parts(answer.text) if is_page(answer) and not landing.leaves_for else None
    walk.answers.append(SeenAnswer(path=landing.path, exchange=answer, found_on=found_on, parts=parts))
    if parts is not None:
        _note_parts(walk, landing.path, parts)
    return ""


def _note_parts(walk: _Walk, at: str, parts: PageParts) -> None:
    # readers of an error page came by a path that is none: a link on it may be written for another
    found_on = at if walk.answers[-1].exchange.status < _ERROR else ""
    for link in _local(walk.base_url, parts.links, at):
        walk.offer(link, found_on)
    for file in _local(walk.base_url, parts.files, at):
        walk.note_folder(file.partition("?")[0])
    for form in parts.forms:
        action = local_path(walk.base_url, form.action or "", at)
        if action is not None and form.method == "get" and not form.has_password:
            walk.note_input(action.partition("?")[0], [(name, "") for name in form.names])


def _local(base_url: str, links: list[str], at: str) -> Iterator[str]:
    for link in links[:_MOST_OF_A_PAGE]:
        path = local_path(base_url, link, at)
        if path is not None and not link.startswith("#"):
            yield path


def _robots(ask: Ask) -> list[str]:
    """Paths that `robots.txt` names: what robots are kept from, everybody else may read of."""
    answer = ask_once(ask, "/robots.txt")
    if answer is None or answer.status != 200 or "<html" in answer.text[:500].lower():
        return []
    return [path for path in _ROBOTS.findall(answer.text)[:_MOST_FOLDERS] if path != "/"]


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and place of a URL, to be compared; empty ones for a path alone."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc.lower()
