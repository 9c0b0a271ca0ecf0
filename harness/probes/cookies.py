"""Cookies by their effect in a browser: which it refuses, which it forgets, and what those it keeps are for.

RFC 6265bis ("Cookies: HTTP State Management Mechanism"), 5.1 and 5.6 to 5.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

Purpose = Literal["session", "csrf", "other"]
"""A login or another secret; a token that scripts send back as a header; anything else, such as a language."""

_MOST_OCTETS = 4096
_MOST_VALUE = 1024
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SECONDS = re.compile(r"-?[0-9]+")

_CSRF = re.compile(r"csrf|xsrf|forgery", re.IGNORECASE)
_SESSION = re.compile(
    r"sess(?!ment)|(?:^|[^a-z])sid(?:$|[^a-z])|auth(?!or)|token|jwt|login|logged|remember|passport|identity"
    r"|credential|ticket",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"^_g[aic]|^_fbp|^_hj|^_pk_|^ajs_|^amp_|^__utm|^__cf|^awsalb|anon|visitor|device|consent|affinity|experiment|route"
    r"|^lb[_-]|lang|locale|theme|currency|timezone",
    re.IGNORECASE,
)
"""Names of what is random and still no secret: analytics, load balancers, preferences."""
_SECRET_VALUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_.%=:~-]{20,}")

_DATE_PARTS = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_FORMS = {
    "time": re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)", re.ASCII),
    "day": re.compile(r"(\d{1,2})(?!\d)", re.ASCII),
    "month": re.compile("|".join(_MONTHS), re.ASCII | re.IGNORECASE),
    "year": re.compile(r"(\d{2,4})(?!\d)", re.ASCII),
}
"""What begins a part of a date; a part is the first of these that no earlier part was."""
_PREFIX = re.compile(r"__host-http-|__host-|__secure-|__http-", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCookie:
    """One Set-Cookie line; the value itself is not kept, since it may be a credential."""

    name: str
    value_length: int
    attributes: Mapping[str, str]
    """Lower-case name -> value ("" where there is none); of repeated ones the last counts."""
    secret_value: bool = False
    """Does the value look random, as what nobody may guess does?"""
    problems: tuple[str, ...] = ()
    """Why a browser refuses the cookie, whatever it is for."""

    @property
    def secure(self) -> bool:
        """Sent over TLS alone."""
        return "secure" in self.attributes

    @property
    def http_only(self) -> bool:
        """Kept from scripts."""
        return "httponly" in self.attributes

    @property
    def same_site(self) -> str:
        """`strict`, `lax` or `none`; "default" for an absent or unknown value, as browsers take it."""
        value = self.attributes.get("samesite", "").lower()
        return value if value in ("strict", "lax", "none") else "default"

    @property
    def purpose(self) -> Purpose:
        """What it is for, by its name, and by its value where the name says nothing."""
        if _CSRF.search(self.name):
            return "csrf"
        if _SESSION.search(self.name) or (self.secret_value and not _NO_SECRET.search(self.name)):
            return "session"
        return "other"

    def is_deleted(self, now: datetime) -> bool:
        """Does the line delete the cookie? Max-Age comes before Expires (5.7, step 3)."""
        max_age = self.attributes.get("max-age", "")
        if _SECONDS.fullmatch(max_age):
            return max_age.startswith("-") or not max_age.strip("0")
        expires = parse_cookie_date(self.attributes.get("expires", ""))
        return expires is not None and expires <= now


def looks_like_a_session(name: str) -> bool:
    """Is a cookie of that name a login's, whatever its value?"""
    return SetCookie(name=name, value_length=0, attributes={}).purpose == "session"


def parse_set_cookie(line: str) -> SetCookie:
    """One line as a browser reads it (5.6): it never fails, a nameless cookie has the name ""."""
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", name
    name, value = name.strip(" \t"), value.strip(" \t")
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, content = part.partition("=")
        if len(content.strip()) <= _MOST_VALUE:
            attributes[key.strip().lower()] = content.strip()
    attributes.pop("", None)
    cookie = SetCookie(
        name=name,
        value_length=len(value),
        attributes=MappingProxyType(attributes),
        secret_value=_SECRET_VALUE.fullmatch(value) is not None,
    )
    return replace(cookie, problems=(*_unreadable(line, name, value), *_broken_promises(cookie, name or value)))


def kept_cookies(lines: Iterable[str], now: datetime) -> tuple[SetCookie, ...]:
    """Those that a browser has after an answer with these lines: of one cookie the last line counts, and what it
    refuses changes nothing."""
    kept: dict[tuple[str, str, str], SetCookie] = {}
    for cookie in map(parse_set_cookie, lines):
        if cookie.problems:
            continue
        place = (cookie.name, cookie.attributes.get("domain", ""), cookie.attributes.get("path", ""))
        kept.pop(place, None)
        if not cookie.is_deleted(now):
            kept[place] = cookie
    return tuple(kept.values())


def _unreadable(line: str, name: str, value: str) -> Iterable[str]:
    if _CONTROL.search(line):
        yield "it holds a control character"
    if not name and not value:
        yield "it has neither a name nor a value"
    if len((name + value).encode("utf-8", "replace")) > _MOST_OCTETS:
        yield f"name and value have more than {_MOST_OCTETS} octets"


def _broken_promises(cookie: SetCookie, name: str) -> Iterable[str]:
    """What the cookie's prefix or its attributes promise, and it does not keep (4.1.3, 5.7)."""
    if cookie.same_site == "none" and not cookie.secure:
        yield "SameSite=None without Secure"
    if "partitioned" in cookie.attributes and not cookie.secure:
        yield "Partitioned without Secure"
    prefix = _PREFIX.match(name)
    if prefix is not None:
        yield from _broken_by(prefix[0].lower(), cookie, name)


def _broken_by(prefix: str, cookie: SetCookie, name: str) -> Iterable[str]:
    if not cookie.name:
        yield f"a cookie without a name whose value begins with {prefix}"
    if not cookie.secure:
        yield f"the prefix of {name} demands Secure"
    if "http-" in prefix and not cookie.http_only:
        yield f"the prefix of {name} demands HttpOnly"
    if prefix.startswith("__host-") and (cookie.attributes.get("path") != "/" or cookie.attributes.get("domain")):
        yield f"the prefix of {name} demands Path=/ and no Domain"


def parse_cookie_date(text: str) -> datetime | None:
    """The moment that browsers read in Expires (5.1.1); None if they read none."""
    found: dict[str, re.Match[str]] = {}
    for part in _DATE_PARTS.findall(text):
        for name, form in _DATE_FORMS.items():
            if name not in found and (read := form.match(part)):
                found[name] = read
                break
    if found.keys() != _DATE_FORMS.keys():
        return None
    clock, day, month, year = (found[name] for name in _DATE_FORMS)
    whole = _whole_year(int(year[1]))
    try:
        hour, minute, second = map(int, clock.groups())
        return datetime(whole, _MONTHS.index(month[0].lower()) + 1, int(day[1]), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _whole_year(year: int) -> int:
    """Two digits from 70 on are of the last century (5.1.1)."""
    if year < 100:
        year += 1900 if year >= 70 else 2000
    return max(year, 1)
