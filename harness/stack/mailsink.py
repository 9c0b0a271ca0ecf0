"""A mail server that keeps what it gets, and shows it over HTTP; a small program of its own.

    python -I mailsink.py SMTP_PORT HTTP_PORT [HOST]

`GET /messages` lists mails, oldest first: id, to, from, subject, text, html, headers, at (UTC). `DELETE /messages`
empties the mailbox. Both ports are on HOST (127.0.0.1); the HTTP port opens last: who gets an answer there can send.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

HOST = "127.0.0.1"
MAX_MESSAGES = 10_000
"""The oldest mails are dropped beyond this, so that a load test does not fill the memory."""


class Mailbox:
    """The mails received so far, shared by the SMTP server's thread and the HTTP server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keep one mail (aiosmtpd calls this)."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self.keep(list(envelope.rcpt_tos), envelope.mail_from or "", content)
        return "250 kept"

    def keep(self, recipients: list[str], sender: str, content: bytes) -> None:
        """Add a mail in the shape in which it is shown."""
        mail = message_from_bytes(content, policy=policy.default)
        with self._lock:
            self._messages.append(
                {
                    "id": str(next(self._numbers)),
                    "to": recipients,
                    "from": sender,
                    "subject": str(mail.get("Subject", "")),
                    "text": _body(mail, "plain"),
                    "html": _body(mail, "html"),
                    "headers": {key: str(value) for key, value in mail.items()},
                    "at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                }
            )
            del self._messages[:-MAX_MESSAGES]

    def messages(self) -> list[dict[str, Any]]:
        """All mails, oldest first."""
        with self._lock:
            return list(self._messages)

    def empty(self) -> None:
        """Forget all mails; numbers go on."""
        with self._lock:
            self._messages.clear()


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        # lines end as in the program that wrote them, not as on the wire
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):
        # an unknown charset: what was sent is still shown
        payload = part.get_payload(decode=True)
        return payload.decode("latin-1") if isinstance(payload, bytes) else ""


def _handler(mailbox: Mailbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self._found():
                self._answer(200, json.dumps(mailbox.messages()).encode())

        def do_DELETE(self) -> None:
            if self._found():
                mailbox.empty()
                self._answer(204, b"")

        def _found(self) -> bool:
            found = self.path.partition("?")[0] == "/messages"
            if not found:
                self._answer(404, b'{"error": "only /messages is here"}')
            return found

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the log is for what goes wrong."""

    return Handler


def main() -> None:
    """Serve until a signal ends the process."""
    smtp_port, http_port = int(sys.argv[1]), int(sys.argv[2])
    host = sys.argv[3] if len(sys.argv) > 3 else HOST
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    mailbox = Mailbox()
    # decode_data off keeps the bytes as sent
    controller = Controller(mailbox, hostname=host, port=smtp_port, decode_data=False)
    controller.start()
    try:
        ThreadingHTTPServer((host, http_port), _handler(mailbox)).serve_forever()
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
