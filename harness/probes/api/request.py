"""A request that is drafted before it is sent: each value in it has a place, and can be replaced there."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ParamSpec, TypeGuard
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape

from harness.probes.api.inputs import FORM, MULTIPART, leaves, plain_name, replaced
from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.openapi_operation import Operation

_REQUESTS_A_CLIENT = 60
"""After so many another client speaks, so that no limiter stands between a probe and what it looks for."""
_TOO_MANY = 429
_P = ParamSpec("_P")
_PARTS = {"path": "path", "query": "query", "header": "headers", "cookie": "cookies"}
"""Where a parameter stands -> the part of a draft that holds it."""
_KINDS = {"path": "path parameter", "query": "query parameter", "body": "member"}
_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in a request: `path`, `query`, `header`, `cookie` or `body`, and its name there."""

    where: str
    way: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """The innermost name."""
        return next((each for each in reversed(self.way) if isinstance(each, str)), "")

    @property
    def reference(self) -> str:
        """The name by which it is known what it names: of `project.id` it is `project_id`."""
        names = [each for each in self.way if isinstance(each, str)]
        if len(names) > 1 and plain_name(names[-1]) in ("id", "ids", "uuid", "key", "slug", "ref"):
            return f"{names[-2]}_{names[-1]}"
        return self.name

    @property
    def told(self) -> str:
        """As a sentence names it."""
        return f"the {_KINDS.get(self.where, self.where)} '{'.'.join(map(str, self.way))}'"

    def __str__(self) -> str:
        return f"{_KINDS.get(self.where, self.where)} {'.'.join(map(str, self.way))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """A request of an operation with a value for everything it takes."""

    operation: Operation
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    cookies: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    media_type: str = ""

    def places(self) -> Iterator[tuple[Place, Any]]:
        """Each place, with its value."""
        for where in _PARTS:
            for name, value in self._part(where).items():
                yield Place(where, (name,)), value
        if self.media_type:
            for way, value in leaves(self.body):
                if way:
                    yield Place("body", way), value

    def _part(self, where: str) -> Mapping[str, Any]:
        part: Mapping[str, Any] = getattr(self, _PARTS[where])
        return part

    def value(self, place: Place) -> Any:  # noqa: ANN401 - JSON is anything
        """The value at a place; None if nothing is there."""
        return next((value for each, value in self.places() if each == place), None)

    def put(self, place: Place, value: Any) -> RequestDraft:  # noqa: ANN401
        """The same with another value at a place."""
        if place.where == "body":
            return replace(self, body=replaced(self.body, place.way, value))
        changed: dict[str, Any] = {_PARTS[place.where]: {**self._part(place.where), str(place.way[0]): value}}
        return replace(self, **changed)

    @property
    def members(self) -> tuple[str, ...]:
        """The names in its body, where that is an object."""
        return tuple(self.body) if isinstance(self.body, Mapping) else ()

    def with_members(self, members: Mapping[str, Any]) -> RequestDraft:
        """The same with these members in its body."""
        return replace(self, body={**self.body, **members}) if members else self

    @property
    def target(self) -> str:
        """Path and query, as they are sent."""
        path = re.sub(
            r"\{([^/{}]+)\}", lambda found: quote(_text(self.path.get(found[1], "1")), safe=""), self.operation.path
        )
        query = urlencode(
            [
                (key, _text(each))
                for key, value in self.query.items()
                for each in (value if isinstance(value, tuple) else (value,))
                if each is not None
            ]
        )
        return f"{path}?{query}" if query else path

    def arguments(self) -> dict[str, Any]:
        """Headers and body as httpx takes them."""
        headers = {key: _text(value).encode("utf-8") for key, value in self.headers.items() if value is not None}
        if not self.media_type:
            return {"headers": headers}
        if self.media_type == FORM:
            return {"headers": headers, "data": _fields(self.body)}
        if self.media_type == MULTIPART:
            parts = {str(key): (None, _text(value)) for key, value in (self.body or {}).items()}
            return {"headers": headers, "files": parts}
        if self.media_type.endswith("xml"):
            return {"headers": {**headers, "Content-Type": self.media_type}, "content": _xml(self.body).encode()}
        content = json.dumps(self.body, ensure_ascii=True)
        return {"headers": {"Content-Type": self.media_type, **headers}, "content": content.encode()}


def _fields(body: Any) -> dict[str, str]:  # noqa: ANN401 - JSON is anything
    # a tick that is not set is not sent
    return {".".join(map(str, way)): _text(value) for way, value in leaves(body) if value is not False}


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def _xml(value: Any, name: str = "root") -> str:  # noqa: ANN401
    if isinstance(value, RawXml):
        return value
    if isinstance(value, Mapping):
        inner = "".join(_xml(each, str(key)) for key, each in value.items())
    elif isinstance(value, list):
        inner = "".join(_xml(each, "item") for each in value)
    else:
        inner = escape(_text(value))
    return f"<{name}>{inner}</{name}>"


class RawXml(str):
    """A whole XML document to be sent as it is."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccount:
    """Somebody who may ask: a role, its names, and what a login gave. Without a role it is nobody."""

    name: str
    role: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ours: bool = False
    """Made by us, so that it may be spoilt."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What its login gave: tokens and cookies."""
        return (*(value.rpartition(" ")[2] for value in self.headers.values()), *self.cookies.values())

    @property
    def token(self) -> str:
        """The token that its login gave; "" if it gave none."""
        return self.headers.get("Authorization", "").partition(" ")[2]

    @property
    def is_nobody(self) -> bool:
        """Has it no login?"""
        return not self.headers and not self.cookies


NOBODY = ApiAccount(name="a visitor without a login")
"""A visitor without a login."""


class ApiClient:
    """Sends drafts for whoever is named, and counts them. Raises `OutOfTime` once its time or its requests are used."""

    def __init__(self, new_client: Callable[[], RecordingClient], *, seconds: float, most: int) -> None:
        self._new_client = new_client
        self._client: RecordingClient | None = None
        self._one: RecordingClient | None = None
        self._sent_by_client = 0
        self._begun = time.monotonic()
        self._end = self._begun + seconds
        self._left = most
        self.sent = 0

    def send(self, account: ApiAccount, draft: RequestDraft, **more: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
        """Send a draft as somebody; see `ask`."""
        words = draft.arguments()
        headers = {**words.pop("headers"), **more.pop("headers", {})}
        cookies = {**{key: _text(value) for key, value in draft.cookies.items()}, **more.pop("cookies", {})}
        return self.ask(
            account, draft.operation.method, draft.target, headers=headers, cookies=cookies, **words, **more
        )

    def ask(self, account: ApiAccount, method: str, target: str, **words: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
        """Send a request as somebody. Raises `ServiceUnavailable`, `UnfitAnswer`, `OutOfTime`."""
        self._hold_time()
        answer = self._once(account, method, target, words)
        if answer.status == _TOO_MANY:
            self._client = None
            answer = self._once(account, method, target, words)
        return answer

    def _hold_time(self) -> None:
        if self._left <= 0 or time.monotonic() > self._end:
            raise OutOfTime(self.sent, time.monotonic() - self._begun)

    def _count(self, requests: int) -> None:
        self.sent += requests
        self._left -= requests

    def ask_as_one(self, method: str, path: str, **words: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
        """Ask without a login, always as the same client: for what counts attempts."""
        self._hold_time()
        self._one = self._one or self._new_client()
        self._one.cookies.clear()
        self._count(1)
        return self._one.exchange(method, path, **words)

    def at_once(self, account: ApiAccount, method: str, target: str, times: int, **words: Any) -> list[Exchange]:  # noqa: ANN401
        """Send the same several times at the same moment, each by a client of its own; [] where one is not answered."""
        self._hold_time()
        clients = [self._new_client() for _ in range(times)]
        self._count(times)
        words["headers"] = _headers(account, words.get("headers"))
        start = threading.Barrier(times)

        def send(client: RecordingClient) -> Exchange:
            start.wait(timeout=5)
            return client.exchange(method, target, **words)

        try:
            with ThreadPoolExecutor(times) as pool:
                return list(pool.map(send, clients))
        except (ServiceUnavailable, UnfitAnswer):
            return []

    def heard(self, account: ApiAccount, method: str, target: str, **words: Any) -> Exchange | None:  # noqa: ANN401
        """As `ask`; None where no answer came, or none that can be read."""
        try:
            return self.ask(account, method, target, **words)
        except (ServiceUnavailable, UnfitAnswer):
            return None

    def tried(self, account: ApiAccount, draft: RequestDraft, **more: Any) -> Exchange | None:  # noqa: ANN401
        """As `send`; None where no answer came, or none that can be read."""
        try:
            return self.send(account, draft, **more)
        except (ServiceUnavailable, UnfitAnswer):
            return None

    def _once(self, account: ApiAccount, method: str, target: str, words: Mapping[str, Any]) -> Exchange:
        if self._client is None or self._sent_by_client >= _REQUESTS_A_CLIENT:
            self._client = self._new_client()
            self._sent_by_client = 0
        self._sent_by_client += 1
        self._count(1)
        self._client.cookies.clear()
        sent = _headers(account, words.get("headers"), words.get("cookies"))
        clean = {key: value for key, value in sent.items() if _HEADER_NAMES.fullmatch(key)}
        rest = {key: value for key, value in words.items() if key not in ("headers", "cookies")}
        return self._client.exchange(method, target, headers=clean, **rest)


def _headers(
    account: ApiAccount, headers: Mapping[str, str | bytes] | None, cookies: Mapping[str, str] | None = None
) -> dict[str, str | bytes]:
    """What a request is sent with, and what the login of its sender gave."""
    jar = cookie_line({**account.cookies, **(cookies or {})})
    return {**account.headers, **(headers or {}), **({"Cookie": jar} if jar else {})}


def cookie_line(jar: Mapping[str, str]) -> str:
    """Cookies as the header of a request has them."""
    return "; ".join(f"{key}={value}" for key, value in jar.items())


class OutOfTime(Exception):  # noqa: N818 - what happened to the probe
    """The probe has used the time or the requests that it was given."""

    def __init__(self, sent: int, seconds: float) -> None:
        self.sent = sent
        super().__init__(f"ended after {sent} requests and {seconds:.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One thing that is open: of which operation, by which parameter, in a sentence, and the requests that prove it."""

    operation: str
    says: str
    parameter: str = ""
    proof: tuple[Exchange, ...] = ()

    @property
    def subject(self) -> str:
        """Operation and parameter."""
        return f"{self.operation}, {self.parameter}" if self.parameter else self.operation

    def __str__(self) -> str:
        return f"{self.operation} {self.says}"


def lazily(probe: Callable[_P, Iterable[Hole]]) -> Callable[_P, Iterator[Hole]]:
    """A probe that begins when its holes are asked for, so that whoever asks hears that it ran out of time."""

    @wraps(probe)
    def holes(*given: _P.args, **named: _P.kwargs) -> Iterator[Hole]:
        yield from probe(*given, **named)

    return holes


def json_of(answer: Exchange | None) -> Any:  # noqa: ANN401 - JSON is anything
    """The body as JSON; None if it is none."""
    if answer is None:
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def texts_of(answer: Exchange | None, least: int = 1) -> Iterator[str]:
    """The texts in a body of JSON that are so long, at least."""
    yield from (each for _, each in leaves(json_of(answer)) if isinstance(each, str) and len(each) >= least)


def succeeded(answer: Exchange | None) -> TypeGuard[Exchange]:
    """Is it an answer of the kind 2xx, or does it lead on whoever sent a form?"""
    return answer is not None and (200 <= answer.status < 300 or leads_on(answer))


def leads_on(answer: Exchange) -> bool:
    """Is a form that was sent, with fields or without one, answered with another page than the login's, to go to?"""
    sent = answer.sent_header("Content-Type")
    place = urlsplit(answer.header("Location") or "").path
    if answer.status not in (302, 303) or answer.method != "POST" or (sent and not sent.startswith((FORM, MULTIPART))):
        return False
    return bool(place) and re.search(r"log-?_?in|sign-?_?in|auth\b", place, re.IGNORECASE) is None


def sent_cookies(answer: Exchange) -> dict[str, str]:
    """The cookies that the request carried."""
    line = "; ".join(value for key, value in answer.request_headers if key.lower() == "cookie")
    pairs = (each.partition("=") for each in line.split("; ") if each)
    return {key: value for key, _, value in pairs}
