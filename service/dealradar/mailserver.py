"""A conversation with the mail server (RFC 5321): what became of a mail, and whose trouble it is.

A refusal of the recipient or of the content is about one mail: for good if it is 5xx, for now if it is 4xx. A server
that cannot be reached or logged in to, refuses the sender, says 421, hangs or cuts the connection would treat the next
mail no better: that ends the session.
"""

import contextlib
import ipaddress
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal
from urllib.parse import unquote, urlsplit

_CLOSING = 421
_REFUSED_FOR_GOOD = range(500, 600)


class ServerTroubleError(Exception):
    """The mail server takes no mail at present. The text names neither addresses nor the password."""


class ReadablePasswordError(smtplib.SMTPException):
    """The server of another machine offers no encryption, so the password stays here."""


@dataclass(frozen=True)
class Delivery:
    """What became of one attempt; `trouble` says why the session is over, if it is."""

    outcome: Literal["sent", "temporary", "permanent"]
    reply: str
    trouble: str = ""


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed over. `timeout_seconds` is what the server gets for each answer."""

    url: str
    timeout_seconds: float
    sender: str

    def open(self) -> "Session":
        """Connect, encrypt where that is offered, log in if the URL names a user. Raises ServerTroubleError.

        Certificates are verified; a password is sent only encrypted, or within this machine.
        """
        parts = urlsplit(self.url)
        host, is_tls = parts.hostname or "", parts.scheme == "smtps"
        context = ssl.create_default_context()
        hello = self.sender.rpartition("@")[2]
        client: smtplib.SMTP | None = None
        try:
            if is_tls:
                client = smtplib.SMTP_SSL(host, parts.port or 465, hello, timeout=self.timeout_seconds, context=context)
            else:
                client = smtplib.SMTP(host, parts.port or 25, hello, timeout=self.timeout_seconds)
            client.ehlo_or_helo_if_needed()
            if not is_tls and client.has_extn("starttls"):
                client.starttls(context=context)
                is_tls = True
            if parts.username:
                if not is_tls and not _is_this_machine(host):
                    raise ReadablePasswordError
                client.login(unquote(parts.username), unquote(parts.password or ""))
        except (smtplib.SMTPException, OSError) as error:
            if client is not None:
                client.close()
            raise ServerTroubleError(_named(error)) from error
        return Session(client, self.sender)


class Session:
    """An open conversation; not to be used once a delivery told of trouble."""

    def __init__(self, client: smtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    def deliver(self, mail: EmailMessage, recipient: str) -> Delivery:
        """Hand one mail over. Whatever the server does is in the result."""
        try:
            self._client.send_message(mail, self._sender, [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused(*error.recipients[recipient])
        except smtplib.SMTPSenderRefused as error:
            return Delivery("temporary", _words(error.smtp_code, error.smtp_error), _named(error))
        except smtplib.SMTPResponseException as error:
            return self._refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            return Delivery("permanent", str(error))
        except (smtplib.SMTPException, OSError) as error:
            return Delivery("temporary", _named(error), _named(error))
        return Delivery("sent", "250")

    def close(self) -> None:
        """Take leave, if the server still listens."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._client.quit()
        self._client.close()

    def _refused(self, code: int, text: bytes | str) -> Delivery:
        outcome: Literal["temporary", "permanent"] = "permanent" if code in _REFUSED_FOR_GOOD else "temporary"
        trouble = str(code) if code == _CLOSING else ""
        if not trouble:
            try:
                self._client.rset()  # a refused DATA leaves the transaction open
            except (smtplib.SMTPException, OSError) as error:
                trouble = _named(error)
        return Delivery(outcome, _words(code, text), trouble)


def _words(code: int, text: bytes | str) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(said.split())}"[:200]


def _named(error: Exception) -> str:
    code = getattr(error, "smtp_code", "")
    return f"{type(error).__name__} {code}".strip()


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
