"""Secrets never reach a file of a run (docs/run-folder.md): known values and known shapes become `***`.

Text is cleaned as text. Data (what becomes evidence) is cleaned string by string, so that no secret, however it is
spelled, can break a document's syntax or one of its names.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 6
"""Shorter values are not replaced: `test` as a password would blot out half of a log. Longer than the mask."""

_NAMES = r"password|passwd|pwd|secret|client_?secret|api_?key|(?:access|refresh|id|csrf|auth)_?token|token"
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES}|(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-csrf-token)")
_SCHEME = r"(?:(?:bearer|basic|digest|token|apikey|negotiate)\s+)?+"
_THEN = r"(?:\\?[\"']?\s*[:=]|\\?[\"']\s*,)\s*\\?[\"']?"
"""Between a header's name and its value: a colon, or the comma of a pair."""
_VARIABLE = r"(?!\$|'\\?\"\$)"
"""A `curl` line names variables in place of secrets; they are left alone."""

_Replacement = str | Callable[[re.Match[str]], str]


def _mask_cookies(match: re.Match[str]) -> str:
    """Every `name=value` of a Cookie header; of Set-Cookie the first alone, since attributes follow it."""
    count = 1 if match["set"] else 0
    return match["head"] + re.sub(r"=(?!\$)[^;\s\"'\\,]+", f"={MASK}", match["pairs"], count=count)


_SHAPES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    # JSON Web Tokens (RFC 7519)
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    # the password of a URL's authority (RFC 3986, 3.2.1); an unescaped @ belongs to it as long as no / comes before
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@\"'\\]*):(?!\*\*\*@)[^\s/\"'\\]+@"), rf"\1:{MASK}@"),
    # the headers Authorization and Proxy-Authorization, as text, in JSON or as a pair
    (re.compile(rf"(?i)(\bauthorization{_THEN}{_SCHEME}){_VARIABLE}[^\s\"'\\,]+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)(\bx-(?:api-key|csrf-token){_THEN}){_VARIABLE}[^\s\"'\\,]+"), rf"\1{MASK}"),
    (
        re.compile(rf"(?i)(?P<head>\b(?P<set>set-)?cookie{_THEN})(?P<pairs>[^\s\"'\\=]+=[^\r\n\"'\\]*)"),
        _mask_cookies,
    ),
    # members of an object that are named for what they hold: JSON, JSON within a JSON string, Python's repr
    (re.compile(rf"(?i)(\"(?:{_NAMES})\"\s*:\s*\"){_VARIABLE}(?:[^\"\\]|\\.)+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)(\\\"(?:{_NAMES})\\\"\s*:\s*\\\"){_VARIABLE}(?:[^\"\\]|\\\\\\?.)+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)('(?:{_NAMES})'\s*:\s*'){_VARIABLE}(?:[^'\\]|\\.)+"), rf"\1{MASK}"),
    # forms and query strings
    (re.compile(rf"(?i)(\b(?:{_NAMES})=){_VARIABLE}[^&\s\"'\\;,#]+"), rf"\1{MASK}"),
)


_SIGNS = ("eyj", "://", "authorization", "cookie", "x-api-key", "pass", "pwd", "secret", "token", "apikey", "api_key")
"""No shape matches a text that has none of these in it (in lower case): most texts need no further look."""


class Redactor:
    """Replaces every secret it was told of, and whatever looks like one."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def learn(self, values: Iterable[str | None]) -> None:
        """Remember secret values; of a URL or a DSN, the passwords in it."""
        forms = {form for value in values if value for secret in _secrets_in(value) for form in _spellings(secret)}
        new = {form for form in forms if len(form) >= SHORTEST} - self._forms
        if new:
            self._forms |= new
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._known = re.compile("|".join(re.escape(form) for form in longest_first))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        text = self._without_known(text)
        lower = text.lower()
        if any(sign in lower for sign in _SIGNS):
            for shape, mask in _SHAPES:
                text = shape.sub(mask, text)
            text = self._without_known(text)
        return text

    def data(self, value: Any) -> Any:  # noqa: ANN401 - JSON-like data in, the same out
        """Mappings, lists and strings without secrets; names of members stay, numbers too."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {name: self._member(str(name), content) for name, content in value.items()}
        if isinstance(value, list | tuple):
            if len(value) == 2 and isinstance(value[0], str) and _SECRET_NAME.fullmatch(value[0]):
                return [value[0], self._member(value[0], value[1])]
            return [self.data(part) for part in value]
        return value

    def _member(self, name: str, content: object) -> object:
        if isinstance(content, str) and content and not content.startswith("$") and _SECRET_NAME.fullmatch(name):
            return MASK
        return self.data(content)

    def _without_known(self, text: str) -> str:
        """Again until none is left: a mask beside other text may spell another one. Each round is shorter."""
        while self._known is not None and any(form in text for form in self._forms):
            text = self._known.sub(MASK, text)
        return text


def _secrets_in(value: str) -> Iterator[str]:
    """The value itself, or the passwords of a URL (user information, query) or of a `key=value` DSN."""
    if "://" not in value:
        keyed = re.search(r"(?:^|\s)password=('(?:[^'\\]|\\.)*'|\S+)", value)
        yield keyed[1].strip("'") if keyed else value
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        yield value
        return
    if parts.password:
        yield parts.password
        yield unquote(parts.password)
    yield from (content for name, content in parse_qsl(parts.query) if _SECRET_NAME.fullmatch(name))


def _spellings(secret: str) -> tuple[str, ...]:
    """How it may stand in a file: as it is, in a URL, in JSON, in HTML, in Python's repr."""
    return (
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
    )
