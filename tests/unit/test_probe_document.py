"""What an answer is to a browser, and what the head of a document says."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.document import AnswerKind, charset_of, is_page, kind_of, policy_of, why_not_due
from harness.probes.exchange import Exchange
from harness.probes.page_parts import read_parts

HTML = "text/html; charset=utf-8"


def answer(kind: str | None = HTML, body: bytes = b"x", status: int = 200, **headers: str) -> Exchange:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Exchange(
        method="GET",
        url="http://127.0.0.1/page?q=1",
        status=status,
        headers=tuple(lines if kind is None else [("Content-Type", kind), *lines]),
        body=body,
        size=len(body),
        elapsed_s=0.0,
    )


@pytest.mark.parametrize(
    ("given_answer", "kind"),
    [
        (answer(), "document"),
        (answer("application/xhtml+xml"), "document"),
        (answer("TEXT/HTML"), "document"),
        (answer(None, b" <!DOCTYPE html><p>"), "document"),
        (answer(None, b"<html><p>"), "document"),
        (answer(None, b"<!DOCTYPE html>", X_Content_Type_Options="nosniff"), "file"),
        (answer(None, b"plain"), "file"),
        (answer("nonsense", b"<html >"), "document"),
        (answer("text/html;charset"), "document"),
        (answer("text/html; charset="), "document"),
        (answer("*/*", b"<html>"), "document"),
        # what is said last holds
        (answer("text/html, text/plain"), "data"),
        (answer("application/json", content_type="text/html"), "document"),
        (answer("text/html", content_type="nonsense"), "document"),
        (answer("text/html", content_type="*/*"), "document"),
        (answer("application/json"), "data"),
        (answer("application/problem+json"), "data"),
        (answer("text/plain"), "data"),
        (answer("image/svg+xml"), "data"),
        (answer("text/event-stream"), "data"),
        (answer("image/png"), "file"),
        (answer("text/css"), "file"),
        (answer(body=b""), "empty"),
        (answer(status=302), "redirect"),
        (answer(status=304, body=b""), "redirect"),
        (answer(status=404), "error"),
        (answer(status=500, body=b""), "error"),
    ],
)
def test_kinds_of_answers(given_answer: Exchange, kind: str) -> None:
    assert kind_of(given_answer) == kind


def test_a_body_that_begins_with_our_words_can_begin_as_a_page() -> None:
    echoed = answer(None, b' kettle"><i>')
    assert is_page(echoed, "kettle")
    assert not is_page(echoed, "lamp")
    assert not is_page(answer(None, b'{"q": "kettle"}'), "kettle")
    assert not is_page(answer("text/plain", b"kettle"), "kettle")
    assert is_page(answer(status=404))


def test_a_charset_holds_for_the_same_type_said_again() -> None:
    assert charset_of(answer("text/html; charset=utf-8", content_type="text/html")) == "utf-8"
    assert charset_of(answer("text/plain; charset=utf-8", content_type="text/html")) == ""
    assert charset_of(answer("text/html; charset=big5", content_type="text/html; charset=utf-8")) == "utf-8"


def test_why_nothing_is_due() -> None:
    assert why_not_due(answer(), "document") is None
    told = why_not_due(answer("application/json"), "document")
    assert told == "not applicable: answered 200 as application/json, which is no document"
    assert "without a body" in str(why_not_due(answer(body=b""), "document", "data"))


@pytest.mark.parametrize(
    ("kind", "body", "charset"),
    [
        (HTML, b"", "utf-8"),
        ('text/html; charset="UTF-8"', b"", "utf-8"),
        ("text/html", b"<meta charset=utf-8>", "utf-8"),
        ("text/html", b'<meta http-equiv=Content-Type content="text/html; charset=UTF-8">', "utf-8"),
        ("text/html", b"\xef\xbb\xbf<p>", "utf-8"),
        ("text/html; charset=latin1", b"<meta charset=utf-8>", "latin1"),  # the header comes first
        ("text/html", b"<p>" + b"<meta charset=utf-8>", ""),
        ("text/html", b" " * 1024 + b"<meta charset=utf-8>", ""),
        ("text/html", b"", ""),
    ],
)
def test_where_a_charset_may_stand(kind: str, body: bytes, charset: str) -> None:
    assert charset_of(answer(kind, body)) == charset


@pytest.mark.parametrize(
    ("text", "policies"),
    [
        ('<meta http-equiv="Content-Security-Policy" content="a">', ["a"]),
        ("<html><head><title>T</title><script>1</script><META HTTP-EQUIV=content-security-policy CONTENT=a>", ["a"]),
        ('<meta http-equiv=" Content-Security-Policy" content="a">', []),
        ("<body><meta http-equiv=Content-Security-Policy content=a>", []),
        ("<p>x</p><meta http-equiv=Content-Security-Policy content=a>", []),
        ("<head></head><meta http-equiv=Content-Security-Policy content=a>", []),
        ("<title>T</title>text<meta http-equiv=Content-Security-Policy content=a>", []),
        ("text<meta http-equiv=Content-Security-Policy content=a>", []),
        ("<noscript><meta http-equiv=Content-Security-Policy content=a></noscript>", []),
        ("<template><meta http-equiv=Content-Security-Policy content=a></template>", []),
        ("<!-- <meta http-equiv=Content-Security-Policy content=a> -->", []),
        ("<script>'<meta http-equiv=Content-Security-Policy content=a>'</script>", []),
        ("<meta http-equiv=Content-Security-Policy content=a content=b>", ["a"]),
        ("<meta http-equiv=Content-Security-Policy-Report-Only content=a>", []),
    ],
)
def test_policies_of_the_head(text: str, policies: list[str]) -> None:
    assert read_parts(text).policies == policies


def test_scripts_and_referrers() -> None:
    head = read_parts('<meta name=Referrer content=origin><script src=/a.js></script><p><script src="/b.js"></script>')
    assert head.referrers == ["origin"]
    assert [script["src"] for script in head.scripts] == ["/a.js", "/b.js"]


def test_header_and_meta_are_both_in_force() -> None:
    meta = b"<meta http-equiv=Content-Security-Policy content=\"script-src 'self'\">"
    both = policy_of(answer(body=meta, Content_Security_Policy="script-src 'unsafe-inline'"))
    assert len(both.policies) == 2
    assert not both.has_unsafe_inline()
    assert policy_of(answer("application/json", meta)).policies == ()


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_text_whatsoever_breaks_a_reader(body: str, kind: str) -> None:
    page = answer(kind, body.encode("utf-8", "surrogatepass"))
    assert kind_of(page) in get_args(AnswerKind)
    charset_of(page)
    policy_of(page)
    read_parts(body)
    why_not_due(page, "document")
