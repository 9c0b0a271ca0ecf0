"""Pages as operations: what is linked, what a form sends, and which part of a path names a thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.probes.api.pages import operations_of, page_of, shows_again, template_of, tokens_in, told_by
from harness.probes.exchange import Exchange

FORM = """<a href="/notes/17">My first</a> <a href="https://other.example/">away</a>
<form method="post" action="/notes/17/edit"><input type="hidden" name="csrf" value="abc">
<input name="title" value="T" required><input type="checkbox" name="is_open" checked><textarea name="text">
words</textarea><select name="kind"><option>red<option value="b" selected>blue</select><input type="submit" name="go">
</form><script>var no = "text";</script>"""


def answered(
    body: str, kind: str = "text/html", status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Exchange:
    return Exchange(
        method="GET",
        url="http://127.0.0.1:1/notes",
        status=status,
        headers=(("Content-Type", kind), *headers),
        body=body.encode(),
        size=len(body),
        elapsed_s=0.1,
    )


def test_links_and_forms_are_operations():
    found = {operation.name: inputs for operation, inputs in operations_of(answered(FORM))}
    assert set(found) == {"GET /notes", "GET /notes/{notes_id}", "POST /notes/{notes_id}/edit"}
    body = found["POST /notes/{notes_id}/edit"].body
    assert body is not None
    assert set(body.members) == {"title", "is_open", "text", "kind"}
    assert body.members["kind"]["enum"] == ["red", "b"]


def test_what_stands_in_a_form_is_told_and_what_it_hides_is_not():
    page = page_of(answered(FORM))
    assert page is not None
    assert page.forms[0].values == {"title": "T", "is_open": True, "text": "words", "kind": "b"}
    assert page.forms[0].hidden == {"csrf": "abc"}
    told = told_by(answered(FORM))
    assert told["notes"] == [{"id": 17, "title": "My first"}]
    assert "My first" in told["texts"]
    assert not any("var no" in text for text in told["texts"])


def test_a_redirect_tells_the_thing_that_it_leads_to():
    assert told_by(answered("", "text/plain", status=303, headers=(("Location", "/notes/18"),))) == {
        "notes": [{"id": 18, "title": ""}]
    }


def test_json_is_told_as_it_is():
    assert told_by(answered('{"a": 1}', "application/json")) == {"a": 1}


def test_a_form_that_comes_again_was_not_taken():
    assert shows_again(answered(FORM), {"title": "", "text": "", "kind": "b"})
    assert not shows_again(answered(FORM), {"user": "x", "password": "y"})
    assert not shows_again(answered("{}", "application/json"), {"title": ""})


@pytest.mark.parametrize(
    ("hidden", "tokens"),
    [
        ({"csrfmiddlewaretoken": "x"}, {"csrfmiddlewaretoken"}),
        ({"_key": "EX5c-T0bU5n4Vw6cgoFRMuJf"}, {"_key"}),
        ({"list_id": "17", "next": "/home"}, set()),
    ],
)
def test_tokens_are_known_by_their_names_or_values(hidden, tokens):
    assert tokens_in(hidden) == tokens


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/tickets/5", "/tickets/{tickets_id}"),
        ("/a/5/b/9f1c2d3e-0000-4000-8000-0123456789ab", "/a/{a_id}/b/{b_id}"),
        ("/5", "/5"),
        ("/articles/opening-hours", "/articles/opening-hours"),
        ("/v2/list", "/v2/list"),
    ],
)
def test_numbers_and_keys_name_things(path, template):
    assert template_of(path)[0] == template


@given(some.text())
def test_no_page_is_too_broken_to_be_read(text):
    page = page_of(answered(text))
    assert page is not None
    assert told_by(answered(text)) is not None


@given(some.lists(some.text(alphabet="abc019-{}%", min_size=1), min_size=1))
def test_a_path_is_its_template_with_its_values(parts):
    path = "/" + "/".join(parts)
    template, named = template_of(path)
    for name, value in named.items():
        template = template.replace(f"{{{name}}}", str(value), 1)
    assert template.count("/") == path.count("/")
