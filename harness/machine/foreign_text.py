"""Text that somebody else wrote, made fit to be shown: no escapes, no control characters, no hidden marks.

A name, a title or a log line of a service may hold escapes that clear the screen, write to the clipboard or let text
read backwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# compiled where they are used first: every command imports this, and few print what needs them
_ANSI = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])"
_NOT_XML = "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""Everything outside XML 1.0's production `Char`; these are no good in HTML or Markdown either."""
_C1_CONTROLS = "[\x7f-\x84\x86-\x9f]"
_DIRECTION = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""Marks that let text read differently from what it is (CVE-2021-42574)."""


def plain(text: str, limit: int | None = None) -> str:
    """`text` without terminal escapes, cut at `limit`; what cannot be shown becomes U+FFFD or its `\\u` name."""
    cut = text if limit is None else text[: limit + 1]
    cut = re.sub(_ANSI, "", cut)
    cut = re.sub(_NOT_XML, "\ufffd", cut)
    cut = re.sub(_C1_CONTROLS, "\ufffd", cut)
    cut = re.sub(_DIRECTION, lambda mark: f"\\u{ord(mark.group()):04x}", cut)
    if limit is not None and len(text) > limit:
        return f"{cut[:limit]}… ({len(text) - limit:,} characters more)"
    return cut


_LINE_ENDS = "\r\n?|[\u0085\u2028\u2029]"
_ACTS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
"""What a terminal acts on, or does not show."""


def for_terminal(text: str) -> str:
    """`text` as a terminal may be given it: like `plain`, and a carriage return overwrites nothing."""
    return plain(re.sub(_LINE_ENDS, "\n", text)) if re.search(_ACTS, text) else text


def escaped_json(document: str) -> str:
    """A JSON document with those characters escaped, as JSON allows; it reads the same."""
    return re.sub(_ACTS, lambda found: f"\\u{ord(found[0]):04x}", document)


def clipped(text: str, most: int) -> str:
    """At most so many characters, without the middle of a longer text, since both of its ends say something."""
    if len(text) <= most:
        return text
    half = (most - 40) // 2
    return f"{text[:half]} … ({len(text) - 2 * half:,} characters) … {text[-half:]}"


MOST_KEPT = 64_000
"""Characters that reports keep of one text: what a test printed, an attachment, a message."""


def kept(text: str, most: int = MOST_KEPT) -> str:
    """The text, of a longer one its beginning and its end, with a word of how much is left out between them."""
    if len(text) <= most:
        return text
    half = most // 2
    left_out = f"{len(text) - 2 * half:,} of {len(text):,} characters"
    return f"{text[:half]}\n… cut here: {left_out} are left out …\n{text[-half:]}"


def kept_data(data: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Nested data with each of its texts `kept`."""
    match data:
        case str():
            return kept(data)
        case Mapping():
            return {name: kept_data(value) for name, value in data.items()}
        case list() | tuple():
            return [kept_data(value) for value in data]
        case _:
            return data
