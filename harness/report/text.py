"""Strings from evidence made fit to be shown: no control characters, no unpaired surrogates, no hidden direction marks.

Evidence quotes what a service sent, and a service may send anything.
"""

from __future__ import annotations

import re

from harness.machine.foreign_text import plain

__all__ = ["amount", "cell", "clock", "number", "one_line", "percent", "plain", "plural", "seconds", "signs"]


def one_line(text: str, limit: int | None = None) -> str:
    """Like `plain`, with all white space runs turned into one space."""
    window = text if limit is None else text[: 4 * limit]
    return plain(" ".join(plain(window).split()), limit)


def cell(text: str, limit: int = 300) -> str:
    """For a cell of a Markdown table, where a bar, an angle bracket or a backtick would be markup."""
    escaped = re.sub(r"([\\`*_{}\[\]<>|#~!&])", r"\\\1", one_line(text, limit))
    return escaped.replace("@", "@\u200b").replace("://", "\\://").replace("www.", "www\\.")


def number(value: float, digits: int = 3) -> str:
    """A number as a person writes it: `digits` significant ones, thousands apart, no exponent below a billion."""
    if value != value or value in {float("inf"), float("-inf")}:
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u202f")
    if abs(value) >= 10**digits:
        return f"{round(value):,}".replace(",", "\u202f")
    rounded = f"{value:.{digits}g}"
    return f"{value:.6f}".rstrip("0").rstrip(".") if "e-0" in rounded and abs(value) >= 1e-6 else rounded


def signs(text: str) -> str:
    """Comparisons as they are printed: `<=` becomes `≤`."""
    return text.replace("<=", "≤").replace(">=", "≥")


def amount(value: float, unit: str) -> str:
    """A number with its unit; ratios that are shares of one stay ratios, bytes become MiB where that reads better."""
    if unit == "count":
        return number(value)
    if unit in {"B", "byte", "bytes"} and abs(value) >= 2**20:
        return f"{number(value / 2**20)} MiB"
    return f"{number(value)} {unit}".strip()


def seconds(value: float) -> str:
    """A duration: `340 ms`, `8.2 s`, `1 min 24 s`."""
    if value < 1:
        return f"{number(value * 1000, 2)} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clock(at: str) -> str:
    """A record's UTC time, without the fraction: `2026-01-31 09:30:00 UTC`."""
    return f"{at[:10]} {at[11:19]} UTC" if len(at) >= 19 else one_line(at, 40)


def plural(count: int, word: str, many: str | None = None) -> str:
    """`1 test`, `2 tests`."""
    return f"{number(count)} {word if count == 1 else many or word + 's'}"


def percent(share: float) -> str:
    """A share as a person writes it: `46 %`."""
    return f"{100 * share:.0f}\u00a0%"
