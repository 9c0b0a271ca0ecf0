"""A mail server that keeps what it gets, and shows it over HTTP; a small program of its own.

    MAILBOX_TOKEN=TOKEN python -I mail_server.py SMTP_PORT HTTP_PORT [HOST]

The mailbox is for who knows TOKEN, with which every path begins: `GET /TOKEN/messages`. It answers no request that
names another host, as a page in a browser does that has its own name lead here. At 127.0.0.1 mails are taken from
processes of the user whose mail server it is, of root, and of the stack itself, whatever user they have become.

`GET /messages` lists mails, oldest first: id, to, from, subject, text, html, headers, at (UTC). `GET /messages/ID` is
one of them as it came over the wire. `DELETE /messages` empties the mailbox. Both ports are on HOST (127.0.0.1); the
HTTP port opens last: who gets an answer there can send.

It can be told to behave badly. `PUT /mode` takes JSON: `{"mode": "refuse", "at": "rcpt" or "data", "code": 451, "text":
"later", "to": "", "times": null}` (only mails to `to`, only so often), `{"mode": "hang"}` (no answer to MAIL FROM until
another mode is set), `{"mode": "drop"}` (the mail is kept, and the connection cut instead of an answer), `{"mode":
"normal"}`. `GET /attempts` lists what was tried, whatever the mode: to, from, message_id ("" where the mail itself was
not sent), answer ("" where there was none), at. `DELETE /messages` empties that list too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import json
import os
import signal
import socket
import struct
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
MAX_MESSAGES = 10_000
"""The oldest mails are dropped beyond this, so that a load test does not fill the memory."""
TOKEN = "MAILBOX_TOKEN"  # noqa: S105 - a name
"""Environment variable: a command line can be read by every user of the machine."""
_OWN_NAMES = ("127.0.0.1", "localhost")
_NOT_FOUND = b'{"error": "only /messages, /attempts and /mode are here"}'
_HANG_PAUSE = 0.02
"""Seconds between two looks at whether the server still is to hang."""


@dataclass(frozen=True)
class MailMode:
    """How the server answers. Raises TypeError or ValueError for what is none."""

    mode: str = "normal"
    at: str = "rcpt"
    code: int = 451
    text: str = "try again later"
    to: str = ""
    times: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("normal", "refuse", "hang", "drop") or self.at not in ("rcpt", "data"):
            raise ValueError(f"no mode {self.mode!r} at {self.at!r}")
        if not 400 <= self.code <= 599:
            raise ValueError(f"{self.code} refuses nothing")


class MailStore:
    """The mails received so far, shared by the SMTP server's thread and the HTTP server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []
        self._raw: dict[str, bytes] = {}
        self._attempts: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self.mode = MailMode()

    async def handle_MAIL(  # noqa: N802
        self,
        server: object,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Hear of a sender (aiosmtpd calls this)."""
        while self.mode.mode == "hang":  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(_HANG_PAUSE)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: object,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Hear of a recipient (aiosmtpd calls this)."""
        refusal = self._refusal("rcpt", [address])
        if refusal is not None:
            self._note([address], envelope, "", refusal)
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keep one mail, or refuse it (aiosmtpd calls this)."""
        content = _bytes(envelope.content)
        recipients = list(envelope.rcpt_tos)
        mail = message_from_bytes(content, policy=policy.default)
        refusal = self._refusal("data", recipients)
        dropped = refusal is None and self.mode.mode == "drop"
        answer = refusal or ("" if dropped else "250 kept")
        self._note(recipients, envelope, _header(mail, "Message-ID"), answer)
        if refusal is None:
            self._keep(recipients, envelope.mail_from or "", content, mail)
        if dropped and server.transport is not None:
            server.transport.close()
        return answer or "451 cut"

    def _refusal(self, at: str, recipients: list[str]) -> str | None:
        """The refusal that the mode wants of this attempt; None for none. One of `times` is then used up."""
        with self._lock:
            mode = self.mode
            if mode.mode != "refuse" or mode.at != at or (mode.to and mode.to not in recipients):
                return None
            if mode.times is not None:
                self.mode = replace(mode, times=mode.times - 1) if mode.times > 1 else MailMode()
            return f"{mode.code} {mode.text}"

    def _note(self, recipients: list[str], envelope: Envelope, message: str, answer: str) -> None:
        attempt = {"to": recipients, "from": envelope.mail_from, "message_id": message, "answer": answer, "at": _now()}
        with self._lock:
            self._attempts.append(attempt)
            del self._attempts[:-MAX_MESSAGES]

    def _keep(self, recipients: list[str], sender: str, content: bytes, mail: EmailMessage) -> None:
        """Add a mail in the shape in which it is shown."""
        with self._lock:
            number = str(next(self._numbers))
            self._raw[number] = content
            self._messages.append(
                {
                    "id": number,
                    "to": recipients,
                    "from": sender,
                    "subject": _header(mail, "Subject"),
                    "text": _body(mail, "plain"),
                    "html": _body(mail, "html"),
                    "headers": {name: _read(name, written) for name, written in mail.raw_items()},
                    "at": _now(),
                }
            )
            for old in self._messages[:-MAX_MESSAGES]:
                del self._raw[old["id"]]
            del self._messages[:-MAX_MESSAGES]

    def messages(self) -> list[dict[str, Any]]:
        """All mails, oldest first."""
        with self._lock:
            return list(self._messages)

    def attempts(self) -> list[dict[str, Any]]:
        """What clients tried, oldest first."""
        with self._lock:
            return list(self._attempts)

    def raw(self, number: str) -> bytes | None:
        """A mail as it came."""
        with self._lock:
            return self._raw.get(number)

    def empty(self) -> None:
        """Forget all mails; numbers go on."""
        with self._lock:
            self._messages.clear()
            self._raw.clear()
            self._attempts.clear()


def _bytes(content: str | bytes | None) -> bytes:
    return content if isinstance(content, bytes) else (content or "").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _header(mail: EmailMessage, name: str) -> str:
    """The first header of that name; "" without one."""
    found = (written for key, written in mail.raw_items() if key.lower() == name.lower())
    return _read(name, next(found, ""))


def _read(name: str, written: str) -> str:
    """A header decoded; as it was written where Python's parser stumbles over it (a Message-ID of `<>` or `<[a]>`)."""
    try:
        return str(policy.default.header_fetch_parse(name, written))
    except (AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError, MessageError):
        return " ".join(written.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split())


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):
        # an unknown charset: what was sent is still shown
        payload = part.get_payload(decode=True)
        text = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    # lines end as in the program that wrote them, not as on the wire
    return text.replace("\r\n", "\n")


class MailHandler(BaseHTTPRequestHandler):
    """The mailbox over HTTP; a subclass names it, and the token of those it is for."""

    protocol_version = "HTTP/1.1"
    mailbox: MailStore
    token: str

    def parse_request(self) -> bool:
        """Answer only who knows the token and means this host; the path is then what follows the token."""
        if not super().parse_request():
            return False
        if not _is_own_name(self.headers.get("Host", "")):
            self._refuse(403, b'{"error": "this is 127.0.0.1, and no other host"}')
            return False
        given, _, path = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            self._refuse(404, _NOT_FOUND)
            return False
        self.path = f"/{path}"
        return True

    def _refuse(self, status: int, body: bytes) -> None:
        # whatever body came with it is not read
        self.close_connection = True
        self._answer(status, body)

    def do_GET(self) -> None:
        """Lists, or one mail."""
        path = self.path.partition("?")[0]
        lists = {"/messages": self.mailbox.messages, "/attempts": self.mailbox.attempts}
        if path in lists:
            self._answer(200, json.dumps(lists[path]()).encode())
        elif (content := self.mailbox.raw(path.removeprefix("/messages/"))) is not None:
            self._answer(200, content, "message/rfc822")
        else:
            self._answer(404, _NOT_FOUND)

    def do_DELETE(self) -> None:
        """Empty the mailbox."""
        if self.path == "/messages":
            self.mailbox.empty()
        self._answer(*((204, b"") if self.path == "/messages" else (404, _NOT_FOUND)))

    def do_PUT(self) -> None:
        """Set how SMTP is answered from now on."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/mode":
            self._answer(404, _NOT_FOUND)
            return
        try:
            self.mailbox.mode = MailMode(**json.loads(body))
        except (TypeError, ValueError) as error:
            self._answer(400, json.dumps({"error": str(error)}).encode())
            return
        self._answer(204, b"")

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the log is for what goes wrong."""


def _is_own_name(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _OWN_NAMES
    except ValueError:
        return False


class _Server(SMTP):
    # as much as mail servers take, and not only the 998 characters of RFC 5321
    line_length_limit = 2**20


class _Guarded(_Server):
    """Takes mails from who may send them here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to speak, or say that this is not for the client."""
        if _may_send(transport):
            super().connection_made(transport)
            return
        transport.set_protocol(asyncio.Protocol())
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"554 5.7.1 this mail server is another user's\r\n")
        transport.close()


class _Controller(Controller):
    def factory(self) -> SMTP:
        # in a container clients are other containers, and have no user here
        server = _Guarded if self.hostname == HOST else _Server
        return server(self.handler, **self.SMTP_kwargs)


def _may_send(transport: asyncio.BaseTransport) -> bool:
    owner = socket_owner(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    if owner is None:
        return True
    user, inode = owner
    return user in (0, os.geteuid()) or _is_of_stack(inode)


def socket_owner(end: tuple[str, int], other: tuple[str, int]) -> tuple[int, int] | None:
    """User and inode of the socket of this machine that is at `end` of a connection; None where nothing tells.

    Asked by sock_diag(7), for this one connection: /proc/net/tcp lists all that there are.
    """
    sock_diag, request, by_family, tcp, no_cookie = 4, 1, 20, socket.IPPROTO_TCP, b"\xff" * 8
    ends = struct.pack("!HH", end[1], other[1]) + b"".join(
        socket.inet_aton(host).ljust(16, b"\0") for host, _ in (end, other)
    )
    asked = struct.pack("=BBBxI", socket.AF_INET, tcp, 0, 0xFFFFFFFF) + ends + struct.pack("=I", 0) + no_cookie
    message = struct.pack("=IHHII", 16 + len(asked), by_family, request, 1, 0) + asked
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, sock_diag) as link:
            link.settimeout(1.0)
            link.send(message)
            answer = link.recv(4096)
    except (OSError, AttributeError):
        return None
    if struct.unpack_from("=IH", answer)[1] != by_family:
        return None
    user, inode = struct.unpack_from("=II", answer, 80)
    return int(user), int(inode)


def _is_of_stack(inode: int) -> bool:
    """Whether a process below our own parent, the stack's supervisor, has that socket.

    A service that starts as root may become another user.
    """
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    below = {os.getppid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    for pid in below:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) == f"socket:[{inode}]":
                        return True
    return False


def main() -> None:
    """Serve until a signal ends the process."""
    smtp_port, http_port = int(sys.argv[1]), int(sys.argv[2])
    host = sys.argv[3] if len(sys.argv) > 3 else HOST
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    mailbox = MailStore()
    handler = type("MailHandler", (MailHandler,), {"mailbox": mailbox, "token": os.environ[TOKEN]})
    # decode_data off keeps the bytes as sent
    controller = _Controller(mailbox, hostname=host, port=smtp_port, decode_data=False)
    controller.start()
    try:
        ThreadingHTTPServer((host, http_port), handler).serve_forever()
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
