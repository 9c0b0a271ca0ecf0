"""What a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from harness.config.release_rules import check_migrations, check_releases, check_settings
from harness.config.service_url import refuse_credentials
from harness.config.toml_reader import TomlFile, Where, nearest
from harness.config.watch_rules import check_watched
from harness.errors import UsageError
from harness.model import ABSENT_WORDS, NEEDS_WORDS, Target
from harness.model.placeholders import SERVER_OF, STACK_WORDS, names_server, placeholders
from harness.probes.cookies import looks_like_a_session

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110 5.6.2), and the name of a scheme."""
_WITHOUT_LOGIN = frozenset({"basic", "key"})
_ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_LEFT_OUT = re.compile(r"(?:(?:[A-Za-z]+|\*) +)?/\S*")
_NAMED = re.compile(r"(secret|env)\.[A-Za-z_]\w*")


def check_target(file: TomlFile, target: Target) -> None:
    """Hold a target that was just read against every rule. Raises `ConfigError` at the first that it breaks."""
    if not _NAME.fullmatch(target.name):
        what = f"{target.name!r} is no name; small letters, digits, '-', '_' and '.' make one, at most 64"
        raise file.error(what, ("name",))
    _check_service(file, target)
    _check_prepared(file, target)
    _check_workers(file, target)
    _check_folders(file, target)
    _check_templates(file, target)
    _check_words(file, target)
    _check_contradictions(file, target)
    _check_roles(file, target)
    _check_hosts(file, target)
    _check_cookies(file, target)
    _check_placeholders(file, target)
    check_watched(file, target.watch)
    check_releases(file, target)


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
    check_settings(file, service.env, ("service", "env"))


def _check_prepared(file: TomlFile, target: Target) -> None:
    service = target.service
    for key in ("prepare_cached", "prepare"):
        for index, command in enumerate(getattr(service, key)):
            file.refuse_if(not command, "an empty command; a list of words was expected", ("service", key, index))
    if service.prepare_cached and not any(names_server("postgres", text) for text in _prepare_texts(target)):
        raise file.error(
            "its result is kept with the stack's database, and none of its words and settings is {database_url}, or a "
            "part of it",
            ("service", "prepare_cached"),
        )


def _prepare_texts(target: Target) -> Iterator[str]:
    yield from target.service.env.values()
    for command in target.service.prepare_cached:
        yield from command


def _check_workers(file: TomlFile, target: Target) -> None:
    if not file.has(("workers",)):
        return
    words = target.workers.command
    file.refuse_if(not words, "the worker's program was expected, a list of words", ("workers", "command"))
    what = "what runs at [service] url has workers of its own; none can be started"
    file.refuse_if(target.service.url, what, ("workers",))


def _check_folders(file: TomlFile, target: Target) -> None:
    file.check_folder(target.service.cwd, ("service", "cwd"))
    for index, folder in enumerate(target.suites.paths):
        file.check_folder(folder, ("suites", "paths", index))
    check_migrations(file, target, target.preflight.migration_table, ("preflight", "migration_table"))


def _check_templates(file: TomlFile, target: Target) -> None:
    told = target.templates
    if not file.has(("templates",)):
        return
    file.refuse_if(told.engine is None, "the engine of the templates was expected", ("templates", "engine"))
    file.refuse_if(not told.path, "the folder of the templates was expected", ("templates", "path"))
    for key, engine in (("environments", "jinja2"), ("helpers", "handlebars")):
        file.refuse_if(getattr(told, key) and told.engine != engine, f"only {engine} has them", ("templates", key))
    for beginning, place in told.environments.items():
        at = ("templates", "environments", beginning)
        file.refuse_if(not _ATTRIBUTE.fullmatch(place), f"module:attribute was expected, not {place!r}", at)


def _check_words(file: TomlFile, target: Target) -> None:
    _check_texts(file, target)
    for index, word in enumerate(target.service.needs):
        file.check_word(word, NEEDS_WORDS, ("service", "needs", index))
    for word, reason in target.absent.items():
        if word not in ABSENT_WORDS:
            raise file.error(f"unknown key; {nearest(word, ABSENT_WORDS)}", ("absent", word))
        file.refuse_if(not reason.strip(), 'a reason was expected, such as "sends no mail"', ("absent", word))


def _check_texts(file: TomlFile, target: Target) -> None:
    for key in ("expected_log", "known_warnings"):
        for index, text in enumerate(getattr(target.preflight, key)):
            what = "a text was expected: an empty one is in every line"
            file.refuse_if(not text.strip(), what, ("preflight", key, index))
    for index, line in enumerate(target.openapi.leave_out):
        what = f'an operation such as "GET /createdb", or a path such as "/admin/*" was expected, not {line!r}'
        file.refuse_if(not _LEFT_OUT.fullmatch(line), what, ("openapi", "leave_out", index))


def _check_contradictions(file: TomlFile, target: Target) -> None:
    """The profile may not describe what it says is absent: a criterion would leave the score for nothing."""
    said = {
        "auth": ("[auth]", bool(target.auth.login) or target.auth.kind in _WITHOUT_LOGIN),
        "cache": ("[cache] paths", bool(target.cache.paths)),
        "database": ('"postgres" in [service] needs', "postgres" in target.service.needs),
        "mail": ('"smtp" in [service] needs', "smtp" in target.service.needs),
        "openapi": ("[openapi] path", bool(target.openapi.path)),
        "pages": ("[pages] paths", bool(target.pages.paths)),
        "ratelimit": ("[ratelimit]", target.ratelimit is not None),
        "workers": ("[workers]", bool(target.workers.command)),
    }
    for word in target.absent:
        words, present = said[word]
        file.refuse_if(present, f"the profile says that it has none, and describes it in {words}", ("absent", word))


def _check_roles(file: TomlFile, target: Target) -> None:
    auth, form = target.auth, target.pages.login
    logs_in = auth.login or auth.kind in _WITHOUT_LOGIN or form is not None
    what = "roles need a path to log in at: [auth] login, or [pages.login]"
    file.refuse_if(auth.roles and not logs_in, what, ("auth", "roles"))
    what = f"an account of kind {auth.kind!r} logs in with each request; leave it out"
    file.refuse_if(auth.login and auth.kind in _WITHOUT_LOGIN, what, ("auth", "login"))
    for key in ("header", "prefix"):
        text = getattr(auth, key)
        file.refuse_if(text and not _FIELD.fullmatch(text), f"{text!r} cannot stand in a header", ("auth", key))
    what = "pages behind a login need its form: [pages.login]"
    file.refuse_if(target.pages.roles and form is None, what, ("pages", "roles"))
    what = "the dotted path of the token in the login's answer was expected"
    file.refuse_if(auth.login and not auth.token, what, ("auth", "token"))
    for role in auth.second:
        file.check_word(role, auth.roles, ("auth", "second", role), "role")
    _check_register(file, target)
    _check_roles_of(file, target, "cache", target.cache.paths, target.cache.roles)
    _check_roles_of(file, target, "pages", target.pages.paths, target.pages.roles)


def _check_register(file: TomlFile, target: Target) -> None:
    register, at = target.auth.register, ("auth", "register")
    if not file.has(at):
        return
    file.refuse_if(not register.path, "the path to POST a new account to was expected", (*at, "path"))
    file.refuse_if(not target.auth.login, "new accounts need a path to log in at: [auth] login", at)
    for key in ("username", "password"):
        is_new = "random" in placeholders(getattr(register, key))
        file.refuse_if(not is_new, "{random} was expected in it: each account is new", (*at, key))


def _check_roles_of(
    file: TomlFile, target: Target, table: str, paths: tuple[str, ...], roles: Mapping[str, str]
) -> None:
    for path, role in roles.items():
        if path not in paths:
            raise file.error(f"is no path of [{table}] paths; {nearest(path, paths)}", (table, "roles", path))
        file.check_word(role, target.auth.roles, (table, "roles", path), "role")


def _check_hosts(file: TomlFile, target: Target) -> None:
    for key, hosts in (("hosts", target.allow.hosts), ("read_hosts", target.allow.read_hosts)):
        for index, host in enumerate(hosts):
            what = f'a host such as "staging.example.org" was expected, without scheme, path or *, not {host!r}'
            file.refuse_if(not _is_host(host), what, ("allow", key, index))
    for index, origin in enumerate(target.cors.origins):
        _check_origin(file, ("cors", "origins", index), origin)


def _is_host(text: str) -> bool:
    return bool(text) and text == text.strip() and not text.startswith("-") and not {"/", "*"} & set(text)


def _check_origin(file: TomlFile, at: Where, origin: str) -> None:
    _check_url(file, at, origin)
    parts = urlsplit(origin)
    file.refuse_if(parts.path or parts.query, f"an origin has no path: {origin!r}", at)
    usual = ":443" if parts.scheme == "https" else ":80"
    sent = f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"
    file.refuse_if(sent != origin, f"browsers send {sent!r}, and not {origin!r}", at)


def _check_cookies(file: TomlFile, target: Target) -> None:
    for index, name in enumerate(target.cookies.readable):
        at = ("cookies", "readable", index)
        file.refuse_if(not name.strip(), "a cookie's name was expected", at)
        what = f"{name!r} is the name of a login's cookie, which no script may read"
        file.refuse_if(looks_like_a_session(name), what, at)


def _check_url(file: TomlFile, at: Where, url: str) -> None:
    try:
        refuse_credentials(url)
    except UsageError as error:
        raise file.error(error.message, at) from None
    try:
        parts = urlsplit(url)
        is_base = not parts.query and not parts.fragment and url.isprintable() and " " not in url
        usable = is_base and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise file.error(f"http://HOST:PORT or https://HOST was expected, not {url!r}", at)


def _check_placeholders(file: TomlFile, target: Target) -> None:
    """No placeholder that nothing will fill in."""
    service = target.service
    for at, text in _service_texts(target):
        for name in placeholders(text):
            _check_name(file, at, name, STACK_WORDS, ("secret",))
            server = SERVER_OF.get(name)
            what = f'{{{name}}} is filled in only where [service] needs has "{server}"'
            file.refuse_if(server and server not in service.needs, what, at)
    for at, text in _auth_texts(target):
        fields = _AUTH_FIELDS.get(at[1:-1] if at[1] == "register" else at[1:2], ())
        for name in placeholders(text):
            _check_name(file, at, name, fields, ("secret", "env"))


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


_AUTH_FIELDS: Mapping[Where, tuple[str, ...]] = {
    ("body",): ("username", "password"),
    ("register", "body"): ("username", "password", "random"),
    ("register",): ("random",),
}
"""Keys of [auth] -> the placeholders of their own that their texts may hold."""


def _auth_texts(target: Target) -> Iterator[tuple[Where, str]]:
    for key, text in target.auth.body.items():
        yield ("auth", "body", key), text
    for name, role in target.auth.roles.items():
        yield ("auth", "roles", name, "username"), role.username
        yield ("auth", "roles", name, "password"), role.password
    for name, role in target.auth.second.items():
        yield ("auth", "second", name, "username"), role.username
        yield ("auth", "second", name, "password"), role.password
    for key, text in target.auth.register.body.items():
        yield ("auth", "register", "body", key), text
    yield ("auth", "register", "username"), target.auth.register.username
    yield ("auth", "register", "password"), target.auth.register.password
