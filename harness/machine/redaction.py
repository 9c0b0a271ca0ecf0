"""Secrets never reach a file of a run (docs/run-folder.md): known values and known shapes become `***`.

Text is cleaned as text. Data (what becomes evidence) is cleaned string by string, so that no secret, however it is
spelled, can break a document's syntax or one of its names.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 6
"""Shorter values are not replaced: `test` as a password would blot out half of a log. Longer than the mask."""
DEEPEST = 100
"""Levels of data that are kept; what lies deeper is a target's game with our stack, and becomes `TOO_DEEP`."""
TOO_DEEP = "… (nested too deeply to be kept)"

_NAMES = r"password|passwd|pwd|secret|client_?secret|api_?key|(?:access|refresh|id|csrf|auth)_?token|token"
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES}|(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-csrf-token)")
_SCHEME = r"(?:(?:bearer|basic|digest|token|apikey|negotiate)\s+)?+"
_THEN = r"(?:\\?[\"']?\s*+[:=]|\\?[\"']\s*+,)\s*+\\?[\"']?"
"""Between a header's name and its value: a colon, or the comma of a pair."""
_VARIABLE = r"(?!\$|'\\?\"\$)"
"""A `curl` line names variables in place of secrets; they are left alone."""

_Replacement = str | Callable[[re.Match[str]], str]
_COOKIE_NAME = 256
"""Characters of a cookie's name that are looked at: a longer one is no cookie."""


def _mask_cookies(match: re.Match[str]) -> str:
    """Every `name=value` of a Cookie header; of Set-Cookie the first alone, since attributes follow it."""
    count = 1 if match["set"] else 0
    return match["head"] + re.sub(r"=(?!\$)[^;\s\"'\\,]+", f"={MASK}", match["pairs"], count=count)


def _mask_whole(match: re.Match[str]) -> str:
    """A token that has all its parts; the beginning of one stays as it is."""
    return MASK if match["rest"] else match[0]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a secret looks like, and words of which a text holds one (in lower case) where it has the shape.

    The text may be a target's, which may want to keep us busy: no pattern may take more than linear time. So a part
    that repeats is possessive or has nothing after it, is never tried again from inside itself, and has an end.
    """

    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    mask: _Replacement


_NAMED = ("pass", "pwd", "secret", "token", "apikey", "api_key")
_SHAPES = (
    # JSON Web Tokens (RFC 7519); a beginning that does not go on is passed over, not tried again at its next letter
    _Shape(("eyj",), re.compile(r"\beyJ[\w-]{5,}+(?P<rest>\.[\w-]{5,}+\.[\w-]*+)?"), _mask_whole),
    # the password of a URL's authority (RFC 3986, 3.2.1); an unescaped @ belongs to it as long as no / comes before
    _Shape(
        ("://",),
        re.compile(r"(?i)(?<=[a-z0-9+.-])(://[^\s:/@\"'\\]*+):(?!\*\*\*@)[^\s/\"'\\]+@"),
        rf"\1:{MASK}@",
    ),
    # the headers Authorization and Proxy-Authorization, as text, in JSON or as a pair
    _Shape(
        ("authorization",),
        re.compile(rf"(?i)(\bauthorization{_THEN}{_SCHEME}){_VARIABLE}[^\s\"'\\,]+"),
        rf"\1{MASK}",
    ),
    _Shape(
        ("x-api-key", "x-csrf-token"),
        re.compile(rf"(?i)(\bx-(?:api-key|csrf-token){_THEN}){_VARIABLE}[^\s\"'\\,]+"),
        rf"\1{MASK}",
    ),
    _Shape(
        ("cookie",),
        re.compile(
            rf"(?i)(?P<head>\b(?P<set>set-)?cookie{_THEN})"
            rf"(?P<pairs>[^\s\"'\\=]{{1,{_COOKIE_NAME}}}+=[^\r\n\"'\\]*+)"
        ),
        _mask_cookies,
    ),
    # members of an object that are named for what they hold: JSON, JSON within a JSON string, Python's repr
    _Shape(_NAMED, re.compile(rf"(?i)(\"(?:{_NAMES})\"\s*+:\s*+\"){_VARIABLE}(?:[^\"\\]|\\.)++"), rf"\1{MASK}"),
    _Shape(
        _NAMED,
        re.compile(rf"(?i)(\\\"(?:{_NAMES})\\\"\s*+:\s*+\\\"){_VARIABLE}(?:[^\"\\]|\\\\\\?.)++"),
        rf"\1{MASK}",
    ),
    _Shape(_NAMED, re.compile(rf"(?i)('(?:{_NAMES})'\s*+:\s*+'){_VARIABLE}(?:[^'\\]|\\.)++"), rf"\1{MASK}"),
    # forms and query strings
    _Shape(_NAMED, re.compile(rf"(?i)(\b(?:{_NAMES})=){_VARIABLE}[^&\s\"'\\;,#]+"), rf"\1{MASK}"),
)
_OWN_NAME = re.compile("[a-z_]*|p[0-9]+")
_ESCAPED = re.compile("%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")
_SHORTEST_ENCODED = 8
"""Characters of base64; fewer may stand anywhere by chance."""
_HALF_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ROUNDS = 8
"""How often a text is gone through for known secrets: a mask beside other text may spell another one."""
_PARSED = 65536
"""Characters of a learned value that are looked at for what is secret in it; a longer one is secret as a whole."""


class Redactor:
    """Replaces every secret it was told of, and whatever looks like one."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        """Spellings of what is known, the longest first: a shorter one may be part of it."""

    def learn(self, values: Iterable[str | None]) -> None:
        """Remember secret values; of a URL or a DSN, the passwords in it."""
        forms = {form for value in values if value for secret in _secrets_in(value) for form in _spellings(secret)}
        new = {form for form in forms if len(form) >= SHORTEST}.difference(self._forms)
        if new:
            self._forms = tuple(sorted({*self._forms, *new}, key=lambda form: (-len(form), form)))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        text = self.known(text)
        lower = text.lower()
        shapes = [shape for shape in _SHAPES if any(sign in lower for sign in shape.signs)]
        for shape in shapes:
            text = shape.pattern.sub(shape.mask, text)
        return self.known(text) if shapes else text

    def data(self, value: Any, depth: int = DEEPEST) -> Any:  # noqa: ANN401 - JSON-like data in, the same out
        """Mappings, lists and strings without secrets; our own names of members stay, numbers too."""
        if isinstance(value, str):
            return self(value)
        if not isinstance(value, Mapping | list | tuple):
            return value
        if not depth:
            return TOO_DEEP
        if isinstance(value, Mapping):
            return {self._name(name): self._member(str(name), content, depth - 1) for name, content in value.items()}
        if len(value) == 2 and isinstance(value[0], str) and _SECRET_NAME.fullmatch(value[0]):
            return [value[0], self._member(value[0], value[1], depth - 1)]
        return [self.data(part, depth - 1) for part in value]

    def texts(self, value: Any) -> Any:  # noqa: ANN401 - JSON-like data in, the same out
        """The same, where the names of members say nothing of what they hold."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self._name(name): self.texts(content) for name, content in value.items()}
        return [self.texts(part) for part in value] if isinstance(value, list | tuple) else value

    def _name(self, name: object) -> object:
        """A name of a member: one of ours is plain words, a target's (a path, a header) may be or hold anything."""
        return self.known(name) if isinstance(name, str) and not _OWN_NAME.fullmatch(name) else name

    def _member(self, name: str, content: object, depth: int) -> object:
        if isinstance(content, str) and content and not content.startswith("$") and _SECRET_NAME.fullmatch(name):
            return MASK
        return self.data(content, depth)

    def known(self, text: str) -> str:
        """The text without the secrets that it was told of, whatever else looks like one.

        Round after round until none is left. A text that always spells another one is a riddle: all of it goes.
        """
        for _ in range(_ROUNDS):
            found = [form for form in self._forms if form in text]
            if not found:
                return text
            for form in found:
                text = _masked(text, form)
        return MASK


def _masked(text: str, form: str) -> str:
    """The text with a mask for each `form`. An escape that the form begins in goes as a whole: half of one would break
    a document's syntax (`\\u0000` followed by zeros, `\\n` before a secret that begins with n).
    """
    kept: list[str] = []
    at = 0
    while (found := text.find(form, at)) >= 0:
        kept += [text[at : _whole_escape(text, at, found)], MASK]
        at = found + len(form)
    return "".join([*kept, text[at:]])


def _whole_escape(text: str, least: int, at: int) -> int:
    """Where the escape begins that `at` is in the middle of; else `at`. A backslash behind a backslash begins none."""
    half = _HALF_ESCAPE.search(text, max(least, at - 5), at)
    if half is None:
        return at
    first = half.start()
    while first > least and text[first - 1] == "\\":
        first -= 1
    return half.start() if (half.start() - first) % 2 == 0 else at


def _secrets_in(value: str) -> Iterator[str]:
    """The value itself, or the passwords of a URL (user information, query) or of a `key=value` DSN."""
    if len(value) > _PARSED:
        yield value
        return
    if "://" not in value:
        keyed = re.search(r"(?:^|\s)password=('(?:[^'\\]|\\.)*+'|\S+)", value)
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
    """How it stands in a file: as it is, in a URL, in JSON, in HTML, in Python's repr, on a shell's line, encoded."""
    # a token comes from a target: half a surrogate pair in it must not raise
    data = secret.encode("utf-8", "surrogatepass")
    quoted = quote(secret, safe="", errors="surrogatepass")
    in_json, in_html = json.dumps(secret)[1:-1], html.escape(secret)
    return (
        secret,
        quote(secret, errors="surrogatepass"),
        quoted,
        quote_plus(secret, errors="surrogatepass"),
        _ESCAPED.sub(lambda escape: escape[0].lower(), quoted),
        quote(quoted, safe=""),
        in_json,
        in_json.replace("/", "\\/"),
        json.dumps(in_json)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        in_html,
        in_html.replace("&#x27;", "&#39;"),
        in_html.replace("&#x27;", "&apos;"),
        repr(secret)[1:-1],
        repr(data)[2:-1],
        secret.replace("'", "'\\''"),
        data.hex(),
        data.hex().upper(),
        *_in_base64(data),
    )


def _in_base64(data: bytes) -> Iterator[str]:
    """What is the same of it in base64 whatever stands before and after it: a Basic header has a name before."""
    for before in range(3):
        whole = (before + len(data)) * 8 // 6
        encoded = b64encode(bytes(before) + data).decode()[(before * 8 + 5) // 6 : whole]
        if len(encoded) >= _SHORTEST_ENCODED:
            yield encoded
            yield encoded.translate(_URL_SAFE)
