"""Scripts inside pages, and the scripts that templates make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.preflight.unclosed import EVERYTHING, without_unclosed

_PART = re.compile(
    r"<!--.*?-->|(?<!\{)\{#.*?#\}|\{\{!--.*?--\}\}"
    r"|<script\b(?P<attributes>(?>\{\{.*?\}\}|\{%.*?%\}|\"[^\"]*\"|'[^']*'|[^<>])*+)>(?P<body>.*?)</script\s*>",
    re.DOTALL | re.IGNORECASE,
)
_TYPE = re.compile(r"(?<![\w-])type\s*=\s*[\"']?(?P<type>[^\"'\s>]*)", re.IGNORECASE)
_JAVASCRIPT = re.compile(r"(?:(?:text|application)/(?:x-)?(?:java|ecma)script(?:\s*;.*)?)?", re.IGNORECASE)
_TAG = re.compile(
    r"\{%[-+]?\s*raw\s*-?%\}(?P<raw>.*?)\{%-?\s*endraw\s*[-+]?%\}"
    r"|(?<!\{)\{#.*?#\}|<%.*?%>|\{%[-+]?\s*(?P<statement>\w+).*?%\}"
    r"|\{\{!--.*?--\}\}|\{\{\{.*?\}\}\}|\{\{[-~]?\s*(?P<sign>[#/^>!]|else\b)?.*?\}\}",
    re.DOTALL,
)
"""A tag of Jinja, of Handlebars and of those who write like them."""

_SILENT = frozenset(
    {
        *("if", "elif", "elsif", "else", "for", "empty", "unless", "ifequal", "set", "do", "block", "macro"),
        *("call", "filter"),
    }
    | {"with", "autoescape", "import", "from", "extends", "trans", "blocktrans", "comment", "spaceless", "load"}
)
_OPENING = frozenset({"if", "for", "unless", "#"})


@dataclass(frozen=True, slots=True)
class Inline:
    """The text of a `<script>`, and where in the page it begins."""

    text: str
    start: int
    module: bool


def inline_scripts(page: str) -> Iterator[Inline]:
    """Every script that stands in a page itself and is JavaScript; those in comments are none."""
    for part in _PART.finditer(without_unclosed(page, EVERYTHING)):
        if part["body"] is None:
            continue
        said = _TYPE.search(part["attributes"])
        kind = said["type"] if said else ""
        if kind.lower() == "module" or _JAVASCRIPT.fullmatch(kind):
            yield Inline(page[slice(*part.span("body"))], part.start("body"), kind.lower() == "module")


def has_tags(page: str) -> bool:
    """Is it a template? A script alone does not show it: braces are JavaScript's own."""
    return _TAG.search(_PART.sub("", without_unclosed(page, EVERYTHING))) is not None


def as_rendered(text: str) -> str:
    """A script as its template may render it, each character at its place: a name for every value, the first branch
    of every choice.
    """
    made: list[str] = []
    at = 0
    left_out = 0
    for tag in _TAG.finditer(without_unclosed(text, EVERYTHING)):
        before = text[at : tag.start()]
        made.append(_blank(before) if left_out else before)
        at = tag.end()
        word = tag["statement"] or tag["sign"] or ""
        if left_out:
            left_out += (word in _OPENING) - (word.startswith("end") or word == "/")
        elif word in {"else", "elif", "elsif", "empty", "^"}:
            left_out = 1
        made.append(_tag(tag, text) if not left_out else _blank(tag[0]))
    made.append(text[at:])
    return "".join(made)


def _tag(tag: re.Match[str], text: str) -> str:
    if tag["raw"] is not None:
        begin, end = tag.start("raw") - tag.start(), tag.end("raw") - tag.start()
        return _blank(tag[0][:begin]) + text[slice(*tag.span("raw"))] + _blank(tag[0][end:])
    statement = tag["statement"] or ""
    silent = statement in _SILENT or statement.startswith("end") or tag["sign"] or tag[0].startswith("{#")
    if silent or (tag[0].startswith("<%") and tag[0][2] not in "=-"):
        return _blank(tag[0])
    first, *rest = tag[0].split("\n")
    return "\n".join(["$".ljust(len(first), "_"), *(_blank(line) for line in rest)])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
