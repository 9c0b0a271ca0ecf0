"""Drafts of profiles: what is read out of headers, pages and descriptions, and that any text of a stranger is written
so that the profile loader reads the same."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.probes.exchange import Exchange
from harness.probes.openapi import load_document
from harness.profile_draft.limits import announced_limit
from harness.profile_draft.logins import login_shape
from harness.profile_draft.parts import DraftKey, DraftTable, comment
from harness.profile_draft.reader import DraftReader, service_address


def answer(**headers: str) -> Exchange:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Exchange(method="GET", url="http://x/", status=200, headers=lines, body=b"", size=0, elapsed_s=0.0)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"RateLimit_Policy": '"default";q=300;w=60', "RateLimit": '"default";r=299;t=58'}, (300, 60, 299, 58)),
        ({"RateLimit_Policy": "100;w=10", "RateLimit": "limit=100, remaining=7, reset=3"}, (100, 10, 7, 3)),
        ({"RateLimit_Limit": "50", "RateLimit_Remaining": "49", "RateLimit_Reset": "55"}, (50, 60, 49, 55)),
        ({"X_RateLimit_Limit": "5000", "X_RateLimit_Remaining": "12"}, (5000, None, 12, None)),
        ({"X_Rate_Limit_Limit": "30", "X_Rate_Limit_Reset": "3"}, (30, 10, None, 3)),
        ({"X_RateLimit_Limit": "30", "X_RateLimit_Reset": "1000000001"}, (30, 1, None, 0)),
    ],
)
def test_a_limit_is_read_in_each_way_that_it_is_announced(headers, told):
    found = announced_limit(answer(**headers))
    assert found is not None
    assert (found.limit, found.likely_window_s, found.remaining, found.reset_s) == told


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_RateLimit_Limit": "0"},
        {"X_RateLimit_Limit": "none"},
        {"RateLimit_Policy": '"default";w=60'},
        {"X_RateLimit_Limit": "٣٠٠"},
        {"X_Limit": "300"},
    ],
)
def test_no_limit_is_made_up(headers):
    assert announced_limit(answer(**headers)) is None


def api(path: str, members: dict, *, answered: dict | None = None, required: list | None = None) -> dict:
    schema = {"type": "object", "properties": members, "required": required or []}
    body = {"content": {"application/json": {"schema": schema}}}
    answers = {"200": {"description": "x", "content": {"application/json": {"schema": answered or {}}}}}
    return {path: {"post": {"requestBody": body, "responses": answers}}}


def described(*operations: dict) -> bytes:
    paths = {path: item for operation in operations for path, item in operation.items()}
    return json.dumps({"openapi": "3.1.0", "paths": paths}).encode()


TEXT = {"type": "string"}


def test_the_login_is_the_operation_that_logs_in_and_none_of_those_that_resemble_it():
    document = described(
        api("/register", {"email": TEXT, "password": TEXT}),
        api("/reset-password", {"email": TEXT, "password": TEXT}),
        api("/auth/register", {"email": TEXT, "password": TEXT}),
        api("/auth/change", {"account": TEXT, "password": TEXT}),
        api("/users", {"email": TEXT, "password": TEXT}),
        api("/search", {"email": TEXT}),
        api(
            "/session",
            {"userName": TEXT, "passwd": TEXT, "realm": TEXT},
            answered={"properties": {"data": {"properties": {"token": TEXT}}}},
            required=["userName", "realm"],
        ),
    )
    found = login_shape(load_document(document))
    assert found is not None
    assert (found.path, found.username, found.password) == ("/session", "userName", "passwd")
    assert (found.token, found.also) == ("data.token", ("realm",))


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/nowhere"}, {"$ref": "#/paths/~1login/post/requestBody/content/application~1json/schema"}, []]
)
def test_a_description_that_leads_nowhere_shows_no_login(schema):
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}, "responses": {}}
    assert login_shape(load_document(described({"/login": {"post": operation}}))) is None


@given(text=st.text(), name=st.text(min_size=1), number=st.floats(1, 1e9) | st.integers(1, 10**9))
def test_whatever_a_stranger_says_is_toml_afterwards(text, name, number):
    keys = (
        DraftKey(name=name, value=text, why=text),
        DraftKey(name="list", value=(text, name), why=text),
        DraftKey(name="table", value={name: text}, why=text),
        DraftKey(name="number", value=number, why="x"),
    )
    part = DraftTable(table="t", keys=keys if name not in ("list", "table", "number") else keys[1:], notes=(text,))
    read = tomllib.loads(f"{comment(text)}\n{part.toml}\n")["t"]
    assert read["number"] == number
    assert isinstance(read["number"], int) == float(number).is_integer()
    if text.isprintable() and name.isprintable():
        assert read["list"] == [text, name]
        assert read["table"] == {name: text}


@pytest.mark.parametrize(
    ("reference", "at", "path"),
    [
        ("/a", "/", "/a"),
        ("b", "/dir/page", "/dir/b"),
        ("/a?x=1#y", "/", "/a?x=1"),
        ("http://service.test/app/c", "/", None),
        ("http://service.test:8000/app/c", "/", "/c"),
        ("//elsewhere.test/", "/", None),
        ("mailto:a@b.test", "/", None),
        ("http://[", "/", None),
        ("/a\u0000b", "/", None),
    ],
)
def test_only_a_path_below_the_address_is_followed(reference, at, path):
    below = "http://service.test:8000/app" if "app" in reference else "http://service.test:8000"
    with DraftReader(below) as reader:
        assert reader.local_path(reference, at) == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "service.test",
        "ftp://service.test",
        "http://",
        "http://[",
        "http://a b",
        "http://x:99999",
        "http://xn--/",
        "http://me:secret@service.test",
        "http://service.test?x",
        "http://service.test/\x00",
    ],
)
def test_what_is_no_address_is_said_to_be_none_without_an_option_that_nobody_gave(url):
    with pytest.raises(UsageError) as refused:
        service_address(url)
    assert "--url" not in refused.value.message
    assert "secret" not in refused.value.message
