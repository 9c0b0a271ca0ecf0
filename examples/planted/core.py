"""A small shop whose API has holes, planted on purpose, each of which can be closed: for trying who finds them.

HOLES=on opens all of them, HOLES=off none, HOLES=sql_search,jwt_none just these. Never let it listen to a network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sqlite3
import threading
import time
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

HOLES = (
    "object_read", "object_query", "object_change", "object_delete", "function_level", "login_missing",
    "mass_registration", "mass_order", "mass_nested", "jwt_none", "jwt_weak", "jwt_any", "jwt_endless",
    "logout_ignored", "password_unchecked", "password_sessions", "accounts_text", "accounts_time", "logins_unlimited",
    "default_account", "reset_told", "sql_search", "sql_path", "sql_login", "sql_sort", "sql_header", "template",
    "command", "command_blind", "file", "redirect", "request_elsewhere", "response_header", "markup", "slow_text",
    "page_limit", "hash_told", "debug", "old_version", "entity", "password_of_others", "author", "operator", "bypass",
    "override", "spelling", "original_url", "token_query", "cached", "origin_null", "session_fixed", "cross_site",
    "login_type", "account_twice", "account_race", "account_ghost", "refresh_twice", "refresh_after_logout",
    "code_unlimited", "host_link", "jwt_kid", "batch", "sent_twice", "put_into", "expand", "deleted_read", "wildcard",
    "sort_secret", "odd_number", "amount", "prototype", "mass_form", "file_name", "file_kind", "method_hidden",
    "head_open", "update_lost", "coupon_race", "jwt_jku", "callback", "password_short", "graph_told",
    "graph_endless", "graph_object", "cookie_readable", "export_all", "key_shared", "cache_mixed", "markup_kept",
    "link_unsigned", "taken_told", "name_given",
)  # fmt: skip
GIVEN = os.environ.get("HOLES", "off")
OPEN = frozenset(HOLES if GIVEN == "on" else () if GIVEN == "off" else GIVEN.split(","))
BY_COOKIE = os.environ.get("LOGIN", "token") == "cookie"
KEY = b"secret" if "jwt_weak" in OPEN else secrets.token_bytes(32)
HOME = Path(__file__).parent / "files"
LIFE_S = 3600
TURNS = 60_000
if OPEN - set(HOLES):
    raise SystemExit(f"no such hole: {', '.join(sorted(OPEN - set(HOLES)))}")

db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
db.row_factory = sqlite3.Row
lock = threading.RLock()
db.executescript("""
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT UNIQUE, email TEXT, hash TEXT, role TEXT, credit INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, product TEXT, quantity INTEGER, total REAL, note TEXT);
CREATE TABLE notes (id TEXT PRIMARY KEY, owner TEXT, title TEXT, text TEXT, pinned INTEGER DEFAULT 0);
CREATE TABLE products (id INTEGER PRIMARY KEY, slug TEXT UNIQUE, name TEXT, price REAL);
""")
for number in range(40):
    words = ("kettle", "lamp", "chair", "table", "mug")
    slug = f"{words[number % 5]}-{number:02d}"
    db.execute("INSERT INTO products VALUES (?, ?, ?, ?)", (100 + number, slug, slug.title(), 40.5 - number * 7 % 40))
ended: set[str] = set()
refresh_tokens: dict[str, str] = {}
sessions: dict[str, str] = {}
born: dict[str, float] = {}
refused: dict[str, list[float]] = defaultdict(list)
routes: list[tuple[str, re.Pattern[str], dict]] = []


class Refusal(Exception):  # noqa: N818 - what is answered
    """An answer that is an error."""

    def __init__(self, status: int, says: str, headers: dict | None = None, told: dict | None = None) -> None:
        self.status, self.headers, self.told = status, headers or {}, {"error": says, **(told or {})}


class Answer:
    """An answer that is no JSON, or has headers of its own."""

    def __init__(self, body: object = None, status: int = 200, headers: dict | None = None) -> None:
        self.body, self.status, self.headers = body, status, headers or {}


def rows(sql: str, *values: object) -> list[dict]:
    """What a query gives."""
    with lock:
        return [dict(row) for row in db.execute(sql, values).fetchall()]


def hashed(password: str, salt: str = "") -> str:
    """A password's hash."""
    salt = salt or secrets.token_hex(8)
    return f"pbkdf2:{salt}:{hashlib.pbkdf2_hmac('sha256', password.encode(), salt.encode(), TURNS).hex()}"


NOBODYS = hashed("nobody's")
"""Made once: an account that does not exist takes as long to refuse as one that does."""


def encoded(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict) -> str:
    """A token."""
    parts = ".".join(encoded(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{parts}.{encoded(hmac.new(KEY, parts.encode(), hashlib.sha256).digest())}"


def read(token: str) -> dict | None:
    """The claims of a token that is to be believed."""
    try:
        head, body, signature = token.split(".")
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body))
    except ValueError:
        return None
    unsigned = "jwt_none" in OPEN and str(header.get("alg")).lower() == "none"
    key, kid = KEY, str(header.get("kid", ""))
    if kid and "jwt_kid" in OPEN:
        try:
            key = (HOME / kid).read_bytes()
        except (OSError, ValueError):
            return None
    if "jku" in header and "jwt_jku" in OPEN:
        with urllib.request.urlopen(str(header["jku"]), timeout=2) as given:  # noqa: S310 - planted
            found = json.loads(given.read(10_000))["keys"][0]["k"]
        key = base64.urlsafe_b64decode(found + "=" * (-len(found) % 4))
    right = encoded(hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest())
    if not unsigned and "jwt_any" not in OPEN and not hmac.compare_digest(right, signature):
        return None
    return claims if claims.get("exp", time.time() + 1) > time.time() and token not in ended else None


def let_in(username: str, ask: Ask | None = None) -> Answer:
    """A new session, as a token or a cookie."""
    if BY_COOKIE:
        sid = (ask.cookies.get("sid") if "session_fixed" in OPEN and ask else None) or secrets.token_urlsafe(24)
        sessions[sid], born[sid] = username, time.time()
        same = "" if {"cross_site", "callback"} & OPEN else " SameSite=Strict;"
        guard = "" if "cookie_readable" in OPEN else " HttpOnly;"
        return Answer({"welcome": username}, headers={"Set-Cookie": f"sid={sid};{guard}{same} Path=/"})
    claims = {"sub": username, "iat": time.time(), "jti": secrets.token_hex(8)}
    if "jwt_endless" not in OPEN:
        claims["exp"] = time.time() + LIFE_S
    refresh_tokens[again := secrets.token_urlsafe(24)] = username
    return Answer({"auth": {"token": signed(claims), "refresh_token": again}})


def user_of(ask: Ask) -> dict | None:
    """Who asks."""
    if BY_COOKIE:
        sid = ask.cookies.get("sid", "")
        name, since = sessions.get(sid, ""), born.get(sid, 0.0)
    else:
        token = ask.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token and "token_query" in OPEN:
            token = ask.query.get("access_token", "")
        claims = read(token) or {}
        name, since = str(claims.get("sub", "")), float(claims.get("iat", 0))
    found = rows("SELECT * FROM users WHERE username = ?", name)
    if not found and "account_ghost" in OPEN and name:
        return {"id": 0, "username": name, "email": "", "hash": "", "role": "user", "credit": 0}
    if not found or since < changed_at.get(name, 0):
        return None
    return found[0]


changed_at: dict[str, float] = {}
kept_reviews: list[dict] = []


class Ask:
    """A request."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.path, self.headers = parts.path, handler.headers
        self.pairs = parse_qsl(parts.query, keep_blank_values=True)
        self.query = dict(self.pairs)
        pairs = (pair.partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        self.cookies = {key.strip(): value.strip() for key, _, value in pairs}
        self.data = handler.rfile.read(int(self.headers.get("Content-Length") or 0))
        raw = self.data.decode("utf-8", "replace")
        self.raw, self.names, self.user = raw, {}, {}
        self.is_overridden, self.is_head = False, handler.command == "HEAD"
        kind = self.headers.get("Content-Type", "")
        self.is_form = "form-urlencoded" in kind
        kind = "json" if "cross_site" in OPEN and "text/plain" in kind else kind
        try:
            self.body = dict(parse_qsl(raw)) if self.is_form else json.loads(raw) if "json" in kind and raw else {}
        except ValueError:
            raise Refusal(400, "the body is no JSON") from None
        if not isinstance(self.body, dict):
            raise Refusal(422, "an object was expected")

    def text(self, *way: str, longest: int = 2000, default: str | None = None) -> str:
        """A text of the body."""
        value: object = self.body
        for name in way:
            value = value.get(name) if isinstance(value, dict) else None
        value = default if value is None else value
        if not isinstance(value, str) or len(value) > longest:
            raise Refusal(422, f"{'.'.join(way)}: a text was expected")
        return value


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def thing(**members: object) -> dict:
    """The schema of an object with these members."""
    return {"type": "object", "required": list(members), "properties": members}


def route(method: str, path: str, *, login: bool = True, query: dict | None = None, body: dict | None = None,
          kind: str = "application/json", headers: dict | None = None, tag: str = "shop",
          status: str = "default"):  # fmt: skip
    """Put a function under a path, and into the description."""

    def put(answer):
        names = re.findall(r"\{(\w+)\}", path)
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
        parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
        parameters += [{"name": name, "in": "query", "schema": each} for name, each in (query or {}).items()]
        parameters += [{"name": name, "in": "header", "schema": each} for name, each in (headers or {}).items()]
        told = {"operationId": answer.__name__, "tags": [tag], "parameters": parameters,
                "responses": {key: {"description": "see there"} for key in ("default", status)}}  # fmt: skip
        told |= {"security": [{"login": []}]} if login else {"security": []}
        told |= {"requestBody": {"required": True, "content": {kind: {"schema": body}}}} if body else {}
        routes.append((method, pattern, {"path": path, "told": told, "login": login, "answer": answer}))
        return answer

    return put


def described(_ask: Ask) -> dict:
    """The description of all that is described."""
    paths: dict[str, dict] = defaultdict(dict)
    for method, _, each in routes:
        paths[each["path"]][method.lower()] = each["told"]
    scheme = {"type": "apiKey", "in": "cookie", "name": "sid"} if BY_COOKIE else {"type": "http", "scheme": "bearer"}
    return {"openapi": "3.0.3", "info": {"title": "Shop", "version": "1"}, "paths": paths,
            "components": {"securitySchemes": {"login": scheme}}}  # fmt: skip
