"""A small shop with good headers and faults that can be planted: `python planted_pages.py FAULT…` prints its URL.

Faults by name: `all`, or any of `FAULTS`. Without one the shop is sound: what is asked of it is answered as it should.
"""

from __future__ import annotations

import html
import json
import os
import sqlite3
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

FAULTS = (
    "xss-path",
    "xss-element",
    "xss-attribute",
    "redirect",
    "sql",
    "env",
    "git",
    "listing",
    "trace",
    "get-password",
    "traceback",
    "hashes",
    "pprof",
    "php-warning",
    "host-links",
    "dead-links",
    "http-form",
    "no-integrity",
    "vary",
    "offered-listing",
    "writable",
    "sql-form",
)
CSP = (
    "default-src 'self'; script-src 'self' https://cdn.example; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": CSP,
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>{head}</head>'
    "<body><main><h1>Shop</h1>{body}</main></body></html>"
)
LINKS = (
    '<p><a href="/search?q=tea">tea</a> <a href="/item?id=1">first</a> <a href="/greet?name=Ann">greet</a> '
    '<a href="/leave?to=/">leave</a> <a href="/users">users</a> <a href="/login">log in</a></p>'
    '<img src="/files/logo.svg" alt="logo">'
)
USERS = ({"name": "ann", "email": "ann@example.com"}, {"name": "bob", "email": "bob@example.com"})
NAMES = '<a href="a.txt">a.txt</a> <a href="b/">b/</a>'
HASH = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"


def database() -> sqlite3.Connection:
    """The items, anew for each request: sqlite belongs to one thread."""
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE items (id INTEGER, name TEXT)")
    made.execute("INSERT INTO items VALUES (1, 'tea')")
    return made


class Shop(BaseHTTPRequestHandler):
    """One request; `faults` are those of the whole server."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "shop", ""
    faults: frozenset[str] = frozenset()
    stored: ClassVar[dict[str, str]] = {}

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def has(self, fault: str) -> bool:
        return fault in self.faults

    def answer(self, status: int, body: str, kind: str = "text/html; charset=utf-8", **more: str) -> None:
        data = body.encode()
        self.send_response(status)
        headers = {**GUARDS, "Content-Type": kind, **{name.replace("_", "-"): value for name, value in more.items()}}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def page(self, body: str, head: str = "", status: int = 200, **more: str) -> None:
        self.answer(status, PAGE.format(head=head, body=body), **more)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        pages: dict[str, Any] = {
            "/": self.front,
            "/search": lambda: self.search(asked.get("q", "")),
            "/greet": lambda: self.greet(asked.get("name", "")),
            "/item": lambda: self.item(asked.get("id", "1")),
            "/leave": lambda: self.leave(asked.get("to", "/")),
            "/users": self.users,
            "/login": self.login,
            "/files/logo.svg": lambda: self.answer(200, "<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            **self.planted(),
        }
        found = pages.get(parts.path)
        if found is None:
            return self.missing(unquote(parts.path))
        return found()

    do_HEAD = do_GET  # noqa: N815 - the base class's names

    def planted(self) -> dict[str, Any]:
        """Paths that only a fault brings."""
        texts = {
            "env": ("/.env", "DB_PASSWORD=hunter2\nDEBUG=1\n", "text/plain"),
            "git": ("/.git/HEAD", "ref: refs/heads/main\n", "text/plain"),
            "listing": (
                "/files/",
                PAGE.format(head="", body='<a href="a.txt">a.txt</a> <a href="b/">b/</a>'),
                "text/html",
            ),
            "offered-listing": ("/papers/", "<title>Papers - Index of /papers/</title>", "text/html"),
            "pprof": ("/debug/pprof/", "<html><head><title>/debug/pprof/</title></head></html>", "text/html"),
        }
        made = {path: (body, kind) for fault, (path, body, kind) in texts.items() if self.has(fault)}
        made |= {path: (body, "text/plain") for path, body in self.stored.items()}
        return {path: lambda one=one: self.answer(200, *one) for path, one in made.items()}

    def front(self) -> None:
        head, body = "", LINKS
        if self.has("host-links"):
            head += f'<link rel="canonical" href="http://{self.headers["Host"]}/">'
        if self.has("no-integrity"):
            head += '<script src="https://cdn.example/x.js"></script>'
        if self.has("php-warning"):
            body += "<b>Warning</b>: include(): failed in <b>/srv/www/index.php</b> on line <b>7</b>"
        if self.has("dead-links"):
            body += '<a href="/gone">gone</a>'
        if self.has("sql-form"):
            body += '<form method="post" action="/query"><label>Ask <textarea name="sql"></textarea></label></form>'
        if self.has("offered-listing"):
            body += '<a href="/papers/">papers</a>'
        if self.has("http-form"):
            body += '<form action="http://other.example/news" method="post"><label>Mail <input name="m"></label></form>'
        if "application/json" in self.headers.get("Accept", ""):
            more = {} if self.has("vary") else {"Vary": "Accept"}
            return self.answer(200, '{"shop": true}', "application/json", **more)
        return self.page(body, head, **({} if self.has("vary") else {"Vary": "Accept"}))

    def search(self, word: str) -> None:
        shown = word if self.has("xss-element") else html.escape(word)
        self.page(f'<form action="/search"><label>Search <input name="q"></label></form><p>Nothing for {shown}</p>')

    def greet(self, name: str) -> None:
        shown = html.escape(name, quote=not self.has("xss-attribute"))
        self.page(f'<form><label>Name <input name="name" value="{shown}"></label></form>')

    def item(self, number: str) -> None:
        with database() as items:
            if self.has("sql"):
                try:
                    found = items.execute(f"SELECT name FROM items WHERE id = '{number}'").fetchall()  # noqa: S608
                except sqlite3.Error as error:
                    return self.page(
                        f"<p>sqlite3.OperationalError: {html.escape(str(error), quote=False)}</p>", status=500
                    )
            else:
                found = items.execute("SELECT name FROM items WHERE id = ?", (number,)).fetchall()
        return self.page(f"<p>{len(found)} found</p>")

    def leave(self, place: str) -> None:
        own = place if place.startswith("/") and not place.startswith(("//", "/\\")) else "/"
        self.answer(303, "", Location=place if self.has("redirect") else own)

    def users(self) -> None:
        shown = [{**user, "password_hash": HASH} if self.has("hashes") else user for user in USERS]
        self.answer(200, json.dumps(shown), "application/json")

    def login(self) -> None:
        method = "get" if self.has("get-password") else "post"
        self.page(
            f'<form action="/login" method="{method}"><label>Name <input name="user"></label>'
            '<label>Word <input type="password" name="word"></label><button>Go</button></form>'
        )

    def missing(self, path: str) -> None:
        shown = path if self.has("xss-path") else html.escape(path)
        self.page(f"<p>There is no {shown}</p>", status=404)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path != "/login":
            return self.missing(unquote(urlsplit(self.path).path))
        try:
            json.loads(sent)
        except ValueError:
            if self.has("traceback"):
                return self.answer(500, traceback.format_exc(), "text/plain")
            return self.answer(400, "no JSON", "text/plain")
        return self.answer(401, "wrong", "text/plain")

    def do_TRACE(self) -> None:
        if self.has("trace"):
            return self.answer(200, f"{self.requestline}\r\n{self.headers}", "message/http")
        return self.refuse()

    def do_PUT(self) -> None:
        if not self.has("writable"):
            return self.refuse()
        self.stored[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        return self.answer(201, "")

    def do_DELETE(self) -> None:
        if not self.has("writable"):
            return self.refuse()
        return self.answer(204 if self.stored.pop(self.path, None) else 404, "")

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(405, "", Allow="GET, HEAD, POST")

    do_PATCH = do_OPTIONS = do_UNBIND = refuse  # noqa: N815


def main() -> None:
    """Serve on a free port until standard input ends."""
    wanted = FAULTS if "all" in sys.argv[1:] else sys.argv[1:]
    handler = type("Planted", (Shop,), {"faults": frozenset(wanted)})
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    if "PORT" not in os.environ:
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
