"""What a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness.config.placeholders import check_placeholders, has_placeholder
from harness.config.service_url import refuse_credentials
from harness.config.toml_reader import TomlFile, Where, nearest
from harness.errors import UsageError
from harness.model import ABSENT_WORDS, MOST_RATE, MOST_WORKERS, NEEDS_WORDS, Target

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_SETTING = re.compile(r"[A-Za-z_]\w*")
_MOST_SECONDS = 3600
_MOST_WINDOW_S = 7 * 24 * 3600
_MOST = 10**9


def check_target(file: TomlFile, target: Target) -> None:
    """Hold a target that was just read against every rule. Raises `ConfigError` at the first that it breaks."""
    if not _NAME.fullmatch(target.name):
        what = f"{target.name!r} is no name; small letters, digits, '-', '_' and '.' make one, at most 64"
        raise file.error(what, ("name",))
    _check_service(file, target)
    _check_folders(file, target)
    _check_templates(file, target)
    _check_words(file, target)
    _check_paths(file, target)
    _check_numbers(file, target)
    _check_contradictions(file, target)
    _check_roles(file, target)
    _check_hosts(file, target)
    check_placeholders(file, target)


def profile_warnings(target: Target) -> tuple[str, ...]:
    """What is allowed and unwise: a password written into the profile ends up wherever the profile goes."""
    return tuple(
        f"{target.source}: auth.roles.{name}.password is written out; {{env.NAME}} or {{secret.NAME}} keeps it apart"
        for name, role in target.auth.roles.items()
        if not has_placeholder(role.password)
    )


def _check_service(file: TomlFile, target: Target) -> None:
    service = target.service
    kinds = [key for key in ("command", "image", "url") if file.has(("service", key))]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise file.error(f"exactly one of command, image and url was expected, found {found}", ("service",))
    if not getattr(service, kinds[0]):
        raise file.error("is empty", ("service", kinds[0]))
    if service.url:
        _check_url(file, ("service", "url"), service.url)
    for key in ("prepare_cached", "prepare"):
        for index, command in enumerate(getattr(service, key)):
            if not command:
                raise file.error("an empty command; a list of words was expected", ("service", key, index))
    if service.prepare_cached and not any("{database_url}" in text for text in _prepare_texts(target)):
        raise file.error(
            "its result is kept with the stack's database, and none of its words and settings is {database_url}",
            ("service", "prepare_cached"),
        )
    _check_workers(file, target)
    for name in service.env:
        if not _SETTING.fullmatch(name):
            raise file.error(f"{name!r} cannot be the name of an environment variable", ("service", "env", name))


def _prepare_texts(target: Target) -> Iterator[str]:
    yield from target.service.env.values()
    for command in target.service.prepare_cached:
        yield from command


def _check_workers(file: TomlFile, target: Target) -> None:
    if not file.has(("workers",)):
        return
    if not target.workers.command:
        raise file.error("the worker's program was expected, a list of words", ("workers", "command"))
    if target.service.url:
        raise file.error("what runs at [service] url has workers of its own; none can be started", ("workers",))
    if not 0 <= target.workers.count <= MOST_WORKERS:
        raise file.error(f"a number from 0 to {MOST_WORKERS} was expected", ("workers", "count"))


def _check_folders(file: TomlFile, target: Target) -> None:
    service = target.service
    if not Path(service.cwd).is_dir():
        raise file.error(f"no such folder: {service.cwd} (it is relative to the profile)", ("service", "cwd"))
    for index, folder in enumerate(target.suite_paths):
        if not Path(folder).is_dir():
            raise file.error(f"no such folder: {folder} (it is relative to the profile)", ("suites", "paths", index))
    if target.migrations.table and not target.migrations.folder:
        raise file.error("needs [preflight] migrations, the folder of the files", ("preflight", "migration_table"))


def _check_templates(file: TomlFile, target: Target) -> None:
    told = target.templates
    if not file.has(("templates",)):
        return
    if told.engine is None:
        raise file.error("the engine of the templates was expected", ("templates", "engine"))
    if not told.path:
        raise file.error("the folder of the templates was expected", ("templates", "path"))
    for key, engine in (("environments", "jinja2"), ("helpers", "handlebars")):
        if getattr(told, key) and told.engine != engine:
            raise file.error(f"only {engine} has them", ("templates", key))
    for beginning, place in told.environments.items():
        if not _ATTRIBUTE.fullmatch(place):
            raise file.error(f"module:attribute was expected, not {place!r}", ("templates", "environments", beginning))


def _check_words(file: TomlFile, target: Target) -> None:
    for index, text in enumerate(target.known_warnings):
        if not text.strip():
            raise file.error(
                "a text was expected: an empty one is in every line", ("preflight", "known_warnings", index)
            )
    for index, word in enumerate(target.service.needs):
        if word not in NEEDS_WORDS:
            raise file.error(f"unknown word {word!r}; {nearest(word, NEEDS_WORDS)}", ("service", "needs", index))
    for word, reason in target.absent.items():
        if word not in ABSENT_WORDS:
            raise file.error(f"unknown key; {nearest(word, ABSENT_WORDS)}", ("absent", word))
        if not reason.strip():
            raise file.error('a reason was expected, such as "sends no mail"', ("absent", word))


def _check_paths(file: TomlFile, target: Target) -> None:
    for at, path in _paths(target):
        if path and not path.startswith("/"):
            raise file.error(f"a path that begins with '/' was expected, not {path!r}", at)


def _paths(target: Target) -> Iterator[tuple[Where, str]]:
    yield ("health", "live"), target.health.live
    yield ("health", "ready"), target.health.ready
    yield ("build", "path"), target.build_path
    yield ("openapi", "path"), target.openapi
    yield ("auth", "login"), target.auth.login
    if target.ratelimit is not None:
        yield ("ratelimit", "path"), target.ratelimit.path or "an empty path"
    lists: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("cache", "paths", target.cache.paths),
        ("pages", "paths", target.pages),
        ("cors", "paths", target.cors_paths),
    )
    for table, key, paths in lists:
        for index, path in enumerate(paths):
            yield (table, key, index), path or "an empty path"
    for path in target.cache.roles:
        yield ("cache", "roles", path), path or "an empty path"
    for path in target.page_roles:
        yield ("pages", "roles", path), path or "an empty path"
    if target.page_login is not None:
        yield ("pages", "login", "path"), target.page_login.path or "an empty path"
    for path in target.load.paths:
        yield ("load", "paths", path), path or "an empty path"


def _check_numbers(file: TomlFile, target: Target) -> None:
    above_zero: list[tuple[Where, float, float]] = [
        (("service", "timeout_s"), target.service.timeout_s, _MOST_SECONDS),
        (("service", "start_timeout_s"), target.service.start_timeout_s, _MOST_SECONDS),
        (("load", "rate"), target.load.rate, MOST_RATE),
        *((("load", "paths", path), weight, _MOST) for path, weight in target.load.paths.items()),
    ]
    if target.ratelimit is not None:
        above_zero.append((("ratelimit", "limit"), target.ratelimit.limit, _MOST))
        above_zero.append((("ratelimit", "window_s"), target.ratelimit.window_s, _MOST_WINDOW_S))
    for at, number, most in above_zero:
        if number <= 0:
            raise file.error(f"a number above 0 was expected, not {number:g}", at)
        if number > most:
            raise file.error(f"a number of at most {most:,} was expected, not {number:g}", at)
    for check, weight in target.preflight_weights.items():
        if not 0 <= weight <= _MOST:
            what = f"a number of 0 or more, and at most {_MOST:,}, was expected, not {weight:g}"
            raise file.error(what, ("preflight", "weights", check))
    if not 1 <= target.service.container_port <= 65535:
        raise file.error("a port from 1 to 65535 was expected", ("service", "container_port"))


def _check_contradictions(file: TomlFile, target: Target) -> None:
    """The profile may not describe what it says is absent: a criterion would leave the score for nothing."""
    said = {
        "auth": ("[auth] login", bool(target.auth.login)),
        "cache": ("[cache] paths", bool(target.cache.paths)),
        "database": ('"postgres" in [service] needs', "postgres" in target.service.needs),
        "mail": ('"smtp" in [service] needs', "smtp" in target.service.needs),
        "openapi": ("[openapi] path", bool(target.openapi)),
        "pages": ("[pages] paths", bool(target.pages)),
        "ratelimit": ("[ratelimit]", target.ratelimit is not None),
        "workers": ("[workers]", bool(target.workers.command)),
    }
    for word in target.absent:
        words, present = said[word]
        if present:
            raise file.error(f"the profile says that it has none, and describes it in {words}", ("absent", word))


def _check_roles(file: TomlFile, target: Target) -> None:
    auth = target.auth
    if auth.roles and not auth.login and target.page_login is None:
        raise file.error("roles need a path to log in at: [auth] login, or [pages.login]", ("auth", "roles"))
    if target.page_roles and target.page_login is None:
        raise file.error("pages behind a login need its form: [pages.login]", ("pages", "roles"))
    if auth.login and not auth.token:
        raise file.error("the dotted path of the token in the login's answer was expected", ("auth", "token"))
    for table, paths, roles in (
        ("cache", target.cache.paths, target.cache.roles),
        ("pages", target.pages, target.page_roles),
    ):
        for path, role in roles.items():
            if path not in paths:
                raise file.error(f"is no path of [{table}] paths; {nearest(path, paths)}", (table, "roles", path))
            if role not in auth.roles:
                raise file.error(f"unknown role {role!r}; {nearest(role, auth.roles)}", (table, "roles", path))


def _check_hosts(file: TomlFile, target: Target) -> None:
    for index, host in enumerate(target.allow_hosts):
        if not host or "/" in host or host != host.strip() or "*" in host or host.startswith("-"):
            what = f'a host such as "staging.example.org" was expected, without scheme, path or *, not {host!r}'
            raise file.error(what, ("allow", "hosts", index))
    for index, origin in enumerate(target.cors_origins):
        _check_url(file, ("cors", "origins", index), origin)
        if urlsplit(origin).path or urlsplit(origin).query:
            raise file.error(f"an origin has no path: {origin!r}", ("cors", "origins", index))


def _check_url(file: TomlFile, at: Where, url: str) -> None:
    try:
        refuse_credentials(url)
    except UsageError as error:
        raise file.error(error.message, at) from None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise file.error(f"http://HOST:PORT or https://HOST was expected, not {url!r}", at)
