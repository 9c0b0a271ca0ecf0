"""The shop as it is served: its gateway, its routes, and what is beside them. See `core` for the holes."""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import accounts  # noqa: F401 - its routes
import goods  # noqa: F401
import graph  # noqa: F401
import texts  # noqa: F401
import tickets  # noqa: F401
from core import HOME, OPEN, Answer, Ask, Refusal, described, hashed, route, routes, rows, user_of
from lists import delete_box, picture


def settings(_ask: Ask) -> dict:
    """What nobody should see."""
    return {"DATABASE_URL": "sqlite://:memory:", "SECRET_KEY": "abcdefgh", "debug": True}


def old_orders(_ask: Ask) -> dict:
    """Orders as they were asked for once."""
    return {"orders": rows("SELECT * FROM orders")}


HIDDEN = {"/openapi.json": described, "/health": lambda _ask: {"status": "ok"}}
HIDDEN |= {"/debug/config": settings} if "debug" in OPEN else {}
HIDDEN |= {"/api/v1/orders": old_orders} if "old_version" in OPEN else {}


def passed(method: str, ask: Ask) -> tuple[str, str, str]:
    """Method and path as they are carried out, and the path as it is guarded, as a gateway before the shop has them."""
    path = gate = ask.path
    if "original_url" in OPEN and ask.headers.get("X-Original-URL"):
        path = ask.headers["X-Original-URL"].partition("?")[0]
    if "spelling" in OPEN and path.lower().startswith("/api/v2/admin/"):
        path = path.lower()
    other = ask.headers.get("X-HTTP-Method-Override", "").upper()
    method = "GET" if method == "HEAD" else method
    ask.is_overridden = "override" in OPEN and method == "POST" and other in ("PUT", "PATCH", "DELETE")
    return (other if ask.is_overridden else method), path, gate


@route("GET", "/api/v2/admin/reports", tag="admin")
def admin_reports(_ask: Ask) -> list:
    """What each account has ordered; guarded by the gateway."""
    return rows("SELECT owner, COUNT(*) AS orders FROM orders GROUP BY owner")


def answer_to(method: str, ask: Ask) -> Answer:
    """Find the route, and ask it."""
    method, ask.path, gate = passed(method, ask)
    if method == "GET" and ask.path.startswith("/pictures/"):
        return picture(ask.path)
    if "method_hidden" in OPEN and method == "DELETE" and ask.path.startswith("/api/v2/boxes/") and user_of(ask):
        return delete_box(ask.path.rpartition("/")[2])
    if method == "GET" and ask.path in HIDDEN:
        return Answer(HIDDEN[ask.path](ask))
    for own, pattern, each in routes:
        found = pattern.fullmatch(ask.path)
        if own != method or not found:
            continue
        ask.names = {key: unquote(value) for key, value in found.groupdict().items()}
        ask.user = user_of(ask) or {}
        is_open = each["path"] == "/api/v2/reports" and "login_missing" in OPEN
        is_open = is_open or (each["path"] == "/api/v2/store" and ask.is_head and "head_open" in OPEN)
        if each["login"] and not ask.user and not is_open:
            raise Refusal(401, "log in first")
        if gate.startswith("/api/v2/admin/reports") and ask.user["role"] != "admin":
            raise Refusal(403, "not for you")
        if "requestBody" in each["told"] and not ask.data:
            raise Refusal(422, "a body was expected")
        given = each["answer"](ask)
        return given if isinstance(given, Answer) else Answer(given)
    others = [own for own, pattern, _ in routes if pattern.fullmatch(ask.path)]
    if others:
        raise Refusal(405, "not in this way", {"Allow": ", ".join(others)})
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
            answer = Answer(no.told, no.status, no.headers)
        except (sqlite3.Error, OSError, ValueError, TypeError, http.client.HTTPException):
            answer = Answer({"error": "something went wrong"}, 500)
        kind = answer.headers.pop("Content-Type", "application/json")
        origin = self.headers.get("Origin")
        more = {"Cache-Control": "public, max-age=60" if "cached" in OPEN and self.path == "/api/v2/me" else "no-store"}
        if origin == "null" and "origin_null" in OPEN:
            more |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
        data = answer.body if isinstance(answer.body, bytes) else b""
        if answer.body is not None and not isinstance(answer.body, bytes):
            data = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **more, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - names of the library's

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


if "default_account" in OPEN:
    rows("INSERT INTO users VALUES (NULL, 'admin', 'admin@example.org', ?, 'admin', 0)", hashed("admin"))
if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
