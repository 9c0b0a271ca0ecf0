"""How deep a document nests, told in one pass before a parser sees it.

Parsers and whoever walks what they return recurse. Some end with a segmentation fault where a document goes a few
thousand levels down, and no document that the harness reads needs more than a few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_LEVELS = 16
"""Brackets within each other, and parts of one key, that a TOML file may have."""
MOST_JSON_LEVELS = 200
"""Arrays and objects within each other that a JSON document of ours may have."""

_TOML = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}+|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}+|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+"
    r"|(?P<sign>[\[\]{}=,.\n])",
    re.DOTALL,
)
_JSON = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class TooDeep:
    """Where a TOML file goes too deep, and in what way."""

    line: int
    what: str


def toml_too_deep(text: str) -> TooDeep | None:
    """The first place that nests deeper than `MOST_LEVELS`; None if there is none."""
    level = parts = 0
    for token in _TOML.finditer(text):
        match token["sign"]:
            case "[" | "{":
                level += 1
                parts = 0
            case "]" | "}":
                level = max(0, level - 1)
                parts = 0
            case ".":
                parts += 1
            case "=" | "," | "\n":
                parts = 0
        if level > MOST_LEVELS:
            return TooDeep(_line(text, token), f"brackets lie in each other; at most {MOST_LEVELS} levels are read")
        if parts >= MOST_LEVELS:
            return TooDeep(_line(text, token), f"a key has more parts between dots than {MOST_LEVELS}")
    return None


def json_too_deep(data: bytes, most: int = MOST_JSON_LEVELS) -> bool:
    """Does a JSON document go deeper than so many levels?"""
    if data.count(b"[") + data.count(b"{") <= most:
        return False
    level = 0
    for token in _JSON.finditer(data):
        if token["open"]:
            level += 1
            if level > most:
                return True
        elif token["close"]:
            level -= 1
    return False


def _line(text: str, token: re.Match[str]) -> int:
    return text.count("\n", 0, token.start()) + 1
