"""The stack's mail server: what it got, what was tried, and how it is to answer from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx

from harness.faults.events import FaultLog

MAIL = "mail"
"""The part that a mail server's bad behaviour is recorded under; the server itself is `smtp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One mail as it arrived. `at` is the mail server's wall clock, UTC."""

    id: str
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One try to hand a mail over. `answer` is the server's line, "" where it gave none."""

    recipients: tuple[str, ...]
    message_id: str
    """Empty where the mail itself was not sent: its recipient was refused before."""
    answer: str
    at: datetime

    @property
    def code(self) -> int | None:
        """The reply's code (RFC 5321, 4.2); None where there was no reply."""
        return int(self.answer[:3]) if self.answer else None


class Mailbox:
    """The mail sink over HTTP, at `mailbox_url` of a stack. How it answers is a fault of part `mail`."""

    def __init__(self, url: str, faults: FaultLog | None = None) -> None:
        self._faults = faults or FaultLog()
        # a proxy of the environment has no business between us and the mail server of a stack
        self._client = httpx.Client(base_url=url, timeout=5.0, trust_env=False)

    def messages(self) -> tuple[ReceivedMail, ...]:
        """What was received, oldest first."""
        return tuple(
            ReceivedMail(
                id=mail["id"],
                message_id=_header(mail["headers"], "message-id"),
                sender=mail["from"],
                recipients=tuple(mail["to"]),
                subject=mail["subject"],
                text=mail["text"],
                html=mail["html"],
                headers=mail["headers"],
                at=datetime.fromisoformat(mail["at"]),
            )
            for mail in self._list("/messages")
        )

    def attempts(self) -> tuple[DeliveryAttempt, ...]:
        """What was tried, refused attempts among them, oldest first."""
        return tuple(
            DeliveryAttempt(
                recipients=tuple(tried["to"]),
                message_id=tried["message_id"],
                answer=tried["answer"],
                at=datetime.fromisoformat(tried["at"]),
            )
            for tried in self._list("/attempts")
        )

    def raw(self, mail: ReceivedMail) -> bytes:
        """A mail as it came over the wire."""
        return self._client.get(f"/messages/{mail.id}").raise_for_status().content

    def empty(self) -> None:
        """Forget all mails and attempts."""
        self._client.delete("/messages").raise_for_status()

    def refuse(
        self,
        code: int,
        text: str = "refused on purpose",
        *,
        at: Literal["rcpt", "data"] = "rcpt",
        to: str = "",
        times: int | None = None,
    ) -> None:
        """Refuse mails, at the recipient or after their text; only those to `to`, and only `times` times, if given.

        4xx is temporary, 5xx permanent (RFC 5321, 4.2.1).
        """
        self._set(mode="refuse", code=code, text=text, at=at, to=to, times=times)
        often = "" if times is None else f" {times} times"
        self._faults.begin(f"refuse {code}", MAIL, f"at {at}, {to or 'everybody'}{often}: {text}")

    def hang(self) -> None:
        """Greet, and give no answer to MAIL FROM until another mode is set."""
        self._set(mode="hang")
        self._faults.begin("hang", MAIL)

    def drop_after_data(self) -> None:
        """Keep each mail, and cut the connection instead of saying so: the sender cannot know."""
        self._set(mode="drop")
        self._faults.begin("drop after data", MAIL)

    def normal(self) -> None:
        """Take every mail."""
        self._set(mode="normal")
        self._faults.end(MAIL)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _list(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get(path).raise_for_status().json()
        return found

    def _set(self, **mode: object) -> None:
        self._client.put("/mode", json=mode).raise_for_status()


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
