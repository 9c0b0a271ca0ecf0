"""What a page asks for, and what becomes part of it."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.injected import injection, is_injected
from harness.probes.page_parts import read_parts

MARK = "hz12ab34cd"
WORD = injection(MARK)
ESCAPED = html.escape(WORD)
IN_SCRIPT = html.escape(json.dumps(WORD)[1:-1].replace("'", "\\'"))
"""Escaped for a script first, and then for the attribute that holds it."""
INERT = (
    f"<p>{ESCAPED}</p>",
    f'<input value="{ESCAPED}">',
    f"<textarea>{ESCAPED}</textarea><title>{ESCAPED}</title>",
    f'<a href="/?q={html.escape(WORD)}">next</a>',
    "<script>var q = " + json.dumps(WORD).replace("</", "<\\/") + "</script>",
    f"<!-- {ESCAPED} -->",
    "<p>nothing</p>",
    f'<button title="{ESCAPED}" onclick="say(\'{IN_SCRIPT}\')">',
    f'<a href="/go?to=javascript:{MARK}">on</a><p>javascript:{MARK}</p>',
)
RUN = (
    f"<p>{WORD}</p>",
    f'<input value="{WORD}">',
    f'<input value="{html.escape(WORD, quote=False)}">',
    f"<input value='{html.escape(WORD, quote=False)}'>",
    f"<textarea>{WORD}</textarea>",
    f"<script>var q = {json.dumps(WORD)}</script>",
    f"<script>var q = '{WORD}'</script>",
    f"<!-- {WORD} -->",
    f"<title>{WORD}</title>",
    f"<button onclick=\"say('{ESCAPED}')\">",
    f'<a href=" JavaScript:{MARK}">on</a>',
    f'<form action="javascript:{MARK}">',
)


@pytest.mark.parametrize("page", INERT)
def test_what_is_escaped_for_its_place_is_text(page: str) -> None:
    assert is_injected(page, MARK) == ""


@pytest.mark.parametrize("page", RUN)
def test_what_is_not_becomes_part_of_the_page(page: str) -> None:
    assert is_injected(page, MARK) != ""


@given(st.text())
def test_a_word_that_is_escaped_is_never_taken_for_markup(around: str) -> None:
    assert is_injected(f"<p>{html.escape(around)}{ESCAPED}{html.escape(around)}</p>", MARK) == ""


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read_parts(text).links is not None
    assert is_injected(text, MARK) == ""


def test_forms_links_and_resources_are_read() -> None:
    parts = read_parts(
        '<meta http-equiv="refresh" content="0; url=/x"><title> A  b </title><script src="//cdn/x.js"></script>'
        '<link rel="stylesheet" href="/s.css" integrity="sha384-x"><a href="/a?q=1">a</a><img src="/f/i.png">'
        '<form><input name="q"></form><form action="/in" method=POST><input type=Password name="p"><input name="p">'
    )
    assert (parts.title, parts.refresh, parts.links, parts.scripts) == (
        "A b",
        "/x",
        ["/a?q=1"],
        [{"src": "//cdn/x.js"}],
    )
    assert [(one.url, one.integrity) for one in parts.resources] == [("//cdn/x.js", ""), ("/s.css", "sha384-x")]
    assert parts.files == ["//cdn/x.js", "/s.css", "/f/i.png"]
    plain, login = parts.forms
    assert (plain.method, plain.names, plain.has_password, plain.says_method) == ("get", ("q",), False, False)
    assert (login.action, login.method, login.names, login.has_password) == ("/in", "post", ("p",), True)


def test_a_login_form_is_told_from_one_that_registers() -> None:
    login = (
        '<form method=post><input type=hidden name=csrf value=t0><input id="who"><input type=password name="pw"></form>'
    )
    register = "<form><input name=who><input type=password name=a><input type=password name=b></form>"
    found = read_parts(register + login).login
    assert found is not None
    assert (found.method, found.action, found.hidden) == ("post", None, {"csrf": "t0"})
    assert (found.username.selector, found.password.selector) == ("#who", 'input[name="pw"]')
    assert read_parts(register).login is None
    alone = read_parts("<form><input type=password name=only>").login
    assert (alone.username, alone.password.name) == (None, "only")


def test_a_broken_page_gives_what_stands_before_the_break() -> None:
    found = read_parts('<form action=/in><a href="/one">x</a><![if what]><![bogus x]> <a href="/two')
    assert (found.links, [form.action for form in found.forms]) == (["/one"], ["/in"])


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("0; url=/x", "/x"),
        ("0;URL = '/x'", "/x"),
        ("3,/x", "/x"),
        ("0 url=/x", "/x"),
        ("; /x", "/x"),
        ("5", ""),
        ("", ""),
    ],
)
def test_where_a_refresh_leads(content: str, place: str) -> None:
    assert read_parts(f'<meta http-equiv=Refresh content="{content}">').refresh == place
