"""Where a text of the request leads: into a template, a command, a file, a page, to another host."""

from __future__ import annotations

import html
import re
import subprocess
import urllib.request
from pathlib import Path
from urllib.parse import unquote

from core import HOME, OPEN, TEXT, WHOLE, Answer, Ask, Refusal, route, thing


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
    ask.text("name")
    url = ask.text("notify", "url")
    if not re.match(r"https?://", url):
        raise Refusal(422, "notify.url: an address was expected")
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
    code = code if "response_header" in OPEN else re.sub(r"[^A-Za-z0-9-]", "", code)
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
    if not found:
        raise Refusal(422, "a title was expected")
    return {"imported": found[1]}
