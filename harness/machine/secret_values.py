"""Which values of a profile and of a service's settings are secrets: all that are not plainly harmless.

A name says little: what is called SALT or BROKER may hold a secret, and what is called TOKEN_URL may hold none. So a
value counts as one unless it reads like a number, a switch, an address, a path or a few short words.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import filterfalse
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.machine.redaction import MASK, SHORTEST, Redactor
from harness.model import Target

_LONGEST_WORD = 16
_LONGEST_WORDS = 24
"""Characters of words with hyphens between them; a longer one may be a passphrase."""
_LONGEST_PLACE = 256
_MOST_DIGITS = 8
_LEAST_PIECE = 8
_LONGEST = 65536
"""Characters of a value that are looked at piece by piece."""

_SECRET_PARTS = frozenset(
    {"apikey", "auth", "cookie", "cred", "creds", "credential", "credentials", "dsn", "hmac", "jwt", "key", "keys"}
    | {"licence", "license", "otp", "pass", "passphrase", "passwd", "password", "pepper", "pin", "private", "pw", "pwd"}
    | {"salt", "secret", "secrets", "session", "signing", "token", "tokens", "totp", "webhook"}
)
_SECRET_ENDS = re.compile(
    r"pass(?:word|wd|phrase|wort)?$|secret|token$|api-?key|credential|private-?key", re.IGNORECASE
)
_ABOUT = frozenset(
    {"alg", "algorithm", "audience", "backend", "bits", "class", "count", "days", "dir", "domain", "enabled", "expire"}
    | {
        "expires",
        "expiry",
        "file",
        "hasher",
        "header",
        "host",
        "hours",
        "issuer",
        "length",
        "lifetime",
        "max",
        "method",
    }
    | {"min", "minutes", "name", "path", "policy", "port", "prefix", "rounds", "seconds", "size", "ttl", "type", "uri"}
    | {"url", "user", "username", "version"}
)
"""What a name ends with that speaks about a secret and does not hold it."""

_NUMBER = re.compile(r"[+-]?[0-9.,:_/+TZ-]{1,24}\s?[A-Za-z%]{0,4}")
_WORD = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+|(?:[A-Z][a-z]+){1,3})?[0-9]{0,3}")
_HOST = re.compile(r"\[?[A-Za-z0-9:.-]*\]?(?::[0-9]*)?")
_JOINTS = re.compile(r"[-_./:@+~%*=\"'\\]")
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w-]{0,60})\s?[=:]\s?(?P<value>[^\s;,&]+)")
_LIST = re.compile(r"[\s,;|]+")
_PIECES = re.compile(r"[\s,;\"'{}\[\]=|&<>()]+")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w-]*)(?:=(?P<value>.*))?", re.DOTALL)


def looks_secret(name: str) -> bool:
    """Does the name of a setting or a field say that it holds a secret?"""
    parts = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:200]).lower())
    if parts[-1] in _ABOUT:
        return False
    return bool(_SECRET_PARTS.intersection(parts)) or _SECRET_ENDS.search(name[:200]) is not None


def is_harmless(value: str) -> bool:
    """Does the value read like a number, a switch, an address, a path or a few short words?"""
    value = value.strip()
    if len(value) < SHORTEST:
        return True
    if len(value) > _LONGEST_PLACE:
        return False
    if _is_address(value):
        return not list(_url_secrets(value))
    if any(looks_secret(found["name"]) for found in _NAMED.finditer(value)):
        return False
    parts = [*filter(None, _LIST.split(value))]
    if len(parts) > 1:
        return len(value) <= _LONGEST_WORDS * 2 and all(map(is_harmless, parts))
    return _NUMBER.fullmatch(value) is not None or _is_place(value)


def value_secrets(value: str) -> Iterator[str]:
    """What of a value must not be shown: the credentials of an address; else all of it, and each part by itself."""
    if _is_address(value.strip()):
        yield from _url_secrets(value.strip())
        return
    yield value
    if len(value) <= _LONGEST:
        yield from (found["value"] for found in _NAMED.finditer(value) if looks_secret(found["name"]))
        for piece in _PIECES.split(value):
            if "://" in piece:
                yield from _url_secrets(piece)
            elif len(piece) >= _LEAST_PIECE and not is_harmless(piece):
                yield piece


def setting_secrets(settings: Mapping[str, str]) -> Iterator[str]:
    """Secrets among the settings of a service, as it is given them."""
    for name, value in settings.items():
        if not name.startswith("HARNESS_") and _is_secret(name, value):
            yield from value_secrets(value)


def target_secrets(target: Target, environ: Mapping[str, str]) -> Iterator[str]:
    """Secrets that a profile holds, and those of the caller's environment that it names as `{env.NAME}`."""
    written = map(_written, (target.service.env, target.auth.body))
    named = (each.settings for each in target.releases.named.values())
    for settings in (*written, target.releases.drill.settings, *named):
        yield from setting_secrets(settings)
    yield from (password for _, password in _roles(target) if not _filled_in(password))
    texts = [*target.auth.body.values(), *(text for role in _roles(target) for text in role)]
    names = {word.removeprefix("env.") for text in texts for word in _PLACEHOLDER.findall(text)}
    yield from filter(None, map(environ.get, names))
    service = target.service
    for command in (service.command, target.workers.command, *service.prepare_cached, *service.prepare):
        yield from _command_secrets(command)


def learn_target(redact: Redactor, target: Target, overrides: Mapping[str, str] | None = None) -> None:
    """Tell a redactor what is secret in a profile, in what it names of our environment, and in settings on top."""
    redact.learn(target_secrets(target, os.environ))
    redact.learn(setting_secrets(overrides or {}))


def kept_profile(document: Mapping[str, Any]) -> dict[str, Any]:
    """A profile's document as a run keeps it: what may be secret is `***`, placeholders stay."""
    service, auth = dict(document.get("service", {})), dict(document.get("auth", {}))
    for table, key in ((service, "env"), (auth, "body")):
        if key in table:
            table[key] = {name: _kept(name, value) for name, value in table[key].items()}
    for key in ("roles", "second"):
        if key in auth:
            auth[key] = {
                name: {**role, "password": _kept("password", role["password"])} for name, role in auth[key].items()
            }
    kept = {"service": service, "auth": auth, "releases": _kept_releases(document.get("releases", {}))}
    return {**document, **{name: table for name, table in kept.items() if table}}


def _kept_releases(releases: Mapping[str, Any]) -> dict[str, Any]:
    def kept(source: Mapping[str, Any]) -> dict[str, Any]:
        return {**source, "settings": {name: _kept(name, value) for name, value in source["settings"].items()}}

    if not releases:
        return {}
    named = {name: kept(source) for name, source in releases["named"].items()}
    return {**releases, "named": named, "drill": kept(releases["drill"])}


def _kept(name: str, value: str) -> str:
    rest = _PLACEHOLDER.sub("", value)
    return MASK if rest.strip() and (looks_secret(name) or not is_harmless(rest)) else value


def _is_address(value: str) -> bool:
    """Is all of it one address? A list of such is looked at piece by piece."""
    return "://" in value and not re.search(r"[\s,]", value)


def _is_secret(name: str, value: str) -> bool:
    if not looks_secret(name):
        return not is_harmless(value)
    return not ("://" in value and is_harmless(value))


def _filled_in(text: str) -> bool:
    """Is the text made of placeholders? What they stand for is learned once it is known."""
    return not _PLACEHOLDER.sub("", text).strip()


def _written(settings: Mapping[str, str]) -> dict[str, str]:
    """Those that the profile itself gives a value."""
    return {name: value for name, value in settings.items() if not _filled_in(value)}


def _roles(target: Target) -> Iterable[tuple[str, str]]:
    accounts = (*target.auth.roles.values(), *target.auth.second.values())
    return ((role.username, role.password) for role in accounts)


def _command_secrets(words: Iterable[str]) -> Iterator[str]:
    """What follows an option that is named for a secret, and the credentials of addresses."""
    follows = False
    for word in words:
        option = _OPTION.fullmatch(word)
        value = option["value"] if option else word
        names_secret = option is not None and looks_secret(option["name"])
        if value and not _filled_in(value):
            if "://" in value:
                yield from _url_secrets(value)
            elif follows or names_secret:
                yield value
        follows = names_secret and value is None


def _is_place(value: str) -> bool:
    """A word, words with hyphens, a host, a network, a path, an address of mail."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        pass
    else:
        return True
    parts = _JOINTS.split(value)
    if not all(len(part) <= _LONGEST_WORD and _WORD.fullmatch(part) for part in parts):
        return False
    if sum(letter.isdigit() for letter in value) > _MOST_DIGITS:
        return False
    return any(joint in value for joint in "/.:\\") or len(value) <= _LONGEST_WORDS


def _url_secrets(value: str) -> Iterator[str]:
    """The credentials of an address: its password, a user without one, keys in its path, its query and its end."""
    try:
        parts = urlsplit(value)
        user, password = parts.username, parts.password
    except ValueError:
        yield value
        return
    if secret := password or _unless_harmless(user or ""):
        yield from {secret, unquote(secret)}
    if not _HOST.fullmatch(parts.netloc.rpartition("@")[2]):
        yield value
    query = parse_qsl(parts.query)
    contents = [*parts.path.split("/"), *(text for _, text in query), parts.fragment]
    yield from filter(_unless_harmless, filterfalse(_PLACEHOLDER.search, contents))
    yield from (content for name, content in query if looks_secret(name))


def _unless_harmless(value: str) -> str:
    return "" if is_harmless(value) else value
