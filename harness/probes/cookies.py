"""Cookies of a service, kept as a browser keeps them, whatever the service sends."""

from __future__ import annotations

import time
from http import cookiejar
from typing import Any

MOST_COOKIES = 180
"""As many as browsers keep of one site."""


class Cookies(cookiejar.CookieJar):
    """Each cookie is read by itself: one that cannot be read is not kept, and costs no other.

    (The standard library gives up all cookies of an answer for one of them, with a warning and a traceback.) Those
    outside of the standard's alphabet (RFC 6265, 4.1.1) are not kept either: no header can send them back.
    """

    def make_cookies(self, response: Any, request: Any) -> list[cookiejar.Cookie]:  # noqa: ANN401 - urllib's own
        """See `CookieJar.make_cookies`."""
        self._now = int(time.time())
        lines = response.info().get_all("Set-Cookie", [])
        room = max(0, MOST_COOKIES - len(self))
        return [cookie for line in lines[:room] for cookie in self._read(str(line), request)]

    def _read(self, line: str, request: Any) -> list[cookiejar.Cookie]:  # noqa: ANN401
        if not line.isascii() or not line.isprintable():
            return []
        try:
            attributes = cookiejar.parse_ns_headers([line])  # type: ignore[attr-defined]
            found: list[cookiejar.Cookie] = self._cookies_from_attrs_set(attributes, request)  # type: ignore[attr-defined]
            self._process_rfc2109_cookies(found)  # type: ignore[attr-defined]
        except (ValueError, ArithmeticError, TypeError, LookupError, AttributeError):
            return []
        return found
