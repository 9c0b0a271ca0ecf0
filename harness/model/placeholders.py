"""Words in braces that are filled in later. One grammar, wherever a profile holds such words.

{NAME}  {KIND.NAME}   is filled in
{{NAME}}              is the text {NAME}
${NAME}               is the shell's, and stays as it is
any other brace       stays as it is
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

_PARTS = {
    "database_url": ("host", "port", "user", "password", "name"),
    "redis_url": ("host", "port", "password"),
    "smtp_url": ("host", "port"),
}
"""An address -> its parts, for services that are told of them apart."""
STACK_WORDS = (
    *("host", "port", "url", "proxy", "database_url", "redis_url", "smtp_url"),
    *(f"{word.removesuffix('url')}{part}" for word, parts in _PARTS.items() for part in parts),
)
"""What a stack fills in. `{proxy}`: the network of the one proxy that the service may trust, from which simulated
clients come."""
SERVER_OF = {
    word: server
    for beginning, server in (("database_", "postgres"), ("redis_", "valkey"), ("smtp_", "smtp"))
    for word in STACK_WORDS
    if word.startswith(beginning)
}
"""Placeholder -> the word of `needs` without which nothing fills it."""

_NAME = r"[A-Za-z_][\w.-]*"
_WORD = re.compile(rf"\$\{{{_NAME}\}}|\{{(?P<text>\{{{_NAME}\}})\}}|\{{(?P<name>{_NAME})\}}")


def placeholders(text: str) -> tuple[str, ...]:
    """Names of all placeholders of a text, in its order: `port`, `secret.KEY`."""
    return tuple(found["name"] for found in _WORD.finditer(text) if found["name"])


def names_server(server: str, text: str) -> bool:
    """Does a placeholder of the text hold an address of that server, or a part of one?"""
    return any(SERVER_OF.get(name) == server for name in placeholders(text))


def with_parts(values: Mapping[str, str]) -> dict[str, str]:
    """The values, and those of the parts of each address among them; one that the address lacks is empty."""
    found = dict(values)
    for word, names in _PARTS.items():
        if word in values:
            url = urlsplit(values[word])
            parts = {
                "host": url.hostname or "",
                "port": str(url.port or ""),
                "user": unquote(url.username or ""),
                "password": unquote(url.password or ""),
                "name": unquote(url.path.removeprefix("/")),
            }
            found |= {f"{word.removesuffix('url')}{name}": parts[name] for name in names}
    return found


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """The text with `value_of` each name in its place; what a value holds is not looked at again."""

    def filled(found: re.Match[str]) -> str:
        name: str | None = found["name"]
        return value_of(name) if name else found["text"] or found[0]

    return _WORD.sub(filled, text)
