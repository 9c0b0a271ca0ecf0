"""What the shop is asked by its accounts, and ways to it beside the path of each: an export, a page, a signed link."""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
import time
import uuid

from core import OPEN, TEXT, Answer, Ask, Refusal, route, rows, thing

KEPT_S = 3
SIGNING = secrets.token_bytes(32)
tickets: dict[str, dict] = {}
by_key: dict[tuple[str, str], Answer] = {}
summaries: dict[str, tuple[float, dict]] = {}
names: dict[str, str] = {}


def own_tickets(ask: Ask) -> list[dict]:
    """The tickets of who asks."""
    return [each for each in tickets.values() if each["owner"] == ask.user["username"]]


def own_ticket(ask: Ask) -> dict:
    """The ticket that the path names."""
    found = tickets.get(ask.names["ticket_id"])
    if not found or found["owner"] != ask.user["username"]:
        raise Refusal(404, "no such ticket")
    return found


def signature(key: str) -> str:
    """What lets in whoever has the link."""
    return hmac.new(SIGNING, key.encode(), hashlib.sha256).hexdigest()


@route("GET", "/api/v2/tickets")
def all_tickets(ask: Ask) -> list[dict]:
    """One's own tickets, each with a link that may be passed on."""
    return [{**each, "link": f"/shared/{each['id']}?sig={signature(each['id'])}"} for each in own_tickets(ask)]


@route("POST", "/api/v2/tickets", body=thing(subject=TEXT, text=TEXT), headers={"Idempotency-Key": TEXT})
def open_ticket(ask: Ask) -> Answer:
    """Ask the shop; the same again under the same key asks once."""
    key = ask.headers.get("Idempotency-Key")
    known = ("" if "key_shared" in OPEN else ask.user["username"], key or "")
    if key and known in by_key:
        return by_key[known]
    made = {"id": str(uuid.uuid4()), "owner": ask.user["username"]}
    made |= {name: ask.text(name) for name in ("subject", "text")}
    tickets[made["id"]] = made
    answer = Answer(made, 201)
    if key:
        by_key[known] = answer
    return answer


@route("GET", "/api/v2/tickets/export")
def export_tickets(ask: Ask) -> Answer:
    """The same as a table."""
    given = tickets.values() if "export_all" in OPEN else own_tickets(ask)
    lines = "".join(f"{each['id']}\t{each['subject']!r}\t{each['text']!r}\n" for each in given)
    return Answer(lines.encode(), headers={"Content-Type": "text/tab-separated-values; charset=utf-8"})


@route("GET", "/api/v2/tickets/{ticket_id}")
def one_ticket(ask: Ask) -> dict:
    """One of one's own."""
    return own_ticket(ask)


@route("GET", "/tickets/{ticket_id}/print")
def printed(ask: Ask) -> Answer:
    """One of one's own, to be printed."""
    text = own_ticket(ask)["text"]
    text = text if "markup_kept" in OPEN else html.escape(text)
    return Answer(f"<!doctype html><p>{text}</p>".encode(), headers={"Content-Type": "text/html; charset=utf-8"})


@route("GET", "/shared/{file_id}", login=False, query={"sig": TEXT})
def by_link(ask: Ask) -> dict:
    """A ticket for whoever has its link."""
    key = ask.names["file_id"]
    given = ask.query.get("sig", "").encode()
    is_signed = "link_unsigned" in OPEN or hmac.compare_digest(signature(key).encode(), given)
    if key not in tickets or not is_signed:
        raise Refusal(404, "no such file")
    return tickets[key]


@route("GET", "/api/v2/summary")
def summary(ask: Ask) -> dict:
    """How many tickets one has, as of some seconds ago."""
    name = ask.user["username"]
    key = "" if "cache_mixed" in OPEN else name
    since, kept = summaries.get(key, (0.0, {}))
    if since < time.monotonic() - KEPT_S:
        kept = {"username": name, "tickets": len(own_tickets(ask))}
        summaries[key] = (time.monotonic(), kept)
    return kept


@route("GET", "/api/v2/account")
def account(ask: Ask) -> dict:
    """The name by which one is known."""
    return {"username": names.get(ask.user["username"], ask.user["username"])}


@route("PATCH", "/api/v2/account", body=thing(username=TEXT))
def rename(ask: Ask) -> dict:
    """Take another name, which nobody has."""
    name = ask.text("username", longest=40)
    is_taken = name != ask.user["username"] and rows("SELECT 1 FROM users WHERE username = ?", name)
    if is_taken and "name_given" not in OPEN:
        raise Refusal(409, "somebody has that name")
    names[ask.user["username"]] = name
    return account(ask)
