"""The mail sink: what is sent by SMTP is read over HTTP."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.model import StackInfo
from harness.stack import launch
from tests.stack_target import small_target


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackInfo]:
    with launch(small_target(tmp_path, needs=("smtp",))) as started:
        yield started.info


def send(info: StackInfo, mail: EmailMessage) -> None:
    address = urlsplit(info.smtp_url or "")
    with smtplib.SMTP(str(address.hostname), address.port or 0) as client:
        client.send_message(mail)


def messages(info: StackInfo) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{info.mailbox_url}/messages", timeout=5) as answer:  # noqa: S310 - our own stack
        return json.load(answer)


def a_mail(subject: str = "Grüße") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org, c@example.org", subject
    mail["X-Key"] = "7"
    mail.set_content("plain ü\n")
    mail.add_alternative("<p>rich ü</p>\n", subtype="html")
    return mail


def test_a_mail_is_shown_as_it_was_sent(stack: StackInfo) -> None:
    send(stack, a_mail())
    (kept,) = messages(stack)
    assert set(kept) == {"id", "to", "from", "subject", "text", "html", "headers", "at"}
    assert kept["to"] == ["b@example.org", "c@example.org"]
    assert (kept["from"], kept["subject"]) == ("a@example.org", "Grüße")
    assert (kept["text"], kept["html"]) == ("plain ü\n", "<p>rich ü</p>\n")
    assert kept["headers"]["X-Key"] == "7"
    assert datetime.fromisoformat(kept["at"]).utcoffset() is not None


def test_mails_come_in_order_and_delete_empties_the_box(stack: StackInfo) -> None:
    for number in range(3):
        send(stack, a_mail(f"number {number}"))
    kept = messages(stack)
    assert [mail["subject"] for mail in kept] == ["number 0", "number 1", "number 2"]
    assert len({mail["id"] for mail in kept}) == 3
    request = urllib.request.Request(f"{stack.mailbox_url}/messages", method="DELETE")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 204
    assert messages(stack) == []


def test_what_is_no_mime_is_kept_too(stack: StackInfo) -> None:
    address = urlsplit(stack.smtp_url or "")
    with smtplib.SMTP(str(address.hostname), address.port or 0) as client:
        client.sendmail("a@x", ["b@x"], b"Content-Type: text/plain; charset=nonsense\r\n\r\nbytes \xff\r\n")
    assert messages(stack)[0]["text"].startswith("bytes")


ODD_MAILS = [
    (b"Message-ID: <[a]>\r\nSubject: odd\r\n\r\nhi\r\n", "odd", "hi\n"),
    (b"Message-ID: <>\r\nSubject: odd\r\n\r\nhi\r\n", "odd", "hi\n"),
    (b"Message-ID: <a@[\r\nSubject: odd\r\n\r\nhi\r\n", "odd", "hi\n"),
    (b'From: <\r\nTo: "a\r\nSubject: odd\r\n\r\nhi\r\n', "odd", "hi\n"),
    (b"Subject: =?utf-8?q?=C3=A4?=\r\n =?utf-8?q?b?=\r\n\r\n.a\r\n..b\r\n", "äb", ".a\n..b\n"),
    ("Subject: ä\r\n\r\n".encode() + b"y" * 5000 + b"\r\n", "ä", "y" * 5000 + "\n"),
    (b"Subject: odd\r\nContent-Type: text/plain; charset=klingon\r\n\r\na\r\nb\r\n", "odd", "a\nb\n"),
    (b"Subject: odd\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\nnothing\r\n", "odd", ""),
]


def test_a_mail_that_parsers_stumble_over_is_kept(stack: StackInfo) -> None:
    """IndexError and UnboundLocalError of Python's email.policy.default (bpo-38708 and its kin), and long lines."""
    address = urlsplit(stack.smtp_url or "")
    with smtplib.SMTP(str(address.hostname), address.port or 0) as client:
        for raw, _, _ in ODD_MAILS:
            client.sendmail("a@example.org", ["b@example.org"], raw)
    assert [(mail["subject"], mail["text"]) for mail in messages(stack)] == [each[1:] for each in ODD_MAILS]


def test_another_path_is_not_found(stack: StackInfo) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(f"{stack.mailbox_url}/", timeout=5)  # noqa: S310
    caught.value.close()


def set_mode(info: StackInfo, **mode: Any) -> None:
    body = json.dumps(mode).encode()
    request = urllib.request.Request(f"{info.mailbox_url}/mode", data=body, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 204


def attempts(info: StackInfo) -> list[tuple[list[str], str]]:
    with urllib.request.urlopen(f"{info.mailbox_url}/attempts", timeout=5) as answer:  # noqa: S310
        return [(attempt["to"], attempt["answer"]) for attempt in json.load(answer)]


def test_it_refuses_as_often_as_it_was_told(stack: StackInfo) -> None:
    set_mode(stack, mode="refuse", at="data", code=451, text="later", times=1)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(stack, a_mail())
    assert (refused.value.smtp_code, refused.value.smtp_error) == (451, b"later")
    assert messages(stack) == []
    send(stack, a_mail())
    everybody = ["b@example.org", "c@example.org"]
    assert attempts(stack) == [(everybody, "451 later"), (everybody, "250 kept")]


def test_it_refuses_one_recipient_and_takes_the_other(stack: StackInfo) -> None:
    set_mode(stack, mode="refuse", code=550, text="no such user", to="b@example.org")
    send(stack, a_mail())
    assert [mail["to"] for mail in messages(stack)] == [["c@example.org"]]
    assert attempts(stack) == [(["b@example.org"], "550 no such user"), (["c@example.org"], "250 kept")]
    set_mode(stack, mode="normal")
    send(stack, a_mail())
    assert messages(stack)[1]["to"] == ["b@example.org", "c@example.org"]


def test_it_keeps_a_mail_and_cuts_the_connection_before_it_says_so(stack: StackInfo) -> None:
    set_mode(stack, mode="drop")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(stack, a_mail())
    assert [mail["subject"] for mail in messages(stack)] == ["Grüße"]
    assert [answer for _, answer in attempts(stack)] == [""]


def test_it_hangs_until_it_is_told_otherwise(stack: StackInfo) -> None:
    set_mode(stack, mode="hang")
    address = urlsplit(stack.smtp_url or "")
    with (
        smtplib.SMTP(str(address.hostname), address.port or 0, timeout=0.3) as client,
        pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"),
    ):
        client.send_message(a_mail())
    set_mode(stack, mode="normal")
    send(stack, a_mail())
    assert len(messages(stack)) == 1


def test_a_mail_is_shown_as_it_came_over_the_wire(stack: StackInfo) -> None:
    send(stack, a_mail())
    (kept,) = messages(stack)
    with urllib.request.urlopen(f"{stack.mailbox_url}/messages/{kept['id']}", timeout=5) as answer:  # noqa: S310
        assert b"X-Key: 7\r\n" in answer.read()


@pytest.mark.parametrize("mode", [{"mode": "odd"}, {"mode": "refuse", "code": 250}, {"mood": "x"}])
def test_an_unknown_mode_is_refused(stack: StackInfo, mode: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        set_mode(stack, **mode)
    caught.value.close()


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_mailbox_is_for_who_knows_its_url(stack: StackInfo) -> None:
    send(stack, a_mail())
    url = stack.mailbox_url or ""
    base, _, token = url.rpartition("/")
    assert len(token) >= 20
    assert status_of(f"{url}/messages") == 200
    for path in ("messages", "messages/1", "attempts", f"{token[:-1]}/messages", f"x{token}/messages", "/messages", ""):
        assert status_of(f"{base}/{path}") == 404
    for method, path in (("DELETE", "messages"), ("PUT", "mode")):
        request = urllib.request.Request(f"{base}/{path}", data=b"{}", method=method)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(request, timeout=5)  # noqa: S310
        caught.value.close()
    assert len(messages(stack)) == 1


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", "[::1", ""])
def test_the_mailbox_answers_no_request_to_another_host(stack: StackInfo, host: str) -> None:
    assert status_of(f"{stack.mailbox_url}/messages", Host=host) == 403


def test_the_mailbox_is_named_in_no_command_line(stack: StackInfo) -> None:
    token = (stack.mailbox_url or "").rpartition("/")[2].encode()
    assert token not in Path(f"/proc/{stack.pids['smtp']}/cmdline").read_bytes()


SENDS = """\
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=10) as client:
    client.sendmail("a@x", ["b@x"], "Subject: from outside\\r\\n\\r\\nhello\\r\\n")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("user", [65534, 54321])
def test_mails_of_another_user_are_refused(stack: StackInfo, user: int) -> None:
    port = str(urlsplit(stack.smtp_url or "").port)
    # the system's own Python: another user may not reach ours
    words = ["/usr/bin/python3", "-I", "-c", SENDS, port]
    refused = subprocess.run(words, user=user, group=user, extra_groups=[], capture_output=True, text=True, check=False)
    assert '554, b"5.7.1 this mail server is another user\'s"' in refused.stderr
    assert messages(stack) == []
    subprocess.run(words, check=True)
    assert [mail["subject"] for mail in messages(stack)] == ["from outside"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_service_that_becomes_another_user_still_sends(tmp_path: Path) -> None:
    (tmp_path / "send.py").write_text(f"import os\nos.setuid(54321)\n{SENDS}")
    command = ("sh", "-c", 'exec /usr/bin/python3 -I send.py "${SMTP_URL##*:}"')
    target = small_target(tmp_path, needs=("smtp",), env={"SMTP_URL": "{smtp_url}"}, prepare=(command,))
    with launch(target) as started:
        assert [mail["subject"] for mail in messages(started.info)] == ["from outside"]
