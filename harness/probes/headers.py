"""Header values as data, read as strictly as browsers and RFCs do. What is malformed is named, never repaired."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the RFC's word for a name
_MOST_SECONDS = 2**31
_DIGITS = 11
"""More digits than the greatest number of seconds has."""
_PAIR = re.compile(rf'\s*({_TOKEN})\s*(?:=\s*({_TOKEN}|"(?:[^"\\]|\\.)*")\s*)?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Hsts:
    """Strict-Transport-Security (RFC 6797 6.1). `max_age` is in seconds; None where a browser ignores the header."""

    max_age: int | None
    include_subdomains: bool = False
    preload: bool = False
    problems: tuple[str, ...] = ()


def parse_hsts(lines: Iterable[str]) -> Hsts | None:
    """What a browser takes from the header's lines, the first alone (RFC 6797 8.1); None without one."""
    values = tuple(lines)
    if not values:
        return None
    problems = ["more than one header; browsers take the first"] if len(values) > 1 else []
    directives: dict[str, str | None] = {}
    for part in filter(str.strip, _split_quoted(values[0], ";")):
        match = _PAIR.fullmatch(part)
        if match is None:
            return Hsts(max_age=None, problems=(*problems, f"{part.strip()!r} is no directive"))
        name = match[1].lower()
        if name in directives:
            return Hsts(max_age=None, problems=(*problems, f"{name} stands there twice"))
        directives[name] = _unquoted(match[2])
    age = whole_seconds(directives.get("max-age"))
    if age is None:
        return Hsts(max_age=None, problems=(*problems, "max-age is missing or no number"))
    if directives.get("includesubdomains") is not None:
        problems.append("includeSubDomains takes no value")
    return Hsts(
        max_age=age,
        include_subdomains="includesubdomains" in directives,
        preload="preload" in directives,
        problems=tuple(problems),
    )


def parse_cache_control(lines: Iterable[str]) -> Mapping[str, str | None]:
    """Directives of all lines, lower-case name -> value or None (RFC 9111 5.2); of repeated ones the first counts."""
    directives: dict[str, str | None] = {}
    for part in split_list(lines):
        match = _PAIR.fullmatch(part)
        if match is not None:
            directives.setdefault(match[1].lower(), _unquoted(match[2]))
    return MappingProxyType(directives)


def whole_seconds(value: str | None) -> int | None:
    """Digits as seconds; None for anything else. What is beyond 2^31 is as good as 2^31 (RFC 9111 1.2.2)."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return min(int((value.lstrip("0") or "0")[:_DIGITS]), _MOST_SECONDS)


def spares_private_answers(control: Mapping[str, str | None]) -> bool:
    """Is an answer to one account never served to another out of a shared cache? (RFC 9111 3.5, 5.2.2)

    `no-store` and `private` keep it out; where it must be asked for again each time (`no-cache`, or
    `max-age=0, must-revalidate`), it may be kept. `private="Set-Cookie"` and `no-cache="Set-Cookie"` are about that
    field alone. `s-maxage` comes before `max-age`.
    """
    if "no-store" in control or any(control.get(name, "") is None for name in ("private", "no-cache")):
        return True
    age = whole_seconds(control.get("s-maxage", control.get("max-age")))
    return age == 0 and bool(control.keys() & {"must-revalidate", "proxy-revalidate", "s-maxage"})


ENDLESS = frozenset(
    {
        *("text/event-stream", "multipart/x-mixed-replace", "application/stream+json", "application/json-seq"),
        *("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-json-stream"),
    }
)
"""Media types whose answers may go on as long as the client listens (HTML, 9.2; RFC 7464)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A Content-Type (RFC 9110 8.3.1), names in lower case."""

    type: str
    subtype: str
    parameters: Mapping[str, str]

    @property
    def essence(self) -> str:
        """`type/subtype`."""
        return f"{self.type}/{self.subtype}"

    @property
    def is_json(self) -> bool:
        """JSON or a format built on it (`application/problem+json`)."""
        return self.subtype == "json" or self.subtype.endswith("+json")

    @property
    def is_endless(self) -> bool:
        """An answer that may have no end, and is judged by its head where it does not say its length."""
        return self.essence in ENDLESS or self.type in ("audio", "video")

    @property
    def is_html(self) -> bool:
        """A document in which scripts run."""
        return self.essence in ("text/html", "application/xhtml+xml")


def is_endless(headers: Mapping[str, str]) -> bool:
    """May an answer of that head (names of any case) go on as long as somebody listens?"""
    kind = parse_media_type(headers.get("Content-Type"))
    return kind is not None and kind.is_endless and "Content-Length" not in headers


def parse_media_type(value: str | None) -> MediaType | None:
    """The media type; None if the header is absent or malformed."""
    if value is None:
        return None
    essence, *rest = _split_quoted(value, ";")
    match = re.fullmatch(rf"\s*({_TOKEN})/({_TOKEN})\s*", essence)
    if match is None:
        return None
    parameters: dict[str, str] = {}
    for part in filter(str.strip, rest):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[2] is None:
            return None
        parameters.setdefault(pair[1].lower(), _unquoted(pair[2]) or "")
    return MediaType(type=match[1].lower(), subtype=match[2].lower(), parameters=MappingProxyType(parameters))


def browser_type(lines: Iterable[str]) -> MediaType | None:
    """The type by which a browser takes a body: the last of all lines that can be read (Fetch, 3.6.2).

    Parameters that cannot be read are left out, and a charset holds for the same type said again. None without any.
    """
    found: MediaType | None = None
    for part in split_list(lines):
        essence, *rest = _split_quoted(part, ";")
        kind = parse_media_type(essence)
        if kind is None or kind.essence == "*/*":
            continue
        said = _readable(rest)
        if found is not None and found.essence == kind.essence and "charset" in found.parameters:
            said.setdefault("charset", found.parameters["charset"])
        found = MediaType(type=kind.type, subtype=kind.subtype, parameters=MappingProxyType(said))
    return found


def _readable(parameters: Iterable[str]) -> dict[str, str]:
    """Those that have a value; of repeated ones the first counts."""
    pairs = [pair for one in parameters if (pair := _PAIR.fullmatch(one)) is not None and pair[2] is not None]
    return {pair[1].lower(): _unquoted(pair[2]) or "" for pair in reversed(pairs)}


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait (RFC 9110 10.2.3: whole seconds, or a date, which needs `now`); None if absent or malformed."""
    if value is None:
        return None
    text = value.strip()
    seconds = whole_seconds(text)
    if seconds is not None:
        return float(seconds)
    date = parse_date(text)
    return None if date is None else max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def parse_date(value: str | None) -> datetime | None:
    """An HTTP date in UTC (RFC 9110 5.6.7); None if absent or malformed."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        # a zone may lead out of the calendar, or hold more digits than a number
        return None


def names_in(lines: Iterable[str]) -> frozenset[str]:
    """The lower-case members of a list of names, such as Vary or Access-Control-Allow-Headers."""
    return frozenset(part.lower() for part in split_list(lines))


def split_list(lines: Iterable[str]) -> tuple[str, ...]:
    """Members of a comma-separated list over all lines, commas in quotes respected (RFC 9110 5.6.1)."""
    return tuple(part.strip() for line in lines for part in _split_quoted(line, ",") if part.strip())


def _split_quoted(text: str, separator: str) -> list[str]:
    return re.findall(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*"?)+', text) or [""]


def _unquoted(value: str | None) -> str | None:
    if value is None or not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])
