"""Secrets never reach a file of a run (DESIGN 4.2): known values and known shapes become `***`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_SHORTEST = 6
"""Shorter values are not replaced: `test` as a password would blot out half of a log."""

_SHAPES = (
    # JSON Web Tokens (RFC 7519)
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "***"),
    # the password of a URL's authority (RFC 3986)
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@\"'\\]*):[^\s/@\"'\\]+@"), r"\1:***@"),
    # Authorization and cookie headers, as text or inside JSON
    (re.compile(r"(?i)(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:bearer|basic)\s+)(?!\$)[^\s\"'\\,]+"), r"\1***"),
    (re.compile(r"(?i)(\b(?:set-)?cookie\\?[\"']?\s*[:,]\s*\\?[\"']?[^=\s\"'\\]+=)(?!\$)[^;\s\"'\\,]+"), r"\1***"),
    # members of a JSON object that are named for what they hold
    (
        re.compile(
            r"(?i)(\\?[\"'](?:password|passwd|secret|api_?key|access_token|refresh_token|id_token|csrf_token)\\?[\"']"
            r"\s*:\s*\\?[\"'])(?!\$)[^\"'\\]+"
        ),
        r"\1***",
    ),
)


@dataclass
class Redactor:
    """Replaces every secret it was told of, and whatever looks like one."""

    values: set[str] = field(default_factory=set)

    def learn(self, values: Iterable[str | None]) -> None:
        """Remember secret values; of a URL, the password in it."""
        for value in values:
            if not value:
                continue
            password = urlsplit(value).password if "://" in value else value
            for form in {password, unquote(password)} if password else ():
                if len(form) >= _SHORTEST:
                    self.values.add(form)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for value in sorted(self.values, key=len, reverse=True):
            text = text.replace(value, "***")
        for shape, mask in _SHAPES:
            text = shape.sub(mask, text)
        return text
