"""What an answer announces of a rate limit, in the three ways that are about.

`RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers, the three headers of its older versions
(`RateLimit-Limit`, `-Remaining`, `-Reset`), and the same with `X-`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from harness.probes.exchange import Exchange

USUAL_WINDOWS = (1, 10, 60, 300, 600, 900, 3600, 86400)
"""Seconds; what is left of a window is rounded up to one of these where the window itself is not announced."""
_EPOCH = 10**9
"""A reset this large is a moment of Unix time, not a number of seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A limit as one answer announces it; None for what it does not say. Times in seconds."""

    limit: int
    header: str
    """The header that named the limit."""
    window_s: float | None = None
    remaining: int | None = None
    reset_s: float | None = None

    @property
    def likely_window_s(self) -> float | None:
        """The window, or the usual one that what is left of it fits in."""
        if self.window_s is not None or self.reset_s is None:
            return self.window_s
        left = self.reset_s
        return next((float(window) for window in USUAL_WINDOWS if window >= left), None)


def announced_limit(answer: Exchange) -> Announced | None:
    """The limit that an answer announces; None if it announces none."""
    said = {_folded(name): (name, value) for name, value in answer.headers if "ratelimit" in _folded(name)}
    limit, header = _limit(said)
    if not limit:
        return None
    now = _text(said, "ratelimit")
    window = _number(r"\bw=(\d{1,9})", _text(said, "ratelimitpolicy"))
    remaining = _number(r"\br(?:emaining)?=(\d{1,9})", now)
    reset = _number(r"\b(?:t|reset)=(\d{1,12})", now)
    for prefix in ("ratelimit", "xratelimit"):
        remaining = _either(remaining, _number(r"^\s*(\d{1,9})", _text(said, f"{prefix}remaining")))
        reset = _either(reset, _number(r"^\s*(\d{1,12})", _text(said, f"{prefix}reset")))
    if reset is not None and reset > _EPOCH:
        reset = max(0, reset - int(time.time()))
    return Announced(limit=limit, header=header, window_s=window or None, remaining=remaining, reset_s=reset)


def _limit(said: dict[str, tuple[str, str]]) -> tuple[int, str]:
    for name, pattern in (
        ("ratelimitpolicy", r"\bq=(\d{1,9})"),
        ("ratelimitpolicy", r"^\s*(\d{1,9})"),
        ("ratelimit", r"\blimit=(\d{1,9})"),
        ("ratelimitlimit", r"^\s*(\d{1,9})"),
        ("xratelimitlimit", r"^\s*(\d{1,9})"),
    ):
        found = _number(pattern, _text(said, name))
        if found:
            return found, said[name][0]
    return 0, ""


def _folded(name: str) -> str:
    return name.lower().replace("-", "")


def _text(said: dict[str, tuple[str, str]], name: str) -> str:
    return said[name][1] if name in said else ""


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.ASCII)
    return int(found[1]) if found else None


def _either(first: int | None, second: int | None) -> int | None:
    return first if first is not None else second
