"""One request and its answer as plain data, and the `curl` line that repeats the request.

A `curl` line may end up in a report, so it never holds a credential: tokens, cookies and passwords become `$TOKEN`,
`$COOKIE` and `$PASSWORD`, which the reader sets in a shell.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

Headers = tuple[tuple[str, str], ...]
"""Header lines in the order they were sent, repeated ones included."""

_SHOWN_BODY = 4096
_SHOWN_ERROR = 300
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|token$|api[-_]?key|otp$|credential", re.IGNORECASE)
_SECRET_HEADERS = {"x-api-key": "TOKEN", "x-auth-token": "TOKEN", "x-csrf-token": "TOKEN", "cookie": "COOKIE"}
_CURL_SENDS_ITSELF = frozenset({"connection", "content-length", "host", "user-agent"})
_JSON_MEMBER = re.compile(
    r'"(?P<name>(?:[^"\\]|\\.)*+)(?:"(?P<member>(?P<colon>\s*+:\s*+)"(?:[^"\\]|\\.)*+"?)?|\Z)', re.DOTALL
)
"""A text, and whether it is the name of a member with a text for value; the last one may be cut off."""
_MARK = "\ue000"
"""Around a variable's name inside a text that is still to be quoted: a character that has no meaning (private use)."""


class UnfitAnswer(AssertionError, ValueError):  # noqa: N818 - what a test found, not a failure of ours
    """An answer is not what it must be to be read at all: the service's fault, as any failed assertion."""


class _Object(dict[str, Any]):
    """An object of an answer: a member that is not there fails the test that wants it, and does not crash it."""

    def __missing__(self, name: str) -> Any:  # noqa: ANN401
        raise UnfitAnswer(f"the answer's object has no {name!r}; it has {', '.join(map(repr, self)) or 'nothing'}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SentRequest:
    """A request as it was sent, whether or not an answer came."""

    method: str
    url: str
    request_headers: Headers = ()
    request_bytes: bytes = b""
    """The body's first part; `request_size` tells how long it was."""
    request_size: int = 0
    client: str = ""
    """The simulated client's address; "" where clients have none."""
    bound: bool = False
    """The client's address was the connection's own source address, not a header."""
    ca_file: str = ""
    """Who vouches for the service over TLS, beside the machine's authorities."""

    @property
    def path(self) -> str:
        """Path and query as sent."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def sent_header(self, name: str) -> str:
        """What the request said in a header; "" where it had none of that name."""
        return next((value for key, value in self.request_headers if key.lower() == name.lower()), "")

    @property
    def request_body(self) -> str:
        """The body as text; bytes that are none are written as escapes."""
        return self.request_bytes.decode("utf-8", "backslashreplace")

    def __repr__(self) -> str:
        """Without headers and body: pytest prints this, and they may hold credentials."""
        return f"<{self.method} {_without_secrets(self.path)}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange(SentRequest):
    """A request and the answer to it."""

    status: int
    headers: Headers
    body: bytes
    """The decoded body's first part; `size` tells how long it was."""
    size: int
    elapsed_s: float
    """Seconds from the start of sending to the last byte of the answer."""

    def header(self, name: str) -> str | None:
        """The value of a header, several lines joined by commas (RFC 9110 5.2); None if it is absent."""
        values = self.header_lines(name)
        return ", ".join(values) if values else None

    def header_lines(self, name: str) -> tuple[str, ...]:
        """The values of a header, one a line."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def text(self) -> str:
        """The kept part of the body as UTF-8 text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body as JSON. Raises `UnfitAnswer` if it is none, and later where a member is asked for that an object
        does not have; `ValueError` if it was not kept whole.
        """
        if len(self.body) < self.size:
            raise ValueError(f"only {len(self.body)} of {self.size} bytes of the answer were kept")
        return parse_json(self.body, f"the answer {self.status} to {self.method} {_without_secrets(self.path)}")

    def __repr__(self) -> str:
        """See `SentRequest.__repr__`."""
        return f"<{self.method} {_without_secrets(self.path)} -> {self.status}>"


def parse_json(body: bytes, whose: str) -> Any:  # noqa: ANN401 - JSON is anything
    """A body as JSON; see `Exchange.json`. Raises `UnfitAnswer` that names whose it is."""
    try:
        # UTF-8 and nothing else (RFC 8259, 8.1), as browsers read it; a byte order mark may stand before it
        return json.loads(body.decode("utf-8-sig"), object_hook=_Object, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UnfitAnswer(f"{whose} has a body that is no JSON ({str(error)[:_SHOWN_ERROR]})") from None


def find_repeated_names(body: bytes) -> tuple[str, ...]:
    """Names that an object of a JSON body says more than once (RFC 7493, 2.3: it must not), sorted."""
    found: set[str] = set()

    def look(pairs: list[tuple[str, Any]]) -> None:
        found.update(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)

    json.loads(body.decode("utf-8-sig"), object_pairs_hook=look)
    return tuple(sorted(found))


def _number(text: str) -> float | Decimal:
    """Of more than a float can hold what was written, and not infinity."""
    number = float(text)
    return number if math.isfinite(number) else Decimal(text)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON: RFC 8259, 6")


def curl_line(sent: SentRequest) -> str:
    """A line for a POSIX shell that sends the same request again, without its credentials.

    Where the body is no text it is piped in by printf; where it is long only its first 4 KiB are given, and said.
    """
    parts = urlsplit(sent.url)
    words = ["curl", "-sS", *_method_words(sent), *_way_words(sent, parts.scheme), *_header_words(sent, parts)]
    before, after = "", ""
    if sent.request_bytes:
        option, before = _body_words(sent)
        words += option
        if sent.request_size > _SHOWN_BODY:
            after = f"  # body cut: {_SHOWN_BODY} of {sent.request_size} bytes"
    words.append(_quoted(_hide_in_url(parts)))
    return before + " ".join(words) + after


def _method_words(sent: SentRequest) -> list[str]:
    if sent.method == "HEAD":
        return ["-I"]
    is_usual = sent.method == ("POST" if sent.request_bytes else "GET")
    return ["-i"] if is_usual else ["-i", "-X", shlex.quote(sent.method)]


def _header_words(sent: SentRequest, url: SplitResult) -> Iterator[str]:
    for name, value in sent.request_headers:
        if _is_worth_repeating(name, value, url):
            yield from ("-H", _header_word(name, value))
    if sent.request_bytes and not any(name.lower() == "content-type" for name, _ in sent.request_headers):
        yield from ("-H", "'Content-Type:'")


def _way_words(sent: SentRequest, scheme: str) -> list[str]:
    """curl's options for the way to the service: from which address, believing whom, to which URL as it stands."""
    words = ["--interface", shlex.quote(sent.client)] if sent.bound and sent.client else []
    if sent.ca_file and scheme == "https":
        words += ["--cacert", shlex.quote(sent.ca_file)]
    if set("[]{}") & set(sent.url):
        words.append("-g")
    return words


def _is_worth_repeating(name: str, value: str, url: SplitResult) -> bool:
    key = name.lower()
    if key == "host":
        return value != url.netloc.rpartition("@")[2]
    if key == "accept":
        return value != "*/*"
    if key == "accept-encoding":
        return not value.startswith("gzip, deflate")
    return key not in _CURL_SENDS_ITSELF


def _header_word(name: str, value: str) -> str:
    key = name.lower()
    if key in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.partition(" ")
        shown = f"{scheme} " if space and re.fullmatch(r"[A-Za-z0-9-]+", scheme) else ""
        return f'"{name}: {shown}$TOKEN"'
    if key in _SECRET_HEADERS:
        return f'"{name}: ${_SECRET_HEADERS[key]}"'
    # curl drops a header without a value; with a semicolon it sends it empty.
    return shlex.quote(f"{name}: {value}" if value else f"{name};")


def _body_words(sent: SentRequest) -> tuple[list[str], str]:
    """curl's option for the body, and what stands before curl in the line."""
    shown = sent.request_bytes[:_SHOWN_BODY]
    kind = sent.sent_header("Content-Type")
    try:
        text = shown.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text or _MARK in text:
        hidden = _hide_in_body(kind, shown.decode("latin-1")).replace(_MARK, "")
        return ["--data-binary", "@-"], f"printf '{''.join(map(_printf_escape, hidden))}' | "
    return ["--data-raw", _quoted(_hide_in_body(kind, text))], ""


def _printf_escape(char: str) -> str:
    return char if " " <= char <= "~" and char not in "\\%'" else f"\\{ord(char):03o}"


def _hide_in_body(content_type: str, text: str) -> str:
    """The body with each string that a secret's name stands before replaced by a marked variable."""
    if "x-www-form-urlencoded" in content_type:
        return _hide_in_pairs(text)
    return _JSON_MEMBER.sub(_hide_member, text)


def _hide_member(member: re.Match[str]) -> str:
    name = member["name"]
    if member["member"] is None:
        return member[0]
    return f'"{name}"{member["colon"]}"{_variable(name)}"' if _SECRET_NAME.search(name) else member[0]


def _hide_in_pairs(text: str) -> str:
    pairs = parse_qsl(text, keep_blank_values=True)
    if not any(_SECRET_NAME.search(name) for name, _ in pairs):
        return text
    return "&".join(
        f"{quote(name)}={_variable(name) if _SECRET_NAME.search(name) else quote(value)}" for name, value in pairs
    )


def _hide_in_url(url: SplitResult) -> str:
    account, at, place = url.netloc.rpartition("@")
    if at and ":" in account:
        account = f"{account.partition(':')[0]}:{_variable('password')}"
    return url._replace(netloc=account + at + place, query=_hide_in_pairs(url.query), fragment="").geturl()


def _without_secrets(path: str) -> str:
    return _hide_in_url(urlsplit(path)).replace(f"{_MARK}", "")


def _variable(name: str) -> str:
    kind = "PASSWORD" if name.lower().startswith("pass") else "TOKEN"
    return f"{_MARK}${kind}{_MARK}"


def _quoted(text: str) -> str:
    """One shell word: marked variables in double quotes, everything else taken literally."""
    pieces = text.split(_MARK)
    words = [f'"{piece}"' if index % 2 else shlex.quote(piece) for index, piece in enumerate(pieces) if piece]
    return "".join(words) or "''"
