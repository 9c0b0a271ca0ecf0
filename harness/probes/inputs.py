"""What a service makes of words that a reader chose: in the parameters of a query, in a path, as a place to go to.

Every request is a GET, and what it sends does nothing by itself: a word with quotes and angle brackets, as a name may
have them (O'Brien), or an address of a name that nobody can own (RFC 6761, `.example`). So these are reads, and need no
leave; what an answer makes of them is told by its markup, its error text, or its `Location`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin, urlsplit

from harness.probes.document import is_page
from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.headers import browser_type
from harness.probes.http import ServiceUnavailable
from harness.probes.injected import injection, is_injected, script_address
from harness.probes.landing import Ask
from harness.probes.leaks import Leak, find_leaks
from harness.probes.page_parts import read_parts
from harness.probes.site import InputPlace

Form = Callable[[str], str]
"""Makes an input of a mark, by which the answer's part in it is known again."""

MOST_REQUESTS = 240
MOST_SECONDS = 30.0
WORD_NAMES = (
    ("q", "s", "search", "query", "keyword", "term", "text", "title", "name", "username", "user", "lang", "msg"),
    (
        *("message", "error", "comment", "email", "id", "category", "tag", "sort", "order", "filter", "page"),
        *("view", "type"),
    ),
)
"""Parameters that many services have, in groups that are tried at once."""
PLACE_NAMES = (
    ("next", "url", "uri", "redirect", "redirect_to", "redirect_uri", "redirect_url", "return", "return_to", "to"),
    (
        *("return_url", "returnUrl", "returnTo", "continue", "dest", "destination", "goto", "target", "u", "r"),
        *("link", "back"),
    ),
)
"""Parameters that name a place to go to."""
PLACE_PATHS = ("/login", "/redirect", "/go", "/goto", "/out", "/link", "/r", "/external", "/auth/login", "/signin")
"""Where services redirect to a place of the reader's."""
_OUTSIDE: tuple[Form, ...] = ("https://{}.example/".format, "//{}.example/".format, "/\\{}.example/".format)
"""Addresses outside, as browsers read them, the whole one first."""
_ALL_PLACES = frozenset(name.lower() for group in PLACE_NAMES for name in group) | {"callback", "forward", "ref"}
_PLACE = re.compile(r"(?:https?:)?/", re.IGNORECASE)
_NOT_THERE = (401, 403, 404, 405, 410)
_BROKEN = 500
_SLOW_S = 2.0
"""What takes longer is asked once: a service of one worker answers nobody else meanwhile."""
_MOST_GUESSED = 20
_MOST_FOLDERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One request with words of ours in it, and what came back."""

    path: str
    """As it was asked, query and all."""
    where: str
    """The parameter `q`, or "the path"."""
    mark: str
    exchange: Exchange

    @property
    def injected(self) -> str:
        """As what the answer runs our words; "" where it shows them as text, or not at all."""
        if self.mark not in self.exchange.text.lower():
            return ""
        kind = browser_type(self.exchange.header_lines("Content-Type"))
        runs = is_page(self.exchange, self.mark) or (kind is not None and kind.essence == "image/svg+xml")
        return is_injected(self.exchange.text, self.mark) if runs else ""

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What of its inside the service told."""
        return find_leaks(self.exchange.text)

    @property
    def leads_away(self) -> str:
        """The address outside that the answer sends a browser to, because our words said so; "" for none."""
        answer = self.exchange
        places = [answer.header("Location") or "", (answer.header("Refresh") or "").partition("=")[2]]
        if is_page(answer):
            places.append(read_parts(answer.text).refresh)
        for place in places:
            # browsers take backslashes for slashes, and leave out tabs and line breaks
            plain = place.strip().replace("\\", "/").replace("\t", "").replace("\n", "")
            if plain and _host(urljoin(answer.url, plain)).startswith(f"{self.mark}."):
                return place[:200]
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedInputs:
    """All requests of one kind, in turn."""

    tried: tuple[Tried, ...] = ()
    stopped: str = ""
    """Why not all was tried; "" if all was."""


class _Tries:
    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asked = 0
        self._ends = time.monotonic() + MOST_SECONDS
        self._known: set[str] = set()
        self._slow: set[str] = set()
        self.stopped = ""
        self.made: list[Tried] = []

    def send(self, path: str, raw: str = "") -> Exchange | None:
        """The answer; None where none came, or nothing more may be asked. `raw` is sent in the path's place."""
        if not self.stopped and (self._asked >= MOST_REQUESTS or time.monotonic() > self._ends):
            self.stopped = (
                f"only {self._asked} requests were sent: no more are, and not for more than {MOST_SECONDS:g} s"
            )
        bare = path.partition("?")[0]
        if self.stopped or bare in self._slow:
            return None
        self._asked += 1
        try:
            answer = self._ask("GET", path, **({"extensions": {"target": raw.encode("ascii")}} if raw else {}))
        except (ServiceUnavailable, UnfitAnswer):
            return None
        if answer.status == 429:
            self.stopped = f"after {self._asked} requests GET {bare} was answered 429"
            return None
        if answer.elapsed_s > _SLOW_S:
            self._slow.add(bare)
        return answer

    def keep(self, path: str, where: str, mark: str, answer: Exchange) -> None:
        self.made.append(Tried(path=path, where=where, mark=mark, exchange=answer))

    def is_new(self, kind: str) -> bool:
        """Whether nothing of that kind was tried yet."""
        new = kind not in self._known
        self._known.add(kind)
        return new

    def result(self) -> TriedInputs:
        return TriedInputs(tried=tuple(self.made), stopped=self.stopped)


def try_words(ask: Ask, base_url: str, places: Iterable[InputPlace], folders: Iterable[str]) -> TriedInputs:
    """Send a word with quotes and brackets in each parameter that is known, in those that many have, and in paths.

    One path is sent as it stands, without the encoding that browsers give it: some clients do, and some pages show it.
    """
    tries = _Tries(ask)
    known = tuple(places)
    for place in known:
        for name, value in place.values.items():
            _try(tries, place, name, injection)
            if _names_a_place(name, value):
                _try(tries, place, name, script_address)
    _try_paths(tries, base_url, ("/", *_above(known), *folders))
    for place in known[:_MOST_GUESSED]:
        for group in WORD_NAMES:
            _try_group(tries, place.path, [name for name in group if name not in place.values], injection)
    return tries.result()


def _try_paths(tries: _Tries, base_url: str, folders: Iterable[str]) -> None:
    for folder in list(dict.fromkeys(folders))[:_MOST_FOLDERS]:
        mark = _mark()
        path = folder + quote(injection(mark), safe="")
        if (answer := tries.send(path)) is not None:
            tries.keep(path, "the path", mark, answer)
    mark = _mark()
    path = f"/{injection(mark).replace(' ', '/')}"
    if (answer := tries.send("/", raw=urlsplit(base_url).path.rstrip("/") + path)) is not None:
        tries.keep(path, "the path", mark, answer)


def try_places(ask: Ask, places: Iterable[InputPlace]) -> TriedInputs:
    """Send an address outside in each parameter that may name a place to go to."""
    tries = _Tries(ask)
    known = tuple(places)
    for place in known:
        for name, value in place.values.items():
            if _names_a_place(name, value):
                for form in _OUTSIDE:
                    _try(tries, place, name, form)
    for path in dict.fromkeys([*PLACE_PATHS, *(place.path for place in known[:_MOST_GUESSED])]):
        for group in PLACE_NAMES:
            _try_group(tries, path, group, _OUTSIDE[0])
    return tries.result()


def _try_group(tries: _Tries, path: str, names: Iterable[str], form: Form) -> None:
    """All names in one request; each by itself where that is refused, or told of something inside."""
    marks = {name: _mark() for name in names}
    kind = f"{path} {' '.join(marks)}"
    if not marks or not tries.is_new(kind):
        return
    asked = f"{path}?{urlencode({name: form(mark) for name, mark in marks.items()})}"
    answer = tries.send(asked)
    if answer is None or answer.status in _NOT_THERE:
        return
    if answer.status >= 400 or find_leaks(answer.text):
        _try_each(tries, path, marks, form, answer.status)
        return
    for name, mark in marks.items():
        tries.keep(asked, f"the parameter {name}", mark, answer)


def _try_each(tries: _Tries, path: str, names: Iterable[str], form: Form, status: int) -> None:
    """Each name by itself, unless the path is broken whatever is asked, which is no matter of our words."""
    plain = tries.send(path)
    if plain is not None and plain.status == status >= _BROKEN:
        return
    for name in names:
        _try(tries, InputPlace(path=path, values={}), name, form)


def _try(tries: _Tries, place: InputPlace, name: str, form: Form) -> None:
    """Our words beside the values that were seen, else alone: values of several links may not go together."""
    value = {name: place.values[name]} if place.values.get(name) else {}
    for others in (place.values, value) if len(place.values) > 1 else (value,):
        mark = _mark()
        asked = _asked(place.path, {**others, name: form(mark)})
        answer = tries.send(asked)
        if answer is None:
            return
        broken = answer.status >= _BROKEN and tries.send(_asked(place.path, {**_without(others, name), **value}))
        # what is broken whatever is asked is no matter of our words
        if not broken or broken.status < _BROKEN:
            tries.keep(asked, f"the parameter {name}", mark, answer)
            return


def _names_a_place(name: str, value: str) -> bool:
    return name.lower() in _ALL_PLACES or _PLACE.match(value) is not None


def _asked(path: str, values: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(values)}" if values else path


def _without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}


def _mark() -> str:
    return f"hz{secrets.token_hex(4)}"


def _above(places: Iterable[InputPlace]) -> Iterator[str]:
    """What stands before the last part of each path: where another value of it would be asked for."""
    for place in places:
        folder = f"{place.path.rstrip('/').rpartition('/')[0]}/"
        if folder != "/":
            yield folder


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
