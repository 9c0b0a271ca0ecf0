"""A notebook of pages and forms without a document, whose holes can be closed: what accounts see of it is tried."""

from __future__ import annotations

import html
import re
import secrets
import sys
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

HOLES = ("read", "change", "forged", "role", "cookie", "fixed", "short")


@dataclass
class Session:
    """What a cookie stands for; nobody is logged in at first."""

    csrf: str
    user: str = ""


@dataclass
class Notebook:
    """Everything that is kept."""

    holes: frozenset[str]
    users: dict[str, dict[str, str]] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    """HTTP."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    book: Notebook

    def answer(self) -> None:
        """Answer whatever comes."""
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = dict(parse_qsl(body.decode("utf-8", "replace")))
        self.cookie = {key: one.value for key, one in SimpleCookie(self.headers.get("Cookie", "")).items()}.get(
            "note", ""
        )
        self.more: list[tuple[str, str]] = []
        if self.cookie not in self.book.sessions:
            self.begin(self.cookie if "fixed" in self.book.holes and self.cookie else "")
        self.session = self.book.sessions[self.cookie]
        if self.command == "POST" and "forged" not in self.book.holes and sent.get("_key") != self.session.csrf:
            self.page(403, "<p>The form is out of date</p>")
            return
        is_open = path in ("/", "/enter", "/join")
        if not self.session.user and not is_open:
            self.lead("/enter")
            return
        self.route(path, sent)

    do_GET = do_POST = answer  # noqa: N815 - names of the library's

    def route(self, path: str, sent: dict[str, str]) -> None:
        """The page, or what a form does."""
        found = re.fullmatch(r"/notes/([0-9a-f-]{36})(/edit)?", path)
        match self.command, path:
            case "GET", "/":
                self.page(200, '<p>A notebook</p><a href="/enter">Enter</a> <a href="/notes">Notes</a>')
            case _, "/enter":
                self.enter(sent)
            case _, "/join":
                self.join(sent)
            case "GET", "/notes":
                own = [key for key, one in self.book.notes.items() if one["owner"] == self.session.user]
                listed = "".join(f'<li><a href="/notes/{key}">a note</a></li>' for key in own)
                more = '<a href="/notes/add">Add</a> <a href="/me">Me</a> <a href="/logout">Leave</a>'
                self.page(200, f"<ul>{listed}</ul>{more}")
            case "GET", "/logout":
                self.begin("")
                self.lead("/")
            case _, "/notes/add":
                self.add(sent)
            case _, "/me":
                self.me(sent)
            case _ if found and found[1] in self.book.notes:
                self.note(found[1], sent, is_edit=bool(found[2]))
            case _:
                self.page(404, "<p>There is no such page</p>")

    def enter(self, sent: dict[str, str]) -> None:
        """Log in."""
        known = self.book.users.get(sent.get("who", ""))
        if self.command == "POST" and known and known["password"] == sent.get("word"):
            if "fixed" not in self.book.holes:
                self.begin("")
            self.book.sessions[self.cookie].user = sent["who"]
            self.lead("/notes")
            return
        self.form("/enter", '<input name="who"><input type="password" name="word">')

    def join(self, sent: dict[str, str]) -> None:
        """Make an account."""
        least = 1 if "short" in self.book.holes else 8
        is_free = sent.get("who", "") not in self.book.users
        if self.command == "POST" and sent.get("who") and len(sent.get("word", "")) >= least and is_free:
            self.book.users[sent["who"]] = {"password": sent["word"], "motto": "none yet", "role": "reader"}
            self.lead("/enter")
            return
        self.form("/join", '<input name="who"><input type="password" name="word">')

    def add(self, sent: dict[str, str]) -> None:
        """Write a note."""
        if self.command == "POST" and sent.get("text"):
            key = str(uuid.uuid4())
            self.book.notes[key] = {"owner": self.session.user, "text": sent["text"]}
            self.lead(f"/notes/{key}")
            return
        self.form("/notes/add", '<textarea name="text"></textarea>')

    def note(self, key: str, sent: dict[str, str], *, is_edit: bool) -> None:
        """A note, and its form."""
        one = self.book.notes[key]
        hole = "" if self.command == "GET" and is_edit else "change" if is_edit else "read"
        if one["owner"] != self.session.user and hole not in self.book.holes:
            self.page(404, "<p>There is no such page</p>")
        elif self.command == "POST" and is_edit and sent.get("text"):
            one["text"] = sent["text"]
            self.lead(f"/notes/{key}")
        elif is_edit:
            self.form(f"/notes/{key}/edit", f'<textarea name="text">{html.escape(one["text"])}</textarea>')
        else:
            self.page(200, f'<p>{html.escape(one["text"])}</p><a href="/notes/{key}/edit">Edit</a>')

    def me(self, sent: dict[str, str]) -> None:
        """What one may say of oneself."""
        own = self.book.users[self.session.user]
        if self.command == "POST":
            own["motto"] = sent.get("motto", "")
            if "role" in self.book.holes:
                own["role"] = sent.get("role", own["role"])
            self.lead("/me")
            return
        chosen = "".join(
            f"<option{' selected' * (own['role'] == each)}>{each}</option>" for each in ("reader", "admin")
        )
        role = f'<select name="role">{chosen}</select>'
        self.form("/me", f'<input name="motto" value="{html.escape(own["motto"])}">{role}')

    def begin(self, key: str) -> None:
        """A new session."""
        self.cookie = key or secrets.token_urlsafe(18)
        self.session = self.book.sessions[self.cookie] = Session(secrets.token_urlsafe(18))
        guard = "" if "cookie" in self.book.holes else "; HttpOnly"
        site = "" if "forged" in self.book.holes else "; SameSite=Lax"
        self.more = [("Set-Cookie", f"note={self.cookie}; Path=/{guard}{site}")]

    def form(self, action: str, fields: str) -> None:
        """A page with a form."""
        key = f'<input type="hidden" name="_key" value="{self.session.csrf}">'
        self.page(200, f'<form method="post" action="{action}">{key}{fields}<button>Send</button></form>')

    def lead(self, place: str) -> None:
        """To another page."""
        self.more.append(("Location", place))
        self.page(303, "")

    def page(self, status: int, inner: str) -> None:
        """A page."""
        body = f"<!doctype html><title>Notebook</title>{inner}".encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *self.more,
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def main(port: int, holes: str) -> None:
    """Serve on loopback until it is ended."""
    Handler.book = Notebook(frozenset(HOLES if holes == "on" else filter(None, holes.split(","))))
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
