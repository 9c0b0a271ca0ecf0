"""Alerts on their way to people: by webhook and by mail, beside the watch, which waits for neither."""

from __future__ import annotations

import smtplib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

import msgspec

from harness.errors import SafetyError
from harness.model import AlertSeverity, MailRelay
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable

_TIMEOUT_S = 5.0
_FIRST_PAUSE_S, _MOST_PAUSE_S = 1.0, 60.0
_MOST_TRIES = 60
_MOST_WAITING = 1000
_LATER = frozenset({408, 425, 429})
"""Refusals that ask to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """What is told of an alert. `id` is the same for all messages of one alert, `key` is this message's own."""

    key: str
    id: str
    event: Literal["fired", "changed", "resolved"]
    alert: str
    severity: AlertSeverity
    target: str
    url: str
    subjects: tuple[str, ...]
    text: str
    at: str
    """UTC."""
    seconds: float
    """For how long the alert is open."""
    runbook: str = ""
    tell: str = ""
    """Whom the profile names under [escalation]."""


class DeliveryError(Exception):
    """A message was not taken. `is_final`: it never will be."""

    def __init__(self, what: str, *, is_final: bool = False) -> None:
        super().__init__(what)
        self.is_final = is_final


Way = Callable[[AlertMessage], None]
"""Sends one message. Raises `DeliveryError`."""


def webhook(url: str) -> Way:
    """POST each message as JSON to that address, and to no other: a redirect is not followed."""

    def send(message: AlertMessage) -> None:
        body = msgspec.json.encode(message)
        try:
            with RecordingClient(url, timeout_s=_TIMEOUT_S, keep=1) as client:
                headers = {"Content-Type": "application/json", "Connection": "close"}
                status = client.request("POST", url, content=body, headers=headers).status_code
        except ServiceUnavailable as error:
            raise DeliveryError(error.what) from error
        except (UnfitAnswer, SafetyError) as error:
            raise DeliveryError(str(error), is_final=True) from error
        if 300 <= status < 400:
            raise DeliveryError(f"it redirects ({status}), and only the given address is allowed", is_final=True)
        if status >= 400:
            raise DeliveryError(f"it answered {status}", is_final=status < 500 and status not in _LATER)

    return send


def mail(relay: MailRelay) -> Way:
    """Send each message as a mail."""

    def send(message: AlertMessage) -> None:
        try:
            with smtplib.SMTP(relay.host, relay.port, timeout=_TIMEOUT_S) as server:
                if relay.starttls:
                    server.starttls()
                server.send_message(_mail_of(message, relay))
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(" ".join(str(error).split())[:200]) from error

    return send


def _mail_of(message: AlertMessage, relay: MailRelay) -> EmailMessage:
    written = EmailMessage()
    written["From"], written["To"] = relay.sender, ", ".join(relay.to)
    written["Subject"] = f"[{message.severity}] {message.target}: {message.alert} {message.event}"
    written["Message-ID"] = f"<{message.key}@harness.invalid>"
    written["References"] = f"<{message.id}@harness.invalid>"
    lines = [message.text, "", f"where: {', '.join(message.subjects)}", f"service: {message.url}", f"at: {message.at}"]
    lines += [f"runbook: {message.runbook}"] if message.runbook else []
    lines += [f"tell: {message.tell}"] if message.tell else []
    written.set_content("\n".join(lines))
    return written


class Outbox:
    """Messages in their order, each sent until it is taken or never will be. `told` hears of what is not.

    What nobody took is kept by `waiting`, for the next watch.
    """

    def __init__(self, ways: Mapping[str, Way], told: Callable[[str], None]) -> None:
        self._ways = ways
        self._told = told
        self._waiting: dict[str, deque[AlertMessage]] = {name: deque(maxlen=_MOST_WAITING) for name in ways}
        self._changed = threading.Condition()
        for name in ways:
            threading.Thread(target=self._send, args=(name,), daemon=True, name=f"watch {name}").start()

    def put(self, message: AlertMessage) -> None:
        """Have it sent on every way."""
        with self._changed:
            for queue in self._waiting.values():
                queue.append(message)
            self._changed.notify_all()

    @property
    def waiting(self) -> tuple[AlertMessage, ...]:
        """What some way has not taken yet."""
        with self._changed:
            found = {message.key: message for queue in self._waiting.values() for message in queue}
        return tuple(found.values())

    def close(self) -> None:
        """Say no more: who listened has ended."""
        self._told = lambda _text: None

    def flush(self, timeout_s: float) -> int:
        """Wait for all to be taken; returns how many are not."""
        with self._changed:
            self._changed.wait_for(lambda: not any(self._waiting.values()), timeout_s)
        return len(self.waiting)

    def _send(self, name: str) -> None:
        queue, tries, said = self._waiting[name], 0, False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(queue))
                message = queue[0]
            try:
                self._ways[name](message)
            except DeliveryError as error:
                tries += 1
                if not error.is_final and tries < _MOST_TRIES:
                    if not said:
                        self._told(f"{name}: alert {message.alert} is not taken ({error}); it is tried again")
                    said = True
                    with self._changed:
                        self._changed.wait(min(_FIRST_PAUSE_S * 2 ** (tries - 1), _MOST_PAUSE_S))
                    continue
                self._told(f"{name}: alert {message.alert} was not taken ({error}) and is given up")
            tries, said = 0, False
            with self._changed:
                if queue and queue[0] is message:
                    queue.popleft()
                self._changed.notify_all()
