"""What a notification says, as a mail with a text and an HTML part."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape

from dealradar.database import Row
from dealradar.money import euro

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
)
TEMPLATES.filters["euro"] = euro


class UnwritableError(Exception):
    """A notification from which no mail can be made: a fact is missing, or the address is none."""


@dataclass(frozen=True)
class Letterhead:
    """What all mails have in common."""

    sender: str
    public_url: str


def compose(notice: Row, letterhead: Letterhead) -> EmailMessage:
    """The mail for a row of notifications with its user's `email` and `display_name`. Raises UnwritableError.

    The idempotency key is the Message-ID (RFC 5322, 3.6.4), so that a mail that was sent twice can be recognised.
    """
    try:
        return _compose(notice, letterhead)
    except (TemplateError, MessageError, ValueError, TypeError, IndexError) as error:
        raise UnwritableError(f"{type(error).__name__}: {error}") from error


def _compose(notice: Row, letterhead: Letterhead) -> EmailMessage:
    preferences = f"{letterhead.public_url.rstrip('/')}/alerts"
    facts = {
        **{name: _one_line(fact) if isinstance(fact, str) else fact for name, fact in notice["facts"].items()},
        "name": _one_line(notice["display_name"]),
        "deal_url": f"{letterhead.public_url.rstrip('/')}/deals/{notice['deal_id']}",
        "preferences_url": preferences,
    }
    text = TEMPLATES.get_template(f"mail/{notice['kind']}.txt").render(facts)
    subject, _, body = text.partition("\n\n\n")
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("DealRadar", addr_spec=letterhead.sender)
    mail["To"] = Address(facts["name"], addr_spec=notice["email"])
    mail["Subject"] = subject
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{notice['idempotency_key']}@{letterhead.sender.rpartition('@')[2]}>"
    mail["List-Unsubscribe"] = f"<{preferences}>"
    mail["Auto-Submitted"] = "auto-generated"
    # Not every server on the way takes eight bits.
    mail.set_content(body, cte="quoted-printable")
    html = TEMPLATES.get_template(f"mail/{notice['kind']}.html").render(facts)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _one_line(text: str) -> str:
    """What people wrote, without anything that could begin a line or a header of its own."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
