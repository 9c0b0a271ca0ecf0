"""What a mail says, and what the sender makes of each answer of a mail server."""

from __future__ import annotations

import ssl
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from dealradar.mail import Letterhead, UnwritableError, compose
from dealradar.mailserver import MailServer, ServerTroubleError

from tests.dealradar_process import free_port
from tests.service.smtp_script import CUT, SILENCE, scripted

LETTERHEAD = Letterhead("no-reply@deals.example", "https://deals.example/")
FACTS = {
    "price_drop": {"title": "Kettle", "old_cents": 123_456, "new_cents": 99_900},
    "price_alert": {"title": "Kettle", "target_cents": 100_000, "new_cents": 99_900},
    "new_review": {"title": "Kettle", "by": "Mara", "rating": 2, "review": "Loud"},
    "new_reply": {"title": "Kettle", "by": "Mara", "reply": "It is."},
}


def notice(kind="price_drop", **changes):
    facts = FACTS[kind] | changes.pop("facts", {})
    row = {
        "id": 7,
        "kind": kind,
        "deal_id": 12,
        "idempotency_key": f"{kind}.12.3.4",
        "facts": facts,
        "email": "mara@example.org",
        "display_name": "Mara",
    }
    return row | changes


def written(row):
    """The mail as its reader gets it."""
    return message_from_bytes(compose(row, LETTERHEAD).as_bytes(), policy=policy.default)


@pytest.mark.parametrize("kind", list(FACTS))
def test_a_mail_says_the_same_as_text_and_as_html(kind):
    mail = written(notice(kind))
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Message-ID"] == f"<{kind}.12.3.4@deals.example>"
    assert (mail["To"], mail["From"]) == ("Mara <mara@example.org>", "DealRadar <no-reply@deals.example>")
    assert mail["List-Unsubscribe"] == "<https://deals.example/alerts>"
    assert mail["Date"]
    assert "Kettle" in mail["Subject"]
    text, html = (mail.get_body([part]).get_content() for part in ("plain", "html"))
    for part in (text, html):
        assert "Kettle" in part
        assert "https://deals.example/deals/12" in part
        assert "https://deals.example/alerts" in part
    assert ("€999.00" in text) == ("€999.00" in html) == kind.startswith("price")


def test_what_people_wrote_begins_no_header_and_no_markup():
    evil = "Kettle\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>\u2028\u202e\x1b"
    mail = written(notice("new_review", facts={"title": evil, "by": evil}, display_name=evil))
    assert mail["Bcc"] is None
    assert "Bcc: all@example.org" in mail["Subject"]
    assert mail["To"].addresses[0].addr_spec == "mara@example.org"
    assert "<script>" not in mail.get_body(["html"]).get_content()
    assert "&lt;script&gt;" in mail.get_body(["html"]).get_content()
    assert "\nBcc:" not in mail.get_body(["plain"]).get_content()
    assert "\u202e" not in mail["Subject"]


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": {"new_cents": "much"}},
        {"email": "no address"},
        {"email": "a@example.org\r\nBcc: b@example.org"},
        {"email": ""},
        {"kind": "price_rise"},
    ],
    ids=["no number", "no address", "two lines", "empty", "unknown kind"],
)
def test_a_notification_that_makes_no_sense_is_said_to(changes):
    with pytest.raises(UnwritableError):
        compose(notice() | {**changes, "facts": FACTS["price_drop"] | changes.get("facts", {})}, LETTERHEAD)


def test_a_missing_fact_is_no_empty_place():
    with pytest.raises(UnwritableError, match="title"):
        compose(notice() | {"facts": {"old_cents": 2, "new_cents": 1}}, LETTERHEAD)


def server_of(url, seconds=5.0):
    return MailServer(url, seconds, "no-reply@deals.example")


def deliver(url, seconds=5.0):
    session = server_of(url, seconds).open()
    delivery = session.deliver(compose(notice(), LETTERHEAD), "mara@example.org")
    session.close()
    return delivery


@pytest.mark.parametrize(
    ("answers", "outcome", "reply", "is_over"),
    [
        ({}, "sent", "250", False),
        ({"RCPT": "550 nobody"}, "permanent", "550 nobody", False),
        ({"RCPT": "451 later"}, "temporary", "451 later", False),
        ({"DATA": "452 full"}, "temporary", "452 full", False),
        ({"DATA": "554 no"}, "permanent", "554 no", False),
        ({"END": "552 too much"}, "permanent", "552 too much", False),
        ({"END": "451 later"}, "temporary", "451 later", False),
        ({"MAIL": "530 log in"}, "temporary", "530 log in", True),
        ({"MAIL": "451 later"}, "temporary", "451 later", True),
        ({"RCPT": "421 closing"}, "temporary", "421 closing", True),
        ({"END": "421 closing"}, "temporary", "421 closing", True),
        ({"END": CUT}, "temporary", "SMTPServerDisconnected", True),
        ({"RCPT": CUT}, "temporary", "SMTPServerDisconnected", True),
    ],
    ids=str,
)
def test_an_answer_is_about_one_mail_or_about_the_server(answers, outcome, reply, is_over):
    with scripted(**answers) as script:
        delivery = deliver(script.url)
    assert (delivery.outcome, delivery.reply, bool(delivery.trouble)) == (outcome, reply, is_over)


@pytest.mark.parametrize("word", ["MAIL", "RCPT", "END"])
def test_a_server_that_falls_silent_is_given_up(word):
    with scripted(**{word: SILENCE}) as script:
        delivery = deliver(script.url, seconds=0.2)
    assert (delivery.outcome, bool(delivery.trouble)) == ("temporary", True)


@pytest.mark.parametrize(
    "answers",
    [{"CONNECT": "554 no"}, {"CONNECT": "421 busy"}, {"CONNECT": CUT}, {"CONNECT": SILENCE}, {"EHLO": CUT}],
    ids=str,
)
def test_without_a_session_there_is_no_attempt(answers):
    with scripted(**answers) as script, pytest.raises(ServerTroubleError):
        server_of(script.url, 0.2).open()


def test_nobody_listening_is_the_servers_trouble():
    with scripted() as script:
        url = script.url
    with pytest.raises(ServerTroubleError, match="ConnectionRefusedError"):
        server_of(url).open()


def test_one_session_goes_on_after_a_refusal():
    with scripted(DATA="452 full") as script:
        session = server_of(script.url).open()
        mail = compose(notice(), LETTERHEAD)
        replies = [session.deliver(mail, "mara@example.org").reply for _ in range(3)]
        session.close()
    assert replies == ["452 full"] * 3
    assert script.heard.count("EHLO") == 1


class _Kept:
    """What an encrypting server with a login got."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802
        assert session.ssl is not None
        self.mails.append(envelope.content)
        return "250 kept"

    def log_in(self, _server, _session, _envelope, _mechanism, given):
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss:word/", handled=False)


@pytest.fixture
def encrypting(tmp_path: Path, monkeypatch):
    """A server that offers STARTTLS and wants a login, whose authority is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    kept = _Kept()
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=kept.log_in,
    )
    controller.start()
    kept.port = controller.port
    yield kept
    controller.stop()


def test_the_session_is_encrypted_and_logged_in(encrypting):
    assert deliver(f"smtp://mara:p%40ss%3Aword%2F@127.0.0.1:{encrypting.port}").outcome == "sent"
    assert encrypting.logins == [(b"mara", b"p@ss:word/")]
    assert len(encrypting.mails) == 1


def test_a_refused_login_is_the_servers_trouble_and_names_no_password(encrypting):
    with pytest.raises(ServerTroubleError) as refused:
        server_of(f"smtp://mara:wrong@127.0.0.1:{encrypting.port}").open()
    assert str(refused.value) == "SMTPAuthenticationError 535"


def test_a_certificate_that_nobody_vouches_for_is_not_believed(encrypting, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ServerTroubleError, match="SSLCertVerificationError"):
        server_of(f"smtp://127.0.0.1:{encrypting.port}").open()


def test_a_password_does_not_leave_this_machine_unencrypted(monkeypatch):
    monkeypatch.setattr("dealradar.mailserver._is_this_machine", lambda _: False)
    with scripted() as script:
        url = script.url.replace("smtp://", "smtp://mara:secret@")
        with pytest.raises(ServerTroubleError, match="ReadablePasswordError"):
            server_of(url).open()
    assert "AUTH" not in script.heard
