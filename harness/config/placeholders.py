"""Words in braces that a stack fills in: `{port}`, `{database_url}`, `{secret.NAME}` (DESIGN 4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.config.toml_reader import TomlFile, Where, nearest
from harness.model import Target

FILLED = ("host", "port", "url", "proxy", "database_url", "redis_url", "smtp_url")
"""`{proxy}`: the network of the one proxy that the service may trust, from which simulated clients come (DESIGN 5)."""
SERVER_OF = {"database_url": "postgres", "redis_url": "valkey", "smtp_url": "smtp"}
"""Placeholder -> the word of `needs` without which nothing fills it."""

_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][\w.-]*)\}")
"""A name in braces. JSON (`{"a": 1}`) has none, and `${NAME}` is the shell's."""
_NAMED = re.compile(r"(secret|env)\.[A-Za-z_]\w*")


def check_placeholders(file: TomlFile, target: Target) -> None:
    """Refuse a placeholder that nothing will fill in. Raises `ConfigError`."""
    service = target.service
    for at, text in _service_texts(target):
        for name in _PLACEHOLDER.findall(text):
            _check_name(file, at, name, FILLED, ("secret",))
            server = SERVER_OF.get(name)
            if server and server not in service.needs:
                raise file.error(f'{{{name}}} is filled in only where [service] needs has "{server}"', at)
    for at, text in _auth_texts(target):
        fields = ("username", "password") if at[1] == "body" else ()
        for name in _PLACEHOLDER.findall(text):
            _check_name(file, at, name, fields, ("secret", "env"))


def has_placeholder(text: str) -> bool:
    """Does the text hold a word that is filled in later?"""
    return _PLACEHOLDER.search(text) is not None


def _check_name(file: TomlFile, at: Where, name: str, plain: tuple[str, ...], named: tuple[str, ...]) -> None:
    if name in plain:
        return
    matched = _NAMED.fullmatch(name)
    if matched and matched[1] in named:
        return
    rest = name.partition(".")[2] or "NAME"
    known = (*plain, *(f"{kind}.{rest}" for kind in named))
    raise file.error(f"unknown placeholder {{{name}}}; {nearest(name, known)}", at)


def _service_texts(target: Target) -> Iterator[tuple[Where, str]]:
    service = target.service
    for index, word in enumerate(service.command):
        yield ("service", "command", index), word
    for key, commands in (("prepare_cached", service.prepare_cached), ("prepare", service.prepare)):
        for index, command in enumerate(commands):
            for place, word in enumerate(command):
                yield ("service", key, index, place), word
    for index, word in enumerate(target.workers.command):
        yield ("workers", "command", index), word
    for name, text in service.env.items():
        yield ("service", "env", name), text


def _auth_texts(target: Target) -> Iterator[tuple[Where, str]]:
    for key, text in target.auth.body.items():
        yield ("auth", "body", key), text
    for name, role in target.auth.roles.items():
        yield ("auth", "roles", name, "username"), role.username
        yield ("auth", "roles", name, "password"), role.password
