"""A small service with an OpenAPI document that it keeps, but for the mistakes that are planted in it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROBLEM = {"description": "a problem", "content": {"application/json": {"schema": {"type": "object"}}}}
REFUSALS = dict.fromkeys(("400", "401", "404", "405", "422"), PROBLEM)
ITEM = {
    "type": "object",
    "required": ["id", "name"],
    "additionalProperties": False,
    "properties": {"id": {"type": "integer"}, "name": {"type": "string", "minLength": 1, "maxLength": 20}},
}
NEW = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 20}},
}
BY_ID = {"name": "item_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
TOKEN = "a-token-of-the-service"


def _json(schema: Any, description: str = "") -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "items", "version": "1"},
        "paths": {
            "/items": {
                "get": {
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}
                    ],
                    "responses": {"200": _json({"type": "array", "items": ITEM}), **REFUSALS},
                },
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": NEW}}},
                    "responses": {
                        "201": {
                            **_json(ITEM),
                            "headers": {"X-Made": {"required": True, "schema": {"type": "string"}}},
                        },
                        **REFUSALS,
                    },
                },
            },
            "/items/{item_id}": {
                "get": {"parameters": [BY_ID], "responses": {"200": _json(ITEM), **REFUSALS}},
                "delete": {"parameters": [BY_ID], "responses": {"204": {"description": ""}, **REFUSALS}},
            },
            "/people": {"get": {"responses": {"200": _json({}), **REFUSALS}}},
            "/people/{person_id}": {
                "get": {
                    "parameters": [{"name": "person_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"200": _json({"type": "object", "required": ["slug"]}), **REFUSALS},
                }
            },
            "/me": {"get": {"security": [{"token": []}], "responses": {"200": _json({}), **REFUSALS}}},
            "/createdb": {"get": {"responses": {"200": _json({}), **REFUSALS}}},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


PEOPLE = [{"slug": "ada-of-the-mill", "visits": 0}, {"slug": "bo-of-the-hill", "visits": 0}]


@dataclass
class Described:
    """The service: what is planted in it, and what it was asked."""

    planted: frozenset[str]
    url: str = ""
    items: dict[int, str] = field(default_factory=lambda: {1: "kettle", 2: "lamp"})
    made: int = 2
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=document)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], Any]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query, keep_blank_values=True)
        allowed = {
            "/openapi.json": "GET",
            "/items": "GET, POST",
            "/people": "GET",
            "/me": "GET",
            "/createdb": "GET",
        }.get(path)
        one = re.fullmatch(r"/items/([^/]+)", path)
        person = re.fullmatch(r"/people/([^/]+)", path)
        allowed = allowed or ("GET, DELETE" if one else "GET" if person else None)
        if allowed is None:
            return 404, {}, {"no": path}
        if method not in allowed.split(", "):
            if "method" in self.planted and method == "TRACE":
                return 200, {}, {}
            if "unknown_method" in self.planted and method == "TRACE":
                return 501, {}, {"no": method}
            return 405, {"Allow": allowed}, {"no": method}
        if one:
            return self._one(method, one[1])
        return self._person(person[1]) if person else self._plain(path, method, query, headers, body)

    def _person(self, slug: str) -> tuple[int, dict[str, str], Any]:
        found = next((each for each in PEOPLE if each["slug"] == slug), None)
        if found is None:
            return 404, {}, {}
        return (500, {}, {}) if "chain" in self.planted else (200, {}, found)

    def _plain(
        self, path: str, method: str, query: dict[str, list[str]], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        match path:
            case "/openapi.json":
                return 200, {}, self.document
            case "/me":
                given = headers.get("Authorization") == f"Bearer {TOKEN}"
                return (200, {}, {"name": "me"}) if given or "login" in self.planted else (401, {}, {})
            case "/people":
                PEOPLE[0]["visits"] += 1
                return 200, {}, {"people": PEOPLE}
            case "/createdb":
                self.items = {1: "kettle", 2: "lamp"} if "effect" not in self.planted else {9: "new"}
                return 200, {}, {}
        return self._items(method, query, body)

    def _items(self, method: str, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, str], Any]:
        if method == "GET":
            limit = query.get("limit", ["100"])
            if not re.fullmatch(r"[1-9]\d?|100", limit[0]) or len(limit) > 1:
                return (500 if "server_error" in self.planted else 422), {}, {}
            listed = [{"id": number, "name": name} for number, name in self.items.items()][: int(limit[0])]
            if "body" in self.planted:
                listed = [{"id": str(each["id"]), "name": each["name"]} for each in listed]
            status = 203 if "status" in self.planted else 200
            return status, {"Content-Type": "text/csv"} if "media_type" in self.planted else {}, listed
        try:
            new = json.loads(body)
            fit = isinstance(new, dict) and set(new) == {"name"} and isinstance(new["name"], str)
            fit = fit and 1 <= len(new["name"]) <= 20
        except ValueError:
            new, fit = {"name": "x"}, False
        if not fit and "accepted_invalid" not in self.planted:
            return 422, {}, {}
        if "refused_valid" in self.planted:
            return 400, {}, {}
        with self.lock:
            self.made += 1
            name = str(new.get("name") or "x")[:20] if isinstance(new, dict) else "x"
            self.items[self.made] = name
            self.items = dict(list(self.items.items())[-20:])
            made = {"id": self.made, "name": name}
        return 201, {} if "header" in self.planted else {"X-Made": "yes"}, made

    def _one(self, method: str, text: str) -> tuple[int, dict[str, str], Any]:
        if not re.fullmatch(r"[1-9]\d*", text):
            return 422, {}, {}
        number = int(text)
        if number not in self.items:
            return 404, {}, {}
        if method == "GET":
            return 200, {}, {"id": number, "name": self.items[number]}
        if "freed" not in self.planted:
            del self.items[number]
        return 204, {}, None


@contextmanager
def described_service(*planted: str) -> Iterator[Described]:
    """The service, started; it ends with the block."""
    service = Described(frozenset(planted))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.asked.append((self.command, self.path, body))
            status, headers, content = service.answer(self.command, self.path, self.headers, body)
            sent = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_TRACE = answer  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
