"""Text that somebody else wrote, made fit to be shown: no escapes, no control characters, no hidden marks.

A name, a title or a log line of a service may hold escapes that clear the screen, write to the clipboard or let text
read backwards.
"""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Everything outside XML 1.0's production `Char`; these are no good in HTML or Markdown either."""
_C1_CONTROLS = re.compile("[\x7f-\x84\x86-\x9f]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that let text read differently from what it is (CVE-2021-42574)."""


def plain(text: str, limit: int | None = None) -> str:
    """`text` without terminal escapes, cut at `limit`; what cannot be shown becomes U+FFFD or its `\\u` name."""
    cut = text if limit is None else text[: limit + 1]
    cut = _ANSI.sub("", cut)
    cut = _NOT_XML.sub("\ufffd", cut)
    cut = _C1_CONTROLS.sub("\ufffd", cut)
    cut = _DIRECTION.sub(lambda mark: f"\\u{ord(mark.group()):04x}", cut)
    if limit is not None and len(text) > limit:
        return f"{cut[:limit]}… ({len(text) - limit:,} characters more)"
    return cut


_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on, or does not show."""


def for_terminal(text: str) -> str:
    """`text` as a terminal may be given it: like `plain`, and a carriage return overwrites nothing."""
    return plain(_LINE_ENDS.sub("\n", text)) if _ACTS.search(text) else text


def escaped_json(document: str) -> str:
    """A JSON document with those characters escaped, as JSON allows; it reads the same."""
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def clipped(text: str, most: int) -> str:
    """At most so many characters, without the middle of a longer text, since both of its ends say something."""
    if len(text) <= most:
        return text
    half = (most - 40) // 2
    return f"{text[:half]} … ({len(text) - 2 * half:,} characters) … {text[-half:]}"
