"""A small shop whose API has holes, planted on purpose, each of which can be closed: for trying who finds them.

HOLES=on opens all of them, HOLES=off none, HOLES=sql_search,jwt_none just these. Never let it listen to a network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import http.client
import json
import os
import re
import secrets
import sqlite3
import subprocess
import threading
import time
import urllib.request
import uuid
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

HOLES = (
    "object_read", "object_query", "object_change", "object_delete", "function_level", "login_missing",
    "mass_registration", "mass_order", "mass_nested", "jwt_none", "jwt_weak", "jwt_any", "jwt_endless",
    "logout_ignored", "password_unchecked", "password_sessions", "accounts_text", "accounts_time", "logins_unlimited",
    "default_account", "reset_told", "sql_search", "sql_path", "sql_login", "sql_sort", "sql_header", "template",
    "command", "command_blind", "file", "redirect", "request_elsewhere", "response_header", "markup", "slow_text",
    "page_limit", "hash_told", "debug", "old_version", "entity", "password_of_others", "author", "operator", "bypass",
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
sessions: dict[str, str] = {}
born: dict[str, float] = {}
refused: dict[str, list[float]] = defaultdict(list)
routes: list[tuple[str, re.Pattern[str], dict]] = []


class Refusal(Exception):  # noqa: N818 - what is answered
    """An answer that is an error."""

    def __init__(self, status: int, says: str, headers: dict | None = None) -> None:
        self.status, self.says, self.headers = status, says, headers or {}


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
    right = encoded(hmac.new(KEY, f"{head}.{body}".encode(), hashlib.sha256).digest())
    if not unsigned and "jwt_any" not in OPEN and not hmac.compare_digest(right, signature):
        return None
    return claims if claims.get("exp", time.time() + 1) > time.time() and token not in ended else None


def let_in(username: str) -> Answer:
    """A new session, as a token or a cookie."""
    if BY_COOKIE:
        sid = secrets.token_urlsafe(24)
        sessions[sid], born[sid] = username, time.time()
        return Answer({"welcome": username}, headers={"Set-Cookie": f"sid={sid}; HttpOnly; SameSite=Strict; Path=/"})
    claims = {"sub": username, "iat": time.time(), "jti": secrets.token_hex(8)}
    if "jwt_endless" not in OPEN:
        claims["exp"] = time.time() + LIFE_S
    return Answer({"auth": {"token": signed(claims)}})


def user_of(ask: Ask) -> dict | None:
    """Who asks."""
    if BY_COOKIE:
        sid = ask.cookies.get("sid", "")
        name, since = sessions.get(sid, ""), born.get(sid, 0.0)
    else:
        claims = read(ask.headers.get("Authorization", "").removeprefix("Bearer ")) or {}
        name, since = str(claims.get("sub", "")), float(claims.get("iat", 0))
    found = rows("SELECT * FROM users WHERE username = ?", name)
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
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        pairs = (pair.partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        self.cookies = {key.strip(): value.strip() for key, _, value in pairs}
        raw = handler.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        self.raw, self.names, self.user = raw, {}, {}
        kind = self.headers.get("Content-Type", "")
        try:
            self.body = dict(parse_qsl(raw)) if "form" in kind else json.loads(raw) if "json" in kind and raw else {}
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
          kind: str = "application/json", headers: dict | None = None, tag: str = "shop"):  # fmt: skip
    """Put a function under a path, and into the description."""

    def put(answer):
        names = re.findall(r"\{(\w+)\}", path)
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
        parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
        parameters += [{"name": name, "in": "query", "schema": each} for name, each in (query or {}).items()]
        parameters += [{"name": name, "in": "header", "schema": each} for name, each in (headers or {}).items()]
        told = {"operationId": answer.__name__, "tags": [tag], "parameters": parameters,
                "responses": {"default": {"description": "see there"}}}  # fmt: skip
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


CREDENTIALS = thing(username=TEXT, password=TEXT)


@route("POST", "/api/v2/register", login=False, tag="accounts",
       body=thing(username=TEXT, email={"type": "string", "format": "email"}, password=TEXT))  # fmt: skip
def register(ask: Ask) -> Answer:
    """Make an account."""
    name, email, password = (ask.text(each) for each in ("username", "email", "password"))
    if not re.fullmatch(r"\w{3,40}", name):
        raise Refusal(422, "username: letters and digits were expected")
    role = str(ask.body.get("role", "user")) if "mass_registration" in OPEN else "user"
    try:
        rows("INSERT INTO users VALUES (NULL, ?, ?, ?, ?, 0)", name, email, hashed(password), role)
    except sqlite3.IntegrityError:
        raise Refusal(409, "the name is taken") from None
    return Answer({"username": name}, 201)


@route("POST", "/api/v2/login", login=False, body=CREDENTIALS, tag="accounts")
def login(ask: Ask) -> Answer:
    """Log in."""
    name, password = ask.text("username"), ask.text("password")
    if "sql_login" in OPEN:
        with lock:
            seen = db.execute(f"SELECT * FROM users WHERE username = '{name}'").fetchall()  # noqa: S608 - planted
        if len(seen) > 1:
            return let_in(seen[0]["username"])
    recent = refused[name] = [each for each in refused[name] if each > time.time() - 60]
    if len(recent) >= 10 and "logins_unlimited" not in OPEN:
        raise Refusal(429, "too many attempts", {"Retry-After": "60"})
    found = rows("SELECT * FROM users WHERE username = ?", name)
    if not found and "accounts_text" in OPEN:
        raise Refusal(401, "there is no such account")
    if not found and "accounts_time" in OPEN:
        raise Refusal(401, "wrong user name or password")
    kept = found[0]["hash"] if found else NOBODYS
    if not hmac.compare_digest(hashed(password, kept.split(":")[1]), kept) or not found:
        recent.append(time.time())
        raise Refusal(401, "wrong user name or password")
    return let_in(name)


@route("POST", "/api/v2/logout", tag="accounts")
def logout(ask: Ask) -> dict:
    """End the session."""
    if "logout_ignored" not in OPEN:
        ended.add(ask.headers.get("Authorization", "").removeprefix("Bearer "))
        sessions.pop(ask.cookies.get("sid", ""), None)
    return {"bye": ask.user["username"]}


@route("PUT", "/api/v2/me/password", body=thing(current_password=TEXT, new_password=TEXT), tag="accounts")
def change_password(ask: Ask) -> dict:
    """Change one's own password."""
    kept, name = ask.user["hash"], ask.user["username"]
    if "password_unchecked" not in OPEN and hashed(ask.text("current_password"), kept.split(":")[1]) != kept:
        raise Refusal(403, "the current password is wrong")
    rows("UPDATE users SET hash = ? WHERE username = ?", hashed(ask.text("new_password")), name)
    if "password_sessions" not in OPEN:
        changed_at[name] = time.time()
    return {"changed": True}


@route("POST", "/api/v2/forgot", login=False, body=thing(username=TEXT), tag="accounts")
def forgot(ask: Ask) -> dict:
    """Ask for a new password by mail."""
    known = rows("SELECT 1 FROM users WHERE username = ?", ask.text("username"))
    told = {"reset_code": secrets.token_hex(4)} if "reset_told" in OPEN and known else {}
    return {"sent": "if there is such an account"} | told


@route("GET", "/api/v2/me", tag="accounts")
def me(ask: Ask) -> dict:
    """Who am I?"""
    return {key: ask.user[key] for key in ("id", "username", "email", "role", "credit")}


@route("PATCH", "/api/v2/me", body=thing(profile=thing(email={"type": "string", "format": "email"})), tag="accounts")
def change_me(ask: Ask) -> dict:
    """Change one's own address."""
    rows("UPDATE users SET email = ? WHERE id = ?", ask.text("profile", "email"), ask.user["id"])
    credit = ask.body.get("credit")
    if "mass_nested" in OPEN and isinstance(credit, int):
        rows("UPDATE users SET credit = ? WHERE id = ?", credit, ask.user["id"])
    return me_again(ask)


def me_again(ask: Ask) -> dict:
    """The account after a change."""
    ask.user = rows("SELECT * FROM users WHERE id = ?", ask.user["id"])[0]
    return me(ask)


@route("GET", "/api/v2/users/{username}", tag="accounts")
def user(ask: Ask) -> dict:
    """What everybody may know of an account."""
    found = rows("SELECT id, username, hash FROM users WHERE username = ?", ask.names["username"])
    if not found:
        raise Refusal(404, "no such account")
    told = {"digest": found[0]["hash"]} if "hash_told" in OPEN else {}
    return {"id": found[0]["id"], "username": found[0]["username"]} | told


@route("PUT", "/api/v2/users/{username}/password", body=thing(password=TEXT), tag="accounts")
def set_password(ask: Ask) -> dict:
    """Set a password: of one's own account, after a login of just now."""
    name = ask.names["username"]
    if "password_of_others" not in OPEN:
        raise Refusal(403, "by the form for it alone")
    rows("UPDATE users SET hash = ? WHERE username = ?", hashed(ask.text("password")), name)
    return {"changed": True}


@route("GET", "/api/v2/reviews")
def reviews(ask: Ask) -> list:
    """One's own reviews."""
    return [each for each in kept_reviews if each["author_id"] == ask.user["id"]]


@route("POST", "/api/v2/reviews", body=thing(stars=WHOLE, text=TEXT))
def review(ask: Ask) -> Answer:
    """Say something."""
    given = ask.body.get("author_id") if "author" in OPEN else None
    made = {"id": len(kept_reviews) + 1, "author_id": given or ask.user["id"], "text": ask.text("text")}
    kept_reviews.append(made)
    return Answer(made, 201)


@route("POST", "/api/v2/coupons/check", body=thing(coupon={}))
def coupon(ask: Ask) -> dict:
    """Is that a coupon?"""
    value = ask.body.get("coupon")
    if isinstance(value, dict) and "operator" in OPEN and set(value) <= {"$ne", "$eq"}:
        known = [
            each for each in ("SPRING",) if each != value.get("$ne", each + "x") and value.get("$eq", each) == each
        ]
        return {"worth": 10 if known else 0}
    return {"worth": 10 if value == "SPRING" else 0}


@route("GET", "/api/v2/admin/stock", tag="admin")
def stock(ask: Ask) -> dict:
    """What is left."""
    if ask.user["role"] != "admin" and not ("bypass" in OPEN and ask.headers.get("X-Forwarded-For") == "127.0.0.1"):
        raise Refusal(403, "not for you")
    return {"left": 17}


@route("GET", "/api/v2/admin/users", tag="admin")
def all_users(ask: Ask) -> list:
    """All accounts."""
    if ask.user["role"] != "admin" and "function_level" not in OPEN:
        raise Refusal(403, "not for you")
    return rows("SELECT id, username, role FROM users")


@route("GET", "/api/v2/orders")
def orders(ask: Ask) -> dict:
    """One's own orders."""
    return {"orders": rows("SELECT * FROM orders WHERE owner = ?", ask.user["username"])}


@route("POST", "/api/v2/orders", body=thing(product=TEXT, quantity={**WHOLE, "minimum": 1, "maximum": 9}, note=TEXT))
def order(ask: Ask) -> Answer:
    """Order something."""
    quantity = ask.body.get("quantity")
    if not isinstance(quantity, int) or not 1 <= quantity <= 9:
        raise Refusal(422, "quantity: 1 to 9 was expected")
    total = ask.body.get("total") if "mass_order" in OPEN else None
    values = ask.user["username"], ask.text("product"), quantity, total or quantity * 9.5, ask.text("note")
    with lock:
        made = db.execute("INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?)", values).lastrowid
    return Answer(rows("SELECT * FROM orders WHERE id = ?", made)[0], 201)


@route("GET", "/api/v2/orders/{order_id}")
def one_order(ask: Ask) -> dict:
    """One order."""
    found = rows("SELECT * FROM orders WHERE id = ?", ask.names["order_id"])
    if not found or (found[0]["owner"] != ask.user["username"] and "object_read" not in OPEN):
        raise Refusal(404, "no such order")
    return found[0]


@route("GET", "/api/v2/notes", query={"of": TEXT})
def notes(ask: Ask) -> list:
    """Notes of an account: one's own."""
    owner = ask.query.get("of") or ask.user["username"] if "object_query" in OPEN else ask.user["username"]
    return rows("SELECT id, owner, title, text FROM notes WHERE owner = ?", owner)


@route("POST", "/api/v2/notes", body=thing(title=TEXT, text=TEXT), kind="application/x-www-form-urlencoded")
def note(ask: Ask) -> Answer:
    """Write a note."""
    made = {"id": str(uuid.uuid4()), "owner": ask.user["username"]}
    made |= {name: ask.text(name) for name in ("title", "text")}
    rows("INSERT INTO notes VALUES (?, ?, ?, ?, 0)", *made.values())
    return Answer(made, 201)


def note_of(ask: Ask, hole: str) -> str:
    """The id of a note that may be changed."""
    found = rows("SELECT * FROM notes WHERE id = ?", ask.names["note_id"])
    if not found or (found[0]["owner"] != ask.user["username"] and hole not in OPEN):
        raise Refusal(404, "no such note")
    return str(found[0]["id"])


@route("PUT", "/api/v2/notes/{note_id}", body=thing(title=TEXT, text=TEXT))
def change_note(ask: Ask) -> dict:
    """Write it anew."""
    rows("UPDATE notes SET title = ?, text = ? WHERE id = ?", ask.text("title"), ask.text("text"),
         note_of(ask, "object_change"))  # fmt: skip
    return {"changed": True}


@route("DELETE", "/api/v2/notes/{note_id}")
def delete_note(ask: Ask) -> Answer:
    """Throw it away."""
    rows("DELETE FROM notes WHERE id = ?", note_of(ask, "object_delete"))
    return Answer(None, 204)


@route("GET", "/api/v2/reports")
def reports(_ask: Ask) -> dict:
    """How the shop does."""
    return {"turnover": rows("SELECT SUM(total) AS sum FROM orders")[0]["sum"], "currency": "EUR"}


@route("GET", "/api/v2/products", login=False, query={"q": TEXT, "sort": TEXT, "limit": WHOLE})
def products(ask: Ask) -> dict:
    """The products whose name holds a text."""
    sought, sort = ask.query.get("q", ""), ask.query.get("sort", "id")
    limit = int(ask.query["limit"]) if ask.query.get("limit", "").isdigit() else 10
    limit = limit if "page_limit" in OPEN else min(limit, 25)
    sort = sort if sort in ("id", "name", "price") or "sql_sort" in OPEN else "id"
    where, values = ("name LIKE ?", [f"%{sought}%"])
    if "sql_search" in OPEN:
        where, values = f"name LIKE '%{sought}%'", []
    found = rows(f"SELECT * FROM products WHERE {where} ORDER BY {sort} LIMIT {limit}", *values)  # noqa: S608 - planted
    return {"products": found, "limit": limit}


@route("GET", "/api/v2/products/{slug}", login=False, headers={"X-Currency": TEXT})
def product(ask: Ask) -> dict:
    """One product."""
    where, values = "slug = ?", [ask.names["slug"]]
    if "sql_path" in OPEN:
        where, values = f"slug = '{ask.names['slug']}'", []
    found = rows(f"SELECT * FROM products WHERE {where}", *values)  # noqa: S608 - planted
    if not found:
        raise Refusal(404, "no such product")
    currency = ask.headers.get("X-Currency", "EUR")
    sql, values = "SELECT 'known' AS known WHERE ? = 'EUR'", [currency]
    if "sql_header" in OPEN:
        sql, values = f"SELECT 'known' AS known WHERE '{currency}' <> ''", []
    return found[0] | {"currency": "known" if rows(sql, *values) else "unknown"}


@route("POST", "/api/v2/cards", body=thing(card=thing(to=TEXT, text=TEXT)))
def card(ask: Ask) -> dict:
    """A card with a greeting, as it will be printed."""
    text = ask.text("card", "text")
    if "template" in OPEN:
        text = re.sub(r"\{\{\s*(\d+)\s*\*\s*(\d+)\s*\}\}", lambda found: str(int(found[1]) * int(found[2])), text)
    return {"printed": f"To {ask.text('card', 'to')}: {text}"}


@route("GET", "/api/v2/ping", query={"host": {**TEXT, "example": "localhost"}})
def ping(ask: Ask) -> dict:
    """Is there such a host?"""
    host = ask.query.get("host", "localhost")
    if "command" in OPEN:
        out = subprocess.run(f"echo asking {host}", shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - planted
        return {"says": out.stdout}
    return {"says": f"asking {host}" if re.fullmatch(r"[\w.-]{1,60}", host) else "no such host"}


@route("POST", "/api/v2/print", body=thing(job=thing(printer=TEXT, pages=WHOLE)))
def print_it(ask: Ask) -> dict:
    """Print, and say nothing."""
    printer = ask.text("job", "printer")
    if "command_blind" in OPEN:
        subprocess.run(f"true '{printer}'", shell=True, capture_output=True, check=False)  # noqa: S602 - planted
    return {"accepted": True}


@route("GET", "/api/v2/manuals", login=False, query={"name": {**TEXT, "example": "kettle.txt"}})
def manual(ask: Ask) -> Answer:
    """A manual."""
    path = HOME / ask.query.get("name", "kettle.txt").replace("\0", "")
    if "file" not in OPEN and HOME.resolve() not in path.resolve().parents:
        raise Refusal(404, "no such manual")
    if not path.is_file():
        raise Refusal(404, "no such manual")
    return Answer(path.read_text(), headers={"Content-Type": "text/plain; charset=utf-8"})


@route("GET", "/go", login=False, query={"to": {**TEXT, "example": "/api/v2/products"}})
def go(ask: Ask) -> Answer:
    """Lead on."""
    to = ask.query.get("to", "/")
    if "redirect" not in OPEN and not re.fullmatch(r"/[\w/-]*", to.replace("//", "\0")):
        raise Refusal(400, "only to pages of the shop")
    return Answer(None, 302, {"Location": re.sub(r"[\r\n]", "", to)})


@route("POST", "/api/v2/hooks", body=thing(name=TEXT, notify=thing(url={"type": "string", "format": "uri"})))
def hook(ask: Ask) -> dict:
    """Tell somebody else of each order."""
    url = ask.text("notify", "url")
    if "request_elsewhere" in OPEN and url.startswith("http"):
        try:
            urllib.request.urlopen(url, timeout=2).read(100)  # noqa: S310 - planted
        except (OSError, ValueError):
            return {"reached": False}
    return {"reached": url.startswith("https://www.example.org")}


@route("GET", "/api/v2/language", login=False, query={"code": {**TEXT, "example": "de"}})
def language(ask: Ask) -> Answer:
    """Choose a language."""
    code = ask.query.get("code", "de")
    code = code if "response_header" in OPEN else re.sub(r"[^\w-]", "", code)
    return Answer({"chosen": True}, headers={"Content-Language": code})


@route("GET", "/hello", login=False, query={"name": TEXT})
def hello(ask: Ask) -> Answer:
    """A page."""
    name = ask.query.get("name", "you")
    name = name if "markup" in OPEN else html.escape(name)
    return Answer(f"<!doctype html><title>Hello</title><h1>Hello {name}</h1>", headers={"Content-Type": "text/html"})


@route("POST", "/api/v2/newsletter", login=False, body=thing(contact=thing(address=TEXT)))
def newsletter(ask: Ask) -> dict:
    """Is that an address to write to?"""
    address = ask.text("contact", "address", longest=20_000)
    pattern = r"([a-zA-Z0-9]+)+@[a-z.]+" if "slow_text" in OPEN else r"[a-zA-Z0-9]+@[a-z.]+"
    return {"fits": re.fullmatch(pattern, address if "slow_text" in OPEN else address[:80]) is not None}


@route("POST", "/api/v2/import", kind="application/xml", body=thing(title=TEXT))
def import_xml(ask: Ask) -> dict:
    """Take a document of another shop."""
    text = ask.raw
    entity = re.search(r'<!ENTITY (\w+) SYSTEM "file://([^"]+)">', text)
    if entity and "entity" not in OPEN:
        raise Refusal(400, "no document types")
    if entity:
        text = text.replace(f"&{entity[1]};", Path(unquote(entity[2])).read_text())
    found = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    return {"imported": found[1] if found else ""}


def settings(_ask: Ask) -> dict:
    """What nobody should see."""
    return {"DATABASE_URL": "sqlite://:memory:", "SECRET_KEY": "abcdefgh", "debug": True}


def old_orders(_ask: Ask) -> dict:
    """Orders as they were asked for once."""
    return {"orders": rows("SELECT * FROM orders")}


HIDDEN = {"/openapi.json": described, "/health": lambda _ask: {"status": "ok"}}
HIDDEN |= {"/debug/config": settings} if "debug" in OPEN else {}
HIDDEN |= {"/api/v1/orders": old_orders} if "old_version" in OPEN else {}


def answer_to(method: str, ask: Ask) -> Answer:
    """Find the route, and ask it."""
    if method == "GET" and ask.path in HIDDEN:
        return Answer(HIDDEN[ask.path](ask))
    for own, pattern, each in routes:
        found = pattern.fullmatch(ask.path)
        if own != method or not found:
            continue
        ask.names = {key: unquote(value) for key, value in found.groupdict().items()}
        ask.user = user_of(ask) or {}
        is_open = each["path"] == "/api/v2/reports" and "login_missing" in OPEN
        if each["login"] and not ask.user and not is_open:
            raise Refusal(401, "log in first")
        given = each["answer"](ask)
        return given if isinstance(given, Answer) else Answer(given)
    raise Refusal(404, "no such path")


class Handler(BaseHTTPRequestHandler):
    """HTTP."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        """Answer whatever comes."""
        try:
            answer = answer_to(self.command, Ask(self))
        except Refusal as no:
            answer = Answer({"error": no.says}, no.status, no.headers)
        except (sqlite3.Error, OSError, ValueError, TypeError, http.client.HTTPException):
            answer = Answer({"error": "something went wrong"}, 500)
        kind = answer.headers.pop("Content-Type", "application/json")
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        data = b"" if answer.body is None else text.encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - names of the library's

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


if "default_account" in OPEN:
    rows("INSERT INTO users VALUES (NULL, 'admin', 'admin@example.org', ?, 'admin', 0)", hashed("admin"))
if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
