"""Tags and comments that nothing closes, taken out before templates are searched for whole ones.

A search for `{# … #}` goes to the end of the text from every beginning that has no end: over a file of beginnings alone
that takes hours. Without those, each search ends at the end that it finds, and goes on behind it.
"""

from __future__ import annotations

import re

_FILLER = "\ue000"
"""A character without a meaning (private use), one for each that is taken out: places stay as they are."""

_RAW = (r"\{%[-+]?\s*+(raw)\s*+-?%\}", r"\{%-?\s*+endraw\s*+[-+]?%\}")
_COMMENTS = ((r"(?<!\{)(\{\#)", r"\#\}"), (r"\{\{(!--)", r"--\}\}"), _RAW)
_HTML = ((r"(<!--)", r"-->"), (r"(?i)<(script)\b", r"(?i)</script\s*+>"))
_TAGS = ((r"(<%)", r"%>"), (r"\{\{(\{)", r"\}\}\}"), (r"(\{\{)", r"\}\}"), (r"(\{%)", r"%\}"))
_Pairs = tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]


def _compiled(*pairs: tuple[str, str]) -> _Pairs:
    return tuple((re.compile(opening), re.compile(closing)) for opening, closing in pairs)


COMMENTS = _compiled(*_COMMENTS)
PARTS = _compiled(*_COMMENTS, *_HTML)
EVERYTHING = _compiled(*_COMMENTS, *_HTML, *_TAGS)
_BLOCK = re.compile(r"\{\{\{\{(?P<end>/?)(?P<name>\w+)\}\}\}\}")


def without_unclosed(text: str, pairs: _Pairs) -> str:
    """The text with fillers in place of every beginning that has no end behind it."""
    for opening, closing in pairs:
        if opening.search(text) is None:
            continue
        last = 0
        for end in closing.finditer(text):
            last = end.start()
        text = text[:last] + opening.sub(lambda found: _filled(found, found.span(1)), text[last:])
    return _without_unclosed_blocks(text)


def _without_unclosed_blocks(text: str) -> str:
    """Handlebars' `{{{{name}}}} … {{{{/name}}}}`: each name has its own end."""
    ends = {found["name"]: found.start() for found in _BLOCK.finditer(text) if found["end"]}

    def kept(found: re.Match[str]) -> str:
        closed = found["end"] or ends.get(found["name"], -1) > found.start()
        return found[0] if closed else _filled(found, found.span("name"))

    return _BLOCK.sub(kept, text)


def _filled(found: re.Match[str], span: tuple[int, int]) -> str:
    begin, end = span[0] - found.start(), span[1] - found.start()
    return found[0][:begin] + _FILLER * (end - begin) + found[0][end:]
