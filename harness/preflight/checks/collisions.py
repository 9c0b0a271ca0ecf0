"""Braces that a template's engine takes for its own although somebody else's were meant, and tags opened in tags.

The engine's own message for them names a line far away, or there is none and the page is wrong.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from harness.preflight.markup import inline_scripts
from harness.preflight.unclosed import COMMENTS, without_unclosed

# What of a template is no tag, or one with everything in it that belongs to strings.
_STRINGS = r"\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+'"
_TAGS = re.compile(
    r"\{%[-+]?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*[-+]?%\}|\{\{\{\{(?P<block>\w+)\}\}\}\}.*?\{\{\{\{/(?P=block)\}\}\}\}"
    r"|(?<!\{)\{\#.*?\#\}|\{\{!--.*?--\}\}|\{\{![^{}]*+\}\}|\\\{\{"
    rf"|(?P<open>\{{\{{\{{?|\{{%)(?>{_STRINGS}|(?!\}}\}}|%\}}|\{{\{{|\{{%).)*+(?P<next>\}}\}}|%\}}|\{{\{{|\{{%)",
    re.DOTALL,
)
# JavaScript's template literals, with whatever could only look as if it began one.
_LITERALS = re.compile(
    r"//[^\n]*+|/\*.*?(?:\*/|\Z)|'(?:\\.|[^'\\\n])*+'?|\"(?:\\.|[^\"\\\n])*+\"?"
    r"|(?P<literal>`(?:\\.|[^`\\])*+`)|`(?:\\.|[^`\\])*+\Z",
    re.DOTALL,
)
_DOLLAR = re.compile(r"(?<!\\)\$\{\{(?!\{)")
_RAW = re.compile(
    r"\{%[-+]?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*[-+]?%\}|(?<!\{)\{#.*?#\}|\{\{!--.*?--\}\}"
    r"|\{\{\{\{(?P<block>\w+)\}\}\}\}.*?\{\{\{\{/(?P=block)\}\}\}\}",
    re.DOTALL,
)


def collisions(text: str, *, script: bool, engine: str) -> Iterator[tuple[int, str]]:
    """Line and message of each; `script` if the whole template is one."""
    dollars = set(_dollars(text, script=script))
    lines = [found.start() for found in re.finditer("\n", text)]
    for at in sorted(dollars):
        yield _line(lines, at), f"{engine} takes the braces of '${{{{' in a script's template literal for its own"
    for opened, followed in _nested(text):
        # that the braces of a script close nothing is no news
        if opened - 1 not in dollars:
            first, second = _line(lines, opened), _line(lines, followed)
            where = "in it" if first == second else f"at line {second}"
            one, other = text[opened : opened + 2], text[followed : followed + 2]
            yield first, f"'{one}' is not closed before '{other}' {where}"


def _dollars(text: str, *, script: bool) -> Iterator[int]:
    hidden = [raw.span() for raw in _RAW.finditer(without_unclosed(text, COMMENTS))]
    for start, body in [(0, text)] if script else [(one.start, one.text) for one in inline_scripts(text)]:
        for found in _LITERALS.finditer(body):
            for dollar in _DOLLAR.finditer(found["literal"] or ""):
                at = start + found.start() + dollar.start()
                before = bisect_right(hidden, (at, len(text))) - 1
                if before < 0 or at >= hidden[before][1]:
                    yield at


def _nested(text: str) -> Iterator[tuple[int, int]]:
    """Where a tag begins that is not closed before the next one, and where that begins."""
    text = without_unclosed(text, COMMENTS)
    at = 0
    while (tag := _TAGS.search(text, at)) is not None:
        at = tag.end()
        if tag["next"] in {"{{", "{%"}:
            # the next one is a tag of its own, and is looked at again
            at = tag.start("next")
            yield tag.start(), at


def _line(lines: list[int], at: int) -> int:
    return bisect_left(lines, at) + 1
