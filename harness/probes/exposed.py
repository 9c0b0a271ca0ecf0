"""Files, folders and consoles that were never meant for readers, told by what they hold and not by a status.

A service that answers every path with one page has none of them: each is known by its own first lines.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from harness.probes.exchange import Exchange
from harness.probes.landing import Ask, ask_once

MOST_SECONDS = 20.0
_FIRST = 4096
_SHOWN = 60
_VALUE = re.compile(r"([=:] {0,3})[^\s,;<>]{3,}")
Told = Callable[[Exchange], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One thing that lies open."""

    path: str
    what: str
    excerpt: str
    exchange: Exchange

    def __str__(self) -> str:
        return f"GET {self.path} answered with {self.what}: {self.excerpt!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedThings:
    """What lies open, and how much was asked for."""

    found: tuple[Exposed, ...] = ()
    asked: int = 0
    stopped: str = ""
    """Why not all was asked for; "" if all was."""


def _text(pattern: str) -> Told:
    """The beginning is text of that form, and no page."""
    form = re.compile(pattern, re.MULTILINE)
    return lambda answer: not _is_markup(answer) and form.search(_begin(answer)) is not None


def _page(pattern: str) -> Told:
    """The beginning, page or not, is of that form."""
    form = re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    return lambda answer: form.search(_begin(answer)) is not None


def _bytes(*beginnings: bytes) -> Told:
    return lambda answer: answer.body.startswith(beginnings)


def _begin(answer: Exchange) -> str:
    return answer.body[:_FIRST].decode("utf-8", "replace")


def _is_markup(answer: Exchange) -> bool:
    return (
        answer.body[:_FIRST].lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml"))
    )


_SETTING = _text(r"^(?:export )?[A-Z][A-Z0-9_]{1,60} *=")
_DUMP = _text(r"^(?:CREATE TABLE|INSERT INTO|-- (?:MySQL|PostgreSQL|MariaDB) ?[\w ]{0,20}dump|PGDMP)")
_ARCHIVE = _bytes(b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ")
_PASSWD = _text(r"^root:[^:\n]{0,200}:0:0:")
_CODE = _text(r"^<\?php|\bdefine\(|^import |^from [\w.]+ import|DB_PASSWORD|SECRET_KEY")

FILES: tuple[tuple[str, str, Told], ...] = (
    *((f"/{name}", "settings of the environment", _SETTING) for name in (".env", ".env.local", ".env.production")),
    ("/.git/HEAD", "the repository of its source code", _text(r"^(?:ref: refs/|[0-9a-f]{40}\s*$)")),
    ("/.git/config", "the repository of its source code", _text(r"^\s*\[(?:core|remote)\b")),
    ("/.svn/wc.db", "the repository of its source code", _bytes(b"SQLite format 3")),
    ("/.hg/requires", "the repository of its source code", _text(r"^(?:revlogv1|store|dotencode)$")),
    ("/.htpasswd", "names with hashes of passwords", _text(r"^[^\s:<>]{1,64}:(?:\$|\{SHA|[./0-9A-Za-z]{13}\s*$)")),
    ("/.aws/credentials", "credentials of a cloud", _text(r"^aws_(?:access|secret)")),
    ("/.npmrc", "a token of a registry", _text(r"_authToken *=")),
    ("/.ssh/id_rsa", "a private key", _text(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("/id_rsa", "a private key", _text(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("/server.key", "a private key", _text(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("/.DS_Store", "the names of the files in its folder", _bytes(b"\x00\x00\x00\x01Bud1")),
    *((f"/{name}", "a dump of a database", _DUMP) for name in ("backup.sql", "dump.sql", "database.sql", "db.sql")),
    *((f"/{name}", "a database", _bytes(b"SQLite format 3")) for name in ("db.sqlite3", "database.sqlite", "app.db")),
    *((f"/{name}", "an archive of its files", _ARCHIVE) for name in ("backup.zip", "backup.tar.gz", "www.zip")),
    *(
        (f"/{name}", "source code", _CODE)
        for name in ("config.php.bak", "wp-config.php.bak", "settings.py", "config.py")
    ),
    ("/docker-compose.yml", "how its servers are set up", _text(r"^services:\s*$")),
    ("/web.config", "settings of the server", _page(r"<configuration>")),
    ("/appsettings.json", "settings with connections", _text(r"\"ConnectionStrings\"")),
    ("/config.json", "settings with passwords", _text(r"\"(?:db_?)?(?:password|secret_?key)\"\s*:\s*\"[^\"]")),
)
"""Path, what it would be, and how it is known."""
CONSOLES: tuple[tuple[str, str, Told], ...] = (
    ("/debug/pprof/", "Go's profiler", _page(r"Types of profiles available|/debug/pprof/</title>")),
    ("/debug/vars", "Go's variables with its command line", _text(r"\"(?:cmdline|memstats)\"\s*:")),
    ("/server-status", "Apache's list of requests", _page(r"Apache Server Status|^Total Accesses:")),
    ("/nginx_status", "nginx's counters of connections", _text(r"^Active connections: \d")),
    ("/server-info", "Apache's settings", _page(r"Apache Server Information")),
    ("/phpinfo.php", "PHP's settings", _page(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)")),
    ("/info.php", "PHP's settings", _page(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)")),
    ("/actuator/env", "the environment of a Spring service", _text(r"\"(?:propertySources|activeProfiles)\"")),
    ("/actuator/mappings", "all routes of a Spring service", _text(r"\"dispatcherServlets?\"")),
    ("/console", "a console that runs code", _page(r"Werkzeug|H2 Console|<title>[^<]{0,40}Interactive Console")),
    ("/_profiler", "Symfony's profiler", _page(r"Symfony Profiler")),
    ("/__debug__/", "Django's debug toolbar", _page(r"djdt|Django Debug Toolbar")),
    ("/telescope", "Laravel Telescope", _page(r"<title>[^<]{0,40}Telescope")),
    ("/elmah.axd", "the error log of ASP.NET", _page(r"Error [Ll]og for")),
    (
        "/",
        "a console of administrators",
        _page(
            r"<title>\s*(?:Redis Commander|SQLite Web|(?:[^<]{0,60} )?(?:Mongo Express|· Flower|phpMyAdmin [\d.]+)\s*<)"
        ),
    ),
    ("/api/status", "Jupyter, which runs code", _text(r"\"kernels\"\s*:\s*\d")),
    ("/trace.axd", "the request log of ASP.NET", _page(r"Application Trace")),
)
"""The same of what shows a service from inside."""
USUAL_FOLDERS = (
    *("/", "/static/", "/assets/", "/uploads/", "/files/", "/images/", "/media/", "/backup/", "/backups/"),
    *("/logs/", "/data/", "/public/"),
    "/tmp/",  # noqa: S108 - a path of the service
    "/downloads/",
)
_LISTING = re.compile(
    r"<title>\s*(?:Index of|Directory listing for|listing directory|Directory:?) ?[./\w]|<title>[^<]{1,60} Index of /"
    r"|<h[12]>\s*(?:<img\b[^<>]{0,300}>\s*)?(?:Index of|Directory listing(?: for)?) ?\.?/"
    r"|\[To Parent Directory\]|<a href=\"\?C=N;O=D\">",
    re.IGNORECASE,
)
_ANCHOR = re.compile(r"<a\s[^<>]{0,200}?href=[\"']([^\"'<>]{1,200})[\"'][^<>]{0,200}>([^<]{1,200})</a>", re.IGNORECASE)
_FEWEST_NAMES = 2
_MOST_FOLDERS = 6
_PROGRAM = re.compile(r"\.(?:php\d?|phtml|aspx?|jspx?|cgi|pl|py|rb|cfm)$", re.IGNORECASE)
_MOST_PROGRAMS = 5
_COPIES = ("{}~", "{}.bak", "{}.old", "{}.orig", "{}.save", ".{}.swp")
"""What editors and people call the former text of a file: a server shows it, since it is no program any more."""
_COPY = _text(r"\A\s*<(?:\?php|\?=|%[@!=])|\Ab0VIM|\A#!|^(?:from [\w.]+ )?import \w|^require\b")
_MOST_SCRIPTS = 10
_MAP = _text(r"\"(?:sourcesContent|mappings)\"\s*:")
_DEEPEST = 8
_WAYS_OUT = (
    f"{'..%2f' * _DEEPEST}etc%2fpasswd",
    f"{'%2e%2e/' * _DEEPEST}etc/passwd",
    f"{'..%5c' * _DEEPEST}etc%5cpasswd",
)
"""Coded, since clients and proxies take plain ones out of a path before it is sent."""


def find_files(ask: Ask, folders: Iterable[str] = (), paths: Iterable[str] = ()) -> ExposedThings:
    """Files that deployments leave behind, copies of the programs among `paths`, and one of the machine's by ways that
    lead out of a folder."""
    every = tuple(dict.fromkeys(folders))[:_MOST_FOLDERS]
    out = tuple((f"{folder}{way}", "the machine's /etc/passwd", _PASSWD) for folder in every for way in _WAYS_OUT)
    programs = ["/index.php", *(path for one in paths if _PROGRAM.search(path := one.partition("?")[0]))]
    copies = tuple(
        (path.removesuffix(name) + copy.format(name), "the source code of a program", _COPY)
        for path in list(dict.fromkeys(programs))[:_MOST_PROGRAMS]
        for name in (path.rpartition("/")[2],)
        for copy in _COPIES
    )
    return _look(ask, (*FILES, *copies, *out))


def find_source_maps(ask: Ask, scripts: Iterable[str]) -> ExposedThings:
    """What the scripts at these paths were made of, beside them."""
    every = list(dict.fromkeys(path for one in scripts if (path := urlsplit(one).path).endswith((".js", ".mjs"))))
    return _look(ask, tuple((f"{path}.map", "a source map", _MAP) for path in every[:_MOST_SCRIPTS]))


def find_consoles(ask: Ask) -> ExposedThings:
    """Consoles and profilers of frameworks."""
    return _look(ask, CONSOLES)


def find_listings(ask: Ask, folders: Iterable[str]) -> ExposedThings:
    """Folders whose files are listed, of the usual names and of those that pages load from."""
    every = dict.fromkeys([*USUAL_FOLDERS, *folders])
    return _look(ask, tuple((folder, "a list of the files in the folder", _is_listing) for folder in every))


def _is_listing(answer: Exchange) -> bool:
    """In the words of a server that lists, or a page whose links are named as what they lead to."""
    text = answer.body[: 4 * _FIRST].decode("utf-8", "replace")
    # a front page may name what it links to so
    return _LISTING.search(text) is not None or (answer.path != "/" and _lists_entries(text))


def _lists_entries(text: str) -> bool:
    names = [(unquote(link).removeprefix("./"), shown.strip()) for link, shown in _ANCHOR.findall(text)]
    own = [link for link, shown in names if link == shown and not link.startswith(("/", ".."))]
    others = [link for link, shown in names if link != shown and shown.strip("/") not in ("..", "Parent Directory")]
    return len(own) >= _FEWEST_NAMES and not others and any(map(_is_entry, own))


def _is_entry(name: str) -> bool:
    """Is it called as a file or a folder is?"""
    return "." in name or name.endswith("/")


def _look(ask: Ask, places: tuple[tuple[str, str, Told], ...]) -> ExposedThings:
    ends = time.monotonic() + MOST_SECONDS
    found: list[Exposed] = []
    asked, stopped = 0, ""
    for path, what, is_told in places:
        if time.monotonic() > ends:
            stopped = f"{MOST_SECONDS:g} s were over after {asked} of {len(places)} requests"
            break
        asked += 1
        answer = ask_once(ask, path)
        if answer is None:
            continue
        if answer.status == 429:
            stopped = f"GET {path} was answered 429 after {asked} of {len(places)} requests"
            break
        if answer.status == 200 and answer.size and is_told(answer):
            found.append(Exposed(path=path, what=what, excerpt=_excerpt(answer), exchange=answer))
    return ExposedThings(found=tuple(found), asked=asked, stopped=stopped)


def _excerpt(answer: Exchange) -> str:
    """The first line, without the value of a setting."""
    line = next((one for one in _begin(answer).splitlines() if one.strip()), "")
    return _VALUE.sub(r"\1…", line.strip()[:_SHOWN])
