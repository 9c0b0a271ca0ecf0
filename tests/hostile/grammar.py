"""A grammar of broken HTTP: each number is one server, which answers every path in its own wrong way.

An answer is drawn part by part (status line, framing, header fields, coding, body), most parts right, some wrong, so
that what is wrong is met behind what is right. The same number is the same server on every machine.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard

PAGE = b"<!doctype html><html lang=en><title>p</title><main><h1>x</h1></main>"
MB = 2**20
FOREIGN = "http://127.0.0.3:{port}"
_DEEP = b'{"allOf":[' * 900 + b"{}" + b"]}" * 900


@dataclass(frozen=True, slots=True)
class Saying:
    """What is sent for one request: pieces with a pause before each; `repeat` says the last one again for ever."""

    pieces: tuple[bytes, ...]
    pause_s: float = 0.0
    repeat: bool = False
    hang: bool = False
    """Keep the connection open and silent afterwards; else it is kept for the next request, or closed."""
    close: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One hostile server: its name says what is wrong with it."""

    number: int
    name: str
    answers: dict[str, Saying] = field(hash=False)
    """Path -> answer; "*" for all others."""

    def answer(self, path: str) -> Saying:
        """What to say to a request."""
        return self.answers.get(path.partition("?")[0], self.answers["*"])


def server(number: int, seed: int = 0, foreign_port: int = 9) -> Server:
    """The server of that number."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a drawing, no secret
    where = chance.choice(["everywhere", "front", "document", "rest"])
    name, bad = _bad(chance, foreign_port)
    document_name, document = _document(chance, foreign_port)
    fine = {"/": _whole(PAGE, "text/html; charset=utf-8"), "/openapi.json": document}
    missing = _whole(b"no", "text/plain", status=b"404 Not Found")
    answers: dict[str, Saying]
    match where:
        case "everywhere":
            answers = {"*": bad}
        case "front":
            answers = fine | {"/": bad, "*": missing}
        case "document":
            answers = fine | {"/openapi.json": bad, "*": missing}
        case _:
            answers = fine | {"*": bad}
    shown = "" if where in ("everywhere", "document") else f", document {document_name}"
    return Server(number, f"{where}: {name}{shown}", answers)


def _whole(body: bytes, kind: str, *fields: bytes, status: bytes = b"200 OK") -> Saying:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + kind.encode(), b"Content-Length: %d" % len(body), *fields]
    return Saying((b"\r\n".join(lines) + b"\r\n\r\n" + body,))


def _bad(chance: random.Random, port: int) -> tuple[str, Saying]:
    kind = chance.choice([_status, _framing, _fields, _coding, _pace, _redirect, _body, _interim, _cookies])
    return kind(chance, port)


def _status(chance: random.Random, _port: int) -> tuple[str, Saying]:
    line = chance.choice(
        [
            b"HTTP/1.1 000 Weird",
            b"HTTP/1.1 999 Weird",
            b"HTTP/1.1 99999 Weird",
            b"HTTP/1.1 \xc2\xb2\xc2\xb9 Weird",
            b"HTTP/1.1 200",
            b"HTTP/1.1  200 OK",
            b"HTTP/9.9 200 OK",
            b"HTTP/1.0 200 OK",
            b"ICY 200 OK",
            b"SSH-2.0-OpenSSH_9.9",
            b"HTTP/1.1 101 Switching Protocols",
            b"HTTP/1.1 204 No Content",
            b"HTTP/1.1 304 Not Modified",
            b"HTTP/1.1 200 \x1b]0;pwned\x07\x1b[31m\xe2\x80\xae",
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
            chance.randbytes(200),
        ]
    )
    return f"status line {line[:20]!r}", Saying(
        (line + b"\r\nContent-Length: 2\r\n\r\nok",), close=chance.random() < 0.5
    )


def _framing(chance: random.Random, _port: int) -> tuple[str, Saying]:
    fields, body = chance.choice(
        [
            (b"Content-Length: -5", b"hello"),
            (b"Content-Length: abc", b"hello"),
            (b"Content-Length: " + b"9" * 5000, b"hello"),
            (b"Content-Length: 1000000000000000000000", b"hello"),
            (b"Content-Length: 5\r\nContent-Length: 50", b"hello"),
            (b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
            (b"Content-Length: 1000", b"a" * 500),
            (b"Content-Length: 2", b"hello, and what another answer begins like"),
            (b"Transfer-Encoding: chunked", b"ZZ\r\nhello\r\n"),
            (b"Transfer-Encoding: chunked", b"-5\r\nhello\r\n"),
            (b"Transfer-Encoding: chunked", b"FFFFFFFFFFFFFFFFFF\r\nhello"),
            (b"Transfer-Encoding: chunked", b"5;" + b"a" * MB + b"\r\nhello\r\n0\r\n\r\n"),
            (b"Transfer-Encoding: chunked", b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"),
            (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n" + b"X: a\r\n" * 100_000 + b"\r\n"),
            (b"Transfer-Encoding: gzip, chunked", b"5\r\nhello\r\n0\r\n\r\n"),
            (b"X: y", b"until the end"),
        ]
    )
    return f"framing {fields[:40]!r}", Saying(
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + fields + b"\r\n\r\n" + body,), close=chance.random() < 0.7
    )


def _fields(chance: random.Random, _port: int) -> tuple[str, Saying]:
    name, fields = chance.choice(
        [
            ("huge field", b"X: " + b"a" * 10 * MB),
            ("many fields", b"\r\n".join(b"X-%d: a" % number for number in range(50_000))),
            ("folded", b"X: a\r\n b\r\n\tc"),
            ("NUL", b"X: a\0b"),
            ("no colon", b"this is no field"),
            ("no name", b": value"),
            ("blanks in the name", b"X Y: a"),
            ("not ASCII", b"Server: \xff\xfe\x80"),
            ("bare LF", b"X: a\nY: b"),
            ("controls", b"Server: \x1b]0;pwned\x07\x1b[2J"),
            ("retry never", b"Retry-After: 1" + b"0" * 400 + b"\r\nRateLimit-Limit: 1\r\nRateLimit-Remaining: 0"),
            (
                "limits that are none",
                b"RateLimit-Limit: -5, NaN, 1e309\r\nRateLimit-Reset: -1\r\nRateLimit-Policy: 1;w=0",
            ),
            ("dates that are none", b"Date: Thu, 31 Dec 9999999 23:59:59 GMT\r\nAge: -1\r\nExpires: 0"),
            ("links without end", b"Link: " + b"</x>; rel=service-desc, " * 3000),
            (
                "charset",
                b"Content-Type: text/html; charset=" + chance.choice([b"idna", b"bz2_codec", b"\xff", b"utf-7"]),
            ),
            ("policy without end", b"Content-Security-Policy: " + b"script-src 'self' " * 3000),
        ]
    )
    return f"fields {name}", Saying((b"HTTP/1.1 200 OK\r\n" + fields + b"\r\nContent-Length: 2\r\n\r\nok",))


def _coding(chance: random.Random, _port: int) -> tuple[str, Saying]:
    packers = {
        "gzip": lambda body: gzip.compress(body, 1),
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.compress,
    }
    codings = chance.choices(sorted(packers), k=chance.choice([1, 1, 2, 3]))
    name = chance.choice(["bomb", "none", "torn", "stacked", "unknown"])
    body = bytes(chance.choice([64, 128]) * MB) if name == "bomb" else PAGE
    for coding in codings if name in ("bomb", "torn") else ():
        body = packers[coding](body)
    body = body[: len(body) // 2] if name == "torn" else body
    if name == "stacked":
        codings = ["gzip"] * chance.choice([5, 3000])
    if name == "unknown":
        codings = ["evil"]
    shown = ",".join(codings[:3])
    return f"coding {name} {shown}", _whole(body, "text/html", b"Content-Encoding: " + ", ".join(codings).encode())


def _pace(chance: random.Random, _port: int) -> tuple[str, Saying]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    return chance.choice(
        [
            ("silence", Saying((), hang=True)),
            ("head drips", Saying((head, b"X: a\r\n"), pause_s=0.5, repeat=True)),
            ("line drips", Saying((b"HTTP/1.1 200 ", b"a"), pause_s=0.5, repeat=True)),
            ("body drips", Saying((head + b"Content-Length: 1000000\r\n\r\n", b"a"), pause_s=0.5, repeat=True)),
            ("body has no end", Saying((head + b"\r\n", b"a" * MB), pause_s=0.002, repeat=True)),
            (
                "chunks without end",
                Saying((head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 9999), repeat=True),
            ),
            ("head has no end", Saying((head, b"X: a\r\n" * 9999), repeat=True)),
            ("closed at once", Saying((), close=True)),
            ("body never comes", Saying((head + b"Content-Length: 10\r\n\r\n",), hang=True)),
        ]
    )


def _redirect(chance: random.Random, port: int) -> tuple[str, Saying]:
    place = chance.choice(
        [
            "/again",
            FOREIGN.format(port=port) + "/landed",
            "//foreign.test/landed",
            f"http://127.0.0.3:{port}/landed",
            "file:///etc/passwd",
            "ftp://foreign.test/x",
            "http://[",
            "http://a:b@foreign.test/",
            "javascript:alert(1)",
            "\\\\foreign.test\\x",
            "http://foreign.test/\x1b]0;pwned\x07",
            "/" + "a" * 70_000,
        ]
    )
    status = chance.choice([b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"])
    return f"redirect to {place[:40]!r}", _whole(b"", "text/html", b"Location: " + place.encode(), status=status)


def _body(chance: random.Random, port: int) -> tuple[str, Saying]:
    there = FOREIGN.format(port=port)
    name, kind, body = chance.choice(
        [
            ("not UTF-8", "text/html", b"\xff\xfe\x80<title>\xff</title>"),
            ("NUL", "text/html", b"<title>\0</title>\0<main><h1>\0</h1></main>"),
            ("deep JSON", "application/json", b'{"a":' * 100_000),
            ("long number", "application/json", b"9" * 5000),
            ("half a character", "application/json", b'"\\ud800"'),
            ("NaN", "application/json", b"[NaN, -Infinity, 1e999]"),
            ("foreign assets", "text/html", PAGE + f"<img src={there}/i><link rel=preconnect href={there}>".encode()),
            ("foreign script", "text/html", PAGE + f"<script src={there}/s></script><iframe src={there}/f>".encode()),
            ("moves on", "text/html", PAGE + f"<meta http-equiv=refresh content='0;url={there}/r'>".encode()),
            ("windows", "text/html", PAGE + b"<script>setInterval(() => window.open('/p'), 20)</script>"),
            ("markup", "text/html", b"<div>" * 50_000),
            ("links", "text/html", PAGE + b"".join(b"<a href='/l%d'>l</a>" % number for number in range(3000))),
            ("controls", "text/html", PAGE + b"\x1b[2J\x1b]0;pwned\x07" * 100),
            ("a traceback", "text/html", PAGE + b"Traceback (most recent call last):" * 100),
            ("empty", "text/html", b""),
        ]
    )
    return f"body {name}", _whole(body, kind, status=chance.choice([b"200 OK", b"200 OK", b"500 Oops"]))


def _interim(chance: random.Random, _port: int) -> tuple[str, Saying]:
    interim = chance.choice(
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 199 X\r\n\r\n"]
    )
    many = chance.choice([1, 30])
    if chance.random() < 0.5:
        return "interim without end", Saying((interim * many,), repeat=True, pause_s=0.001)
    return f"interim {many}", Saying((interim * many + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",))


def _cookies(chance: random.Random, _port: int) -> tuple[str, Saying]:
    cookies = [
        "city=Zürich; Path=/",
        "=x",
        "\x07=1",
        "a=1; Max-Age=" + "9" * 400,
        "a=1; Expires=Thu, 31 Dec 9999999 23:59:59 GMT",
        "a=1; Domain=foreign.test",
        ";;;;",
        "a=1; Path=" + "/" * 5000,
        '__Host-x="1; SameSite=Whatever',
    ]
    drawn = chance.sample(cookies, 3) + [f"c{number}=v" for number in range(chance.choice([0, 500]))]
    return "cookies", _whole(PAGE, "text/html", *(f"Set-Cookie: {each}".encode() for each in drawn))


def _document(chance: random.Random, port: int) -> tuple[str, Saying]:
    there = FOREIGN.format(port=port)
    answer = {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {}}}}}}
    strange = [None, 5, "x", [], {}, [None, 5], {"$ref": "#/paths"}, {"$ref": there}, {"\ud800": 1}, 1e308]
    name = chance.choice(["fine", "shapes", "paths", "references", "deep", "many", "servers"])
    paths: dict[str, Any] = {"/": {"get": answer}, "/ok": {"get": answer, "patch": answer}}
    more: dict[str, Any] = {}
    match name:
        case "shapes":
            for number in range(8):
                part = chance.choice(["parameters", "responses", "security", "servers", "requestBody", "operationId"])
                paths[f"/s{number}"] = {"get": answer | {part: chance.choice(strange)}}
            paths["/item"] = chance.choice(strange)
            more = {chance.choice(["info", "security", "servers", "components", "tags"]): chance.choice(strange)}
        case "paths":
            odd = [f"{there}/abs", f"//foreign.test:{port}/x", f"@foreign.test:{port}/x", "\\\\foreign.test\\x"]
            odd += ["/a\r\nX: 1", "/\ud800", "/" + "a" * 70_000, "", "/ü", "/a b", "/%zz", "/../../x", "/\u202eabc"]
            paths |= {path: {"get": answer} for path in odd}
        case "references":
            paths["/r"] = {"get": {"responses": {"200": {"$ref": "#/components/responses/R"}}}}
            more = {"components": {"responses": {"R": {"$ref": chance.choice(["#/components/responses/R", there])}}}}
        case "deep":
            content = {"application/json": {"schema": "DEEP"}}
            paths["/deep"] = {"get": {"responses": {"200": {"content": content}}}}
        case "many":
            paths |= {f"/p{number}": {"get": answer} for number in range(5000)}
        case "servers":
            more = {"servers": [{"url": there + "/{x}", "variables": {"x": {"default": f"@foreign.test:{port}/"}}}]}
        case _:
            pass
    document = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths} | more
    return name, _whole(json.dumps(document).encode().replace(b'"DEEP"', _DEEP), "application/json")


def kinds(count: int, seed: int = 0) -> Iterator[str]:
    """The names of the first servers."""
    return (server(number, seed).name for number in range(count))
