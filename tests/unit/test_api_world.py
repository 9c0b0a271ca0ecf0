"""What is learned of answers, values made for schemas, and judgements of the API probes that need no service."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.api.accounts import let_in
from harness.probes.api.exposure import _what
from harness.probes.api.facts import Facts, singular
from harness.probes.api.graphql import _Schema, _value
from harness.probes.api.growth import slower_of
from harness.probes.api.inputs import Inputs, Sampler, leaves, replaced
from harness.probes.api.reach import _leads_to
from harness.probes.api.world import Described
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import Operation


def nothing(_name: str) -> None:
    return None


def answer(body: bytes, *headers: tuple[str, str], status: int = 200) -> Exchange:
    return Exchange(
        method="POST",
        url="http://127.0.0.1/login",
        status=status,
        headers=headers,
        body=body,
        size=len(body),
        elapsed_s=0.0,
    )


@pytest.mark.parametrize(
    ("path", "words", "is_theirs"),
    [("/", "root", False), ("/", "read_root", False), ("/root", "", True), ("/jobs", "list_jobs_admin", True)],
)
def test_the_front_page_is_called_root_and_is_for_all(path, words, is_theirs):
    operation = Operation(
        method="GET",
        path=path,
        written=path,
        operation_id=words,
        required=(),
        needs_login=False,
        has_body=False,
        statuses=(),
    )
    inputs = Inputs(parameters=(), bodies=(), words=words)
    assert Described(operation=operation, inputs=inputs).is_for_admins is is_theirs


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("order_id", "/orders/{order_id}", 7),
        ("id", "/orders/{id}", 7),
        ("orderId", "/invoices", 7),
        ("slug", "/products/{slug}", "mug"),
        ("username", "/users/{username}", "anna"),
        ("product", "/products/{product}", "mug"),
    ],
)
def test_a_value_of_an_answer_fills_the_name_it_fits(name, path, value):
    facts = Facts()
    facts.learn("one", "GET /orders", "/orders", [{"id": 7}])
    facts.learn("one", "GET /products", "/products", [{"slug": "mug"}])
    facts.learn("one", "GET /me", "/users/me", {"username": "anna"})
    assert next(facts.candidates(name, path, "one")).value == value
    assert next(facts.candidates(name, path, "another"), None) is None


def test_a_part_of_a_listing_is_what_its_path_is_about():
    facts = Facts()
    facts.learn("one", "POST /deals", "/deals", {"id": 9}, is_new=True)
    facts.learn("another", "GET /deals", "/deals", {"items": [{"id": 9, "shop": {"id": 3}}]})
    made = next(facts.candidates("deal_id", "/deals/{deal_id}", "one"))
    assert facts.has_seen("another", made)
    assert next(facts.candidates("shop_id", "/shops/{shop_id}", "another")).value == 3


def test_what_an_account_made_itself_comes_first():
    facts = Facts()
    facts.learn("one", "POST /deals", "/deals", {"id": 9}, is_new=True)
    facts.learn("one", "POST /deals/{deal_id}/comments", "/deals/{deal_id}/comments", {"deal_id": 3}, is_new=True)
    facts.learn("one", "GET /deals", "/deals", [{"id": 5}, {"id": 4}])
    found = [each.value for each in facts.made_first("deal_id", "/deals/{deal_id}", "one")]
    assert found == [9, 3, 4, 5]
    assert next(facts.candidates("deal_id", "/deals/{deal_id}", "one")).value == 3


def test_only_texts_that_nobody_else_saw_are_ones_own():
    facts = Facts()
    facts.learn("one", "GET /notes", "/notes", [{"text": "mine-alone"}, {"text": "for-everybody"}, {"text": "tiny"}])
    facts.learn("another", "GET /notes", "/notes", [{"text": "for-everybody"}])
    assert facts.only_of("one", ["another"]) == {"mine-alone"}


@pytest.mark.parametrize(
    ("word", "one"),
    [("orders", "order"), ("categories", "category"), ("boxes", "box"), ("address", "address"), ("Users", "user")],
)
def test_plurals_are_known(word, one):
    assert singular(word) == one


def test_a_sample_fits_nested_schemas():
    schema = {
        "$ref": "#/x-bundled/a",
        "x-bundled": {
            "a": {
                "type": "object",
                "required": ["n"],
                "properties": {
                    "n": {"type": "integer", "minimum": 3},
                    "made": {"type": "string", "readOnly": True},
                    "kind": {"enum": ["x", "y"]},
                    "deep": {"allOf": [{"$ref": "#/x-bundled/b"}]},
                    "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                },
            },
            "b": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "number"}}}},
        },
    }
    assert Sampler(nothing).of(schema) == {"n": 3, "kind": "x", "deep": {"list": [1]}, "maybe": False}
    assert Sampler(nothing, all_members=False).of(schema) == {"n": 3}


def test_a_schema_that_is_its_own_part_ends():
    circle = {"type": "object", "properties": {"next": {"$ref": "#/x-bundled/c"}}}
    assert Sampler(nothing).of({"$ref": "#/x-bundled/c", "x-bundled": {"c": circle}}) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(JSON, st.integers())
def test_each_value_of_nested_json_can_be_replaced(body, new):
    for way, _ in leaves(body):
        assert dict(leaves(replaced(body, way, new)))[way] == new


def test_only_a_clear_difference_of_times_counts():
    draw = random.Random(7)  # noqa: S311 - a sample
    quick = [draw.gauss(5, 1) for _ in range(16)]
    slow = [draw.gauss(60, 8) for _ in range(16)]
    near = [draw.gauss(7, 1) for _ in range(16)]
    assert [slower_of(slow, quick), slower_of(quick, slow), slower_of(quick, near), slower_of(quick, quick)] == [
        1,
        -1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://x.example.net/", True),
        ("//x.example.net", True),
        ("/\\x.example.net/", True),
        ("https://shop.test@x.example.net/", True),
        ("/x.example.net", False),
        ("https://shop.test/?to=https://x.example.net/", False),
        ("/login?next=//x.example.net", False),
    ],
)
def test_where_a_browser_ends_is_told_from_what_a_location_holds(location, leads):
    assert _leads_to(location, "x.example.net") is leads


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("password", "hunter22", True),
        ("digest", "$2b$12$" + "a" * 53, True),
        ("resettoken", "4711ab", True),
        ("password", "********", False),
        ("passwordchangedat", "2031-01-01", False),
        ("passwordpolicy", "long", False),
        ("nextpagetoken", "abc", False),
        ("csrftoken", "abcdef", False),
        ("title", "password", False),
    ],
)
def test_a_secret_is_known_by_name_or_form(name, value, secret):
    assert bool(_what(name, value, {})) is secret


def test_a_login_gives_a_token_wherever_it_stands_or_cookies():
    assert let_in(answer(b'{"data": {"auth_token": "abcdefghij"}}'), "access_token")[0] == {
        "Authorization": "Bearer abcdefghij"
    }
    headers, cookies = let_in(answer(b"{}", ("Set-Cookie", "sid=1; Path=/"), ("Set-Cookie", "csrftoken=2")), "token")
    assert cookies == {"sid": "1", "csrftoken": "2"}
    assert headers == {"X-CSRFToken": "2"}
    assert let_in(answer(b'{"token": "abcdefghij"}', status=401), "token") == ({}, {})


def test_an_input_of_a_mutation_gets_texts_that_are_known_again_and_values_of_its_types():
    members = (("text", "String", True), ("shared", "Boolean", False), ("stars", "Int", False))
    schema = _Schema("Query", "Mutation", {}, {"NewNote": members})
    first, second = _value(schema, "NewNote"), _value(schema, "NewNote")
    assert re.fullmatch(r'\{text:"hx\w{8,}",shared:false,stars:1\}', first)
    assert first != second
