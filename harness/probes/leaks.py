"""What an answer tells that was meant for its makers: traces, warnings, words of a database, credentials.

Each pattern is the form in which a runtime, a framework or a database writes its errors, not a word that a page may
hold for its readers: a page about databases is none that leaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import islice
from typing import Any, Literal

LeakKind = Literal["trace", "warning", "database", "path", "hash", "key"]

_SHOWN = 160
_MOST_JSON = 200_000
_MOST_LEAKS = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing told: of which kind, by whom it is written so, and where it stands in the text."""

    kind: LeakKind
    what: str
    excerpt: str

    def __str__(self) -> str:
        return f"{self.what}: {self.excerpt!r}"


_TRACES = {
    "a Python traceback": r"Traceback \(most recent call last\):|File \"[^\"\n]{1,300}\", line \d+, in ",
    "a Java stack trace": r"\bat [\w$.]{1,200}\([\w$]{1,100}\.(?:java|kt|scala|groovy):\d+\)"
    r"|\bException in thread \"|\bjava\.(?:lang|util|io|sql)\.\w{1,80}(?:Exception|Error)\b",
    "a JavaScript stack trace": r"\bat (?:[\w$.<>\[\] ]{1,120} )?\(?(?:file://)?/?[\w@./:\\-]{1,240}\.[cm]?[jt]sx?:\d+:\d+",
    "a .NET stack trace": r"\bat [\w.`<>]{1,200}\([^()\n]{0,200}\) in [^\n]{1,200}:line \d+"
    r"|\bSystem\.\w{1,60}Exception:|Server Error in '/[^'\n]{0,100}' Application",
    "a Ruby backtrace": r"[\w./-]{1,200}\.rb:\d+:in [`']",
    "a Go panic": r"\bgoroutine \d+ \[[\w ,]{1,40}\]:|panic: runtime error:",
    "a PHP stack trace": r"#\d+ /[\w./-]{1,200}\.php\(\d+\)|PHP Fatal error:",
    "a Rust panic": r"thread '[^'\n]{1,80}' panicked at ",
    "an interactive debugger": r"Werkzeug Debugger|\bEVALEX\b|DJANGO_SETTINGS_MODULE|Whoops\\Run|Symfony Exception",
    "a page of debug mode": r"you have <code>DEBUG = True</code>|Action Controller: Exception caught"
    r"|\bPhoenix\.Router\.NoRouteError\b",
}
_WARNINGS = {
    "a PHP message": r"(?:Warning|Notice|Fatal error|Parse error|Deprecated|Strict Standards)(?:</b>)?: {1,3}"
    r"[^\n]{1,600}? in (?:<b>)?[\w./\\: -]{1,300}\.\w{2,5}(?:</b>)?(?:\(\d+\))? on line (?:<b>)?\d+",
}
_DATABASES = {
    "PostgreSQL": r"psycopg2?\.|\bPG::\w{1,40}Error|syntax error at or near \"|unterminated quoted string at or near"
    r"|syntax error in ts(?:query|vector)|\bUndefined(?:Column|Table|Function)\("
    r"|\b(?:column|relation|function|operator) [^\n]{1,80} does not exist(?:\\+n|\n)LINE \d|pg_query\(\)"
    r"|invalid input syntax for (?:type )?\w{1,30}: \"|org\.postgresql\.util\.PSQLException",
    "MySQL": r"You have an error in your SQL syntax|check the manual that corresponds to your (?:MySQL|MariaDB) server"
    r"|\bmysqli?_\w{1,40}\(\)|MySqlException|com\.mysql\.jdbc|Unknown column '[^'\n]{1,80}' in '",
    "SQLite": r"sqlite3\.(?:Operational|Programming|Integrity|Database)Error:|SQLITE_ERROR|SQLiteException"
    r"|unrecognized token: [\"']|near \"[^\"\n]{0,80}\": syntax error|\[SQLITE_\w{1,20}\]",
    "SQL Server": r"Unclosed quotation mark (?:after|before) the character string|Microsoft OLE DB Provider for"
    r"|\[SQL Server\]|System\.Data\.SqlClient\.|Incorrect syntax near '",
    "Oracle": r"\bORA-\d{5}\b|quoted string not properly terminated|oracle\.jdbc\.",
    "a database": r"SQLSTATE\[?\w{1,5}\]?|sqlalchemy\.exc\.|django\.db\.utils\.|PDOException|Sequelize\w{1,40}Error"
    r"|ActiveRecord::\w{1,40}|QueryFailedError|PrismaClient\w{1,40}Error|org\.hibernate\.\w{1,80}Exception"
    r"|MongoServerError|MongoError:|unterminated (?:string|quoted identifier)|JDBCException"
    r"|\bSQL (?:syntax )?error:|\bSQLException\b|\bDatabase error: "
    r"|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) [^<>\n]{1,300}(?:syntax error|unrecognized token|no such column)",
}
_PATHS = {
    "a path of a source file": r"(?<![\w/.:])/(?:home|root|usr|srv|app|opt|var|tmp|Users|code|workspace)/[\w./-]{1,200}"
    r"\.(?:py|rb|php|go|java|kt|cs|ts|pl|ex)\b(?!\?)"
    r"|\bC:\\(?:[\w .-]{1,80}\\){1,12}[\w.-]{1,80}\.(?:cs|vb|php|py|js|ts|java)\b"
    r"|/node_modules/[\w@./-]{1,160}:\d+|/site-packages/[\w./-]{1,160}",
}
_HASHES = {
    "a password's hash (bcrypt)": r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    "a password's hash (Argon2)": r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+",
    "a password's hash (crypt)": r"(?<![\w$])\$(?:1|5|6|y|7)\$[./A-Za-z0-9=,]{1,40}\$[./A-Za-z0-9$]{20,100}",
    "a password's hash (Apache)": r"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}",
    "a password's hash (PBKDF2 or scrypt)": r"\b(?:pbkdf2(?:_|:)sha\d{1,3}|scrypt:\d{1,7}:\d|bcrypt_sha256)[$:]\w"
    r"|\$(?:scrypt|pbkdf2(?:-sha\d{1,3})?)\$",
    "a password's hash (LDAP)": r"\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{24,120}={0,2}",
}
_KEYS = {
    "a private key": r"-----BEGIN (?:[A-Z]{1,20} ){0,2}PRIVATE KEY(?: BLOCK)?-----",
    "an access key of AWS": r"\b(?:AKIA|ASIA)(?![0-9A-Z]{9}EXAMPLE)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a secret key of Stripe": r"\b[rs]k_live_[A-Za-z0-9]{20,99}\b",
}


def _compiled(kind: LeakKind, forms: dict[str, str]) -> Iterator[tuple[LeakKind, str, re.Pattern[str]]]:
    for what, pattern in forms.items():
        named = f"an error text of {what}" if kind == "database" else what
        yield kind, named, re.compile(pattern)


_FORMS = (
    *_compiled("database", _DATABASES),
    *_compiled("trace", _TRACES),
    *_compiled("warning", _WARNINGS),
    *_compiled("path", _PATHS),
    *_compiled("hash", _HASHES),
    *_compiled("key", _KEYS),
)
ERRORS: frozenset[LeakKind] = frozenset({"trace", "warning", "database", "path"})
"""What tells of the inside of a service, and is an error that nobody caught."""
SECRETS: frozenset[LeakKind] = frozenset({"hash", "key"})
"""What opens something to whoever reads it."""

_SECRET_MEMBER = re.compile(r"pass|pwd|pw_?hash", re.IGNORECASE)
_HASH_MEMBER = re.compile(r"hash|digest|salt", re.IGNORECASE)
_PERSON = frozenset({"email", "mail", "username", "user_name", "login", "user", "account", "nickname"})
_DIGEST = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96,128}")


@lru_cache(maxsize=32)
def find_leaks(text: str, wanted: frozenset[LeakKind] = ERRORS | SECRETS) -> tuple[Leak, ...]:
    """What the text tells of these kinds, the first of each form; an error is told by its most telling form alone.

    The last texts are remembered: some services answer with one page whatever is asked.
    """
    # as a reader sees it: a page writes quotes as references
    plain = unescape(text)
    found = [
        Leak(kind, what, _around(plain, seen))
        for kind, what, form in _FORMS
        if kind in wanted
        if (seen := form.search(plain))
    ]
    errors = [leak for leak in found if leak.kind in ERRORS][:1]
    secrets = [leak for leak in found if leak.kind in SECRETS]
    if "hash" in wanted and not secrets:
        secrets = list(_in_members(text))
    return tuple([*errors, *secrets][:_MOST_LEAKS])


def _around(text: str, seen: re.Match[str]) -> str:
    return " ".join(text[seen.start() : seen.start() + _SHOWN].split())


def _in_members(text: str) -> Iterator[Leak]:
    """The first digest that stands in JSON as somebody's password: a plain MD5 has no form of its own."""
    yield from islice((leak for value in _objects(_parsed(text)) for leak in _digests(value)), 1)


def _parsed(text: str) -> object:
    """The text as JSON; None where it is none, or too long."""
    if len(text) > _MOST_JSON or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content


def _digests(value: dict[str, Any]) -> Iterator[Leak]:
    person = not _PERSON.isdisjoint(name.lower() for name in value)
    for name, member in value.items():
        telling = _SECRET_MEMBER.search(name) or (person and _HASH_MEMBER.search(name))
        if telling and isinstance(member, str) and _DIGEST.fullmatch(member):
            yield Leak("hash", "a password's hash", f"{name}: {member[:12]}…")


def _objects(content: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON is anything
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
