"""Words in braces that are filled in later. One grammar, wherever a profile holds such words.

{NAME}  {KIND.NAME}   is filled in
{{NAME}}              is the text {NAME}
${NAME}               is the shell's, and stays as it is
any other brace       stays as it is
"""

from __future__ import annotations

import re
from collections.abc import Callable

STACK_WORDS = ("host", "port", "url", "proxy", "database_url", "redis_url", "smtp_url")
"""What a stack fills in. `{proxy}`: the network of the one proxy that the service may trust, from which simulated
clients come."""
SERVER_OF = {"database_url": "postgres", "redis_url": "valkey", "smtp_url": "smtp"}
"""Placeholder -> the word of `needs` without which nothing fills it."""

_NAME = r"[A-Za-z_][\w.-]*"
_WORD = re.compile(rf"\$\{{{_NAME}\}}|\{{(?P<text>\{{{_NAME}\}})\}}|\{{(?P<name>{_NAME})\}}")


def placeholders(text: str) -> tuple[str, ...]:
    """Names of all placeholders of a text, in its order: `port`, `secret.KEY`."""
    return tuple(found["name"] for found in _WORD.finditer(text) if found["name"])


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """The text with `value_of` each name in its place; what a value holds is not looked at again."""

    def filled(found: re.Match[str]) -> str:
        name: str | None = found["name"]
        return value_of(name) if name else found["text"] or found[0]

    return _WORD.sub(filled, text)
