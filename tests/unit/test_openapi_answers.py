"""Documents and answers side by side: what a contract says of an answer, in every dialect, and its near miss."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.exchange import UnfitAnswer, parse_json
from harness.probes.openapi import OpenApi, UnreadDocument, load_document
from harness.probes.openapi_operation import fits

URL = "http://127.0.0.1:8000"
USER = {
    "type": "object",
    "required": ["id", "password"],
    "properties": {"id": {"type": "integer", "readOnly": True}, "password": {"type": "string", "writeOnly": True}},
}
STRICT = {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False}
RECURSIVE = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer"}}}


def answering(schema: Any, version: str = "3.0.3", kind: str = "application/json", **schemas: Any) -> OpenApi:
    """A document with one GET that answers with that schema."""
    response = {"description": "ok", "content": {kind: {"schema": schema}}}
    return reading({"/x": {"get": {"responses": {"200": response}}}}, version, components={"schemas": schemas})


def reading(paths: dict[str, Any], version: str = "3.0.3", place: str = "/openapi.json", **more: Any) -> OpenApi:
    document = {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, **more}
    return load_document(json.dumps(document).encode(), URL, place)


def places(api: OpenApi, body: str, kind: str = "application/json", status: int = 200) -> list[str] | None:
    """Where the answer breaks the contract; None if it says nothing of such an answer."""
    (operation,) = api.operations
    found = api.mismatches(operation, status, kind, parse_json(body.encode(), "it"))
    return None if found is None else [each.at for each in found]


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.0", "3.1.1", "3.2.0"])
@pytest.mark.parametrize(
    ("schema", "good", "bad", "at"),
    [
        ({"type": "number", "multipleOf": 0.01}, "19.99", "19.995", "$"),
        ({"type": "number", "multipleOf": 0.1}, "0.3", "0.35", "$"),
        ({"type": "array", "items": {"multipleOf": 0.01}}, "[4.02, 1.1]", "[4.02, 4.025]", "$[1]"),
        ({"type": "number", "maximum": 5}, "5", "1e400", "$"),
        ({"type": "string", "pattern": r"^\p{L}+$"}, '"日本Ä"', '"日本1"', "$"),
        ({"type": "string", "pattern": r"^\P{Lu}+$"}, '"ärger"', '"Ärger"', "$"),
        ({"type": "string", "pattern": r"^\d+$"}, '"12"', '"\u0661\u0662"', "$"),
        ({"type": "string", "pattern": "^(?=a)(a+)+$"}, '"aaa"', '"' + "a" * 40 + '!"', "$"),
        ({"type": "string", "format": "date"}, '"2024-02-29"', '"2023-02-29"', "$"),
        ({"type": "integer", "format": "int64"}, "7", "7.5", "$"),
        ({"allOf": [USER, {"type": "object"}]}, '{"id": 7}', '{"id": "7"}', "$.id"),
        (USER, '{"id": 7}', '{"id": 7, "password": "x"}', "$.password"),
        (USER, '{"id": 7}', "{}", "$"),
        (STRICT, '{"id": 7}', '{"id": 7, "hash": "x"}', "$"),
        ({"$ref": "#/components/schemas/Node"}, '{"next": {"n": 1}}', '{"next": {"n": "1"}}', "$.next.n"),
        ({"properties": {"a b": {"type": "string"}}}, '{"a b": ""}', '{"a b": 1}', "$['a b']"),
    ],
)
def test_an_answer_and_its_near_miss(version: str, schema: Any, good: str, bad: str, at: str) -> None:
    api = answering(schema, version, Node=RECURSIVE)
    assert places(api, good) == []
    assert places(api, bad) == [at]


@pytest.mark.parametrize(
    ("version", "schema", "body", "at"),
    [
        ("3.0.3", {"type": "string", "nullable": True}, "null", []),
        ("3.0.3", {"type": "string"}, "null", ["$"]),
        ("3.0.3", {"type": "string", "enum": ["a"], "nullable": True}, "null", []),
        ("3.0.3", {"$ref": "#/components/schemas/Maybe"}, "null", []),
        ("3.1.0", {"type": "string", "nullable": True}, "null", ["$"]),
        ("3.1.0", {"type": ["string", "null"]}, "null", []),
        ("3.1.0", {"type": ["string", "null"]}, "1", ["$"]),
        ("3.0.3", {"type": "integer", "minimum": 0, "exclusiveMinimum": True}, "0", ["$"]),
        ("3.0.3", {"type": "integer", "minimum": 0, "exclusiveMinimum": True}, "1", []),
        ("3.1.0", {"type": "integer", "exclusiveMinimum": 0}, "0", ["$"]),
        ("3.1.0", {"const": None}, "null", []),
        ("3.1.0", {"enum": [None, 1]}, "null", []),
        ("3.1.0", {"$ref": "#/components/schemas/Maybe", "maxLength": 1}, '"ab"', ["$"]),
        ("3.0.3", {"$ref": "#/components/schemas/Maybe", "maxLength": 1}, '"ab"', []),
        ("3.0.3", {"type": "integer"}, "7.0", ["$"]),  # a number without a fraction: JSON Schema of its time
        ("3.1.0", {"type": "integer"}, "7.0", []),
        ("3.1.0", {"prefixItems": [{"type": "integer"}], "items": False}, "[1, 2]", ["$[1]"]),
        ("3.1.0", {"prefixItems": [{"type": "integer"}], "items": False}, "[1]", []),
        ("3.1.0", {"prefixItems": [{"$ref": "#/components/schemas/Maybe"}]}, "[1]", ["$[0]"]),
        ("3.1.0", {"type": "object", "unevaluatedProperties": False, "properties": {"a": {}}}, '{"b": 1}', ["$"]),
    ],
)
def test_the_words_of_each_dialect(version: str, schema: Any, body: str, at: list[str]) -> None:
    api = answering(schema, version, Maybe={"type": "string", "nullable": True})
    assert places(api, body) == at


@pytest.mark.parametrize(
    ("described", "sent", "judged"),
    [
        ("application/json", "application/json", True),
        ("application/json", "application/json; charset=utf-8", True),
        ("application/json; charset=utf-8", "application/json", True),
        ("Application/JSON", "application/json", True),
        ("application/*", "application/json", True),
        ("*/*", "application/problem+json", True),
        ("application/problem+json", "application/problem+json", True),
        ("application/problem+json", "application/json", False),
        ("application/json", "application/vnd.shop+json", False),
        ("text/*", "application/json", False),
    ],
)
def test_a_media_type_finds_its_schema(described: str, sent: str, *, judged: bool) -> None:
    api = answering({"required": ["total"]}, kind=described)
    assert places(api, "{}", sent) == (["$"] if judged else None)


@pytest.mark.parametrize("turned", [False, True])
def test_the_narrowest_range_counts(*, turned: bool) -> None:
    kinds = [("*/*", "any"), ("application/*", "some"), ("application/json", "own")]
    content = {kind: {"schema": {"required": [name]}} for kind, name in (kinds[::-1] if turned else kinds)}
    api = reading({"/x": {"get": {"responses": {"200": {"description": "", "content": content}}}}})
    (operation,) = api.operations
    for sent, name in (("application/json", "own"), ("application/xml+json", "some"), ("image/x+json", "any")):
        (found,) = api.mismatches(operation, 200, sent, {}) or ()
        assert found.says == f'"{name}" is a required property'


@pytest.mark.parametrize("schema", [{}, True, None])
def test_a_schema_that_takes_anything_checks_nothing(schema: Any) -> None:
    assert places(answering(schema, "3.1.0"), '{"a": 1}') is None


def test_a_status_its_range_and_default() -> None:
    def named(name: str) -> Any:
        return {"description": "", "content": {"application/json": {"schema": {"required": [name]}}}}

    responses = {"200": named("own"), "2XX": named("range"), "default": named("other")}
    api = reading({"/x": {"get": {"responses": responses}}})
    (operation,) = api.operations
    for status, name in ((200, "own"), (201, "range"), (404, "other")):
        (found,) = api.mismatches(operation, status, "application/json", {}) or ()
        assert name in found.says
    assert api.media_types(operation, 418) == ("application/json",)


def test_references_everywhere() -> None:
    components = {
        "parameters": {"Query": {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}},
        "responses": {"List": {"description": "", "content": {"application/json": {"schema": {"type": "array"}}}}},
        "requestBodies": {"New": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}}},
        "schemas": {"New": {"type": "object", "properties": {"a": {"type": "string"}}}},
    }
    item = {
        "get": {"responses": {"200": {"$ref": "#/components/responses/List"}}},
        "post": {"requestBody": {"$ref": "#/components/requestBodies/New"}, "responses": {}},
    }
    paths = {
        "/search": {"get": {"parameters": [{"$ref": "#/components/parameters/Query"}], "responses": {}}},
        "/shared": {"parameters": [{"$ref": "#/components/parameters/Query"}], "get": {"responses": {}}},
        "/a~b/{id}": {"get": {"responses": {"200": {"$ref": "#/components/x-items/List/get/responses/200"}}}},
        "/list": {"$ref": "#/components/x-items/List"},
    }
    api = reading(paths, components=components | {"x-items": {"List": item}})
    assert api.unread == {}
    assert [each.path for each in api.plain_gets()] == ["/list"]
    found = {each.name: each for each in api.operations}
    assert found["GET /search"].required == found["GET /shared"].required == ("q",)
    assert api.mismatches(found["GET /list"], 200, "application/json", {})
    assert api.mismatches(found["GET /a~b/{id}"], 200, "application/json", {})
    assert found["POST /list"].has_body
    assert (api.request_schema(found["POST /list"]) or {})["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("https://127.0.0.1:1/x.json#/a", "leads out of the document"),
        ("//127.0.0.1:1/x.json", "leads out of the document"),
        ("file:///etc/passwd", "leads out of the document"),
        ("/etc/passwd", "leads out of the document"),
        ("other.yaml", "leads out of the document"),
        ("#/components/schemas/Gone", "leads nowhere"),
    ],
)
def test_no_reference_is_followed_out_of_the_document(reference: str, says: str, monkeypatch: Any) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody wants to go out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("schemathesis.core.jsonschema.resolver.retrieve", refuse)
    api = answering({"type": "array", "items": {"$ref": reference}}, "3.1.0")
    with pytest.raises(UnreadDocument, match=says):
        places(api, "[1]")
    parameters = reading({"/x": {"get": {"parameters": [{"$ref": reference}], "responses": {}}}, "/y": {"get": {}}})
    assert [each.name for each in parameters.operations] == ["GET /y"]
    assert list(parameters.unread) == ["GET /x"]
    item = reading({"/x": {"$ref": reference}, "/y": {"get": {}}})
    assert [each.name for each in item.operations] == ["GET /y"]


@pytest.mark.parametrize(
    ("security", "of_all", "open_to_all"),
    [
        (None, None, True),
        (None, [{"bearer": []}], False),
        ([], [{"bearer": []}], True),
        ([{}], [{"bearer": []}], True),
        ([{"bearer": []}, {}], None, True),
        ([{"bearer": []}], None, False),
        ([{"nobody": []}], None, False),
    ],
)
def test_who_may_ask(security: Any, of_all: Any, *, open_to_all: bool) -> None:
    schemes = {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}}
    operation = {"responses": {}} | ({} if security is None else {"security": security})
    more = {} if of_all is None else {"security": of_all}
    api = reading({"/x": {"get": operation}}, components=schemes, **more)
    assert bool(api.plain_gets()) is open_to_all


@pytest.mark.parametrize(
    ("where", "name", "is_open"),
    [
        ("header", "Accept", True),
        ("header", "content-type", True),
        ("header", "Authorization", False),
        ("header", "X-Tenant", False),
        ("query", "accept", False),
        ("cookie", "sid", False),
    ],
)
def test_a_plain_get_has_no_parameter_that_must_be_given(where: str, name: str, *, is_open: bool) -> None:
    parameter = {"name": name, "in": where, "required": True, "schema": {"type": "string"}}
    api = reading({"/x": {"get": {"parameters": [parameter], "responses": {}}}})
    assert bool(api.plain_gets()) is is_open
    referred = {"parameters": [{"$ref": "#/components/parameters/one"}], "get": {"responses": {}}}
    shared = reading({"/x": referred}, components={"parameters": {"one": parameter}})
    assert bool(shared.plain_gets()) is is_open


@pytest.mark.parametrize(
    ("servers", "place", "path"),
    [
        ([{"url": "./"}], "/api/openapi.json", "/api/items"),
        ([{"url": "."}], "/api/openapi.json", "/api/items"),
        ([{"url": "v2"}], "/api/openapi.json", "/api/v2/items"),
        ([{"url": "../v2"}], "/api/docs/openapi.json", "/api/v2/items"),
        ([{"url": "/v2"}], "/api/openapi.json", "/v2/items"),
        ([{"url": ""}], "/api/openapi.json", "/items"),
        ([{"url": "{base}/v{n}", "variables": {"base": {"default": "/a"}, "n": {"default": "2"}}}], "/", "/a/v2/items"),
        ([{"url": "https://{host}/v1", "variables": {"host": {"default": "api.test"}}}], "/", "/v1/items"),
        ([{"url": "https://elsewhere.test/v1"}, {"url": URL + "/v3"}], "/", "/v3/items"),
    ],
)
def test_paths_lie_where_the_servers_say(servers: Any, place: str, path: str) -> None:
    api = reading({"/items": {"get": {"responses": {}}}}, place=place, servers=servers)
    assert [each.path for each in api.operations] == [path]
    nearer = reading({"/items": {"get": {"responses": {}, "servers": servers}}}, place=place, servers=[{"url": "/far"}])
    assert [each.path for each in nearer.operations] == [path]
    shared = reading({"/items": {"servers": servers, "get": {"responses": {}}}}, place=place, servers=[{"url": "/far"}])
    assert [each.path for each in shared.operations] == [path]


def test_swagger_2() -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "host": "api.test",
        "basePath": "/v2",
        "produces": ["application/json"],
        "definitions": {"Pet": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
        "parameters": {"Limit": {"name": "limit", "in": "query", "required": True, "type": "integer"}},
        "paths": {
            "/pets": {"get": {"responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}}}},
            "/some": {"get": {"parameters": [{"$ref": "#/parameters/Limit"}], "responses": {}}},
            "/new": {
                "post": {
                    "parameters": [{"in": "body", "name": "b", "schema": {"$ref": "#/definitions/Pet"}}],
                    "consumes": ["application/json"],
                    "responses": {},
                }
            },
        },
    }
    api = load_document(json.dumps(document).encode(), URL, "/swagger.json")
    assert [each.path for each in api.plain_gets()] == ["/v2/pets"]
    get = api.find("GET", "/v2/pets")
    post = api.find("POST", "/v2/new")
    assert get is not None
    assert post is not None
    assert api.media_types(get, 200) == ("application/json",)
    assert [each.at for each in api.mismatches(get, 200, "application/json", {"id": "1"}) or ()] == ["$.id"]
    assert api.mismatches(get, 200, "application/json", {"id": 1}) == ()
    assert post.has_body
    assert "id" in (api.request_schema(post) or {})["properties"]


def test_null_members_are_absent_and_told() -> None:
    get = {"parameters": None, "requestBody": None, "security": None, "servers": None, "tags": None}
    schema = {"type": "array", "items": {"enum": [None, "a"], "default": None, "format": None}}
    get["responses"] = {"default": {"headers": None, "content": {"application/json": {"schema": schema}}}}
    api = reading(
        {"/x": {"summary": None, "parameters": None, "post": None, "get": get}}, components=None, servers=None
    )
    assert api.unread == {}
    assert places(api, '[null, "a"]') == []
    assert places(api, '["b"]') == ["$[0]"]
    assert "/paths/~1x/summary" in api.document.tell_nulls()
    assert "/paths/~1x/get/responses/default/headers" in api.document.nulls
    assert not [each for each in api.document.nulls if "enum" in each or each.endswith("/default")]
    assert "\n" not in api.document.tell_nulls()


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", '{"a": [NaN]}'])
def test_what_no_json_is(constant: str) -> None:
    with pytest.raises(UnfitAnswer, match="is no JSON"):
        parse_json(constant.encode(), "it")


def test_half_of_a_surrogate_pair_is_a_mismatch() -> None:
    api = answering({"type": "string"})
    assert places(api, r'"\ud800"') == ["$"]
    assert places(api, r'"\ud83d\ude00"') == []


def test_a_member_that_is_not_described_is_named_and_its_value_is_not() -> None:
    api = answering(STRICT)
    (found,) = api.mismatches(api.operations[0], 200, "application/json", {"id": 1, "hash": "s3cret"}) or ()
    assert "'hash'" in found.says
    assert "s3cret" not in found.says


@pytest.mark.parametrize(
    ("path", "asked", "is_its"),
    [
        ("/files/{name}.json", "/files/a.json", True),
        ("/files/{name}.json", "/files/a.xml", False),
        ("/{a}-{b}", "/x-y", True),
        ("/a.b/{id}", "/aXb/1", False),
        ("/é/{id}", "/é/1", True),
    ],
)
def test_a_path_with_parameters_inside_of_segments(path: str, asked: str, *, is_its: bool) -> None:
    assert (reading({path: {"get": {"responses": {}}}}).find("GET", asked) is not None) is is_its


@given(st.lists(st.sampled_from(["a", "b", "{x}"]), max_size=8).map("".join), st.text("ab", max_size=8))
def test_a_segment_fits_a_template_as_it_would_a_pattern(template: str, segment: str) -> None:
    pattern = "[^/]+".join(re.escape(text) for text in re.split(r"\{[^/{}]*\}", template))
    assert fits(f"/{template}/z", f"/{segment}/z".split("/")) is (re.fullmatch(pattern, segment) is not None)


@pytest.mark.timeout(20)
def test_a_template_of_names_alone_takes_no_time() -> None:
    assert not fits("/" + "{a}" * 200 + "x", ["", "a" * 2000])


def test_one_operation_that_cannot_be_read_spoils_no_other() -> None:
    api = reading({"/bad": {"get": {"parameters": 5}}, "/good": {"get": {"responses": {}}}})
    assert [each.name for each in api.operations] == ["GET /good"]
    assert list(api.unread) == ["GET /bad"]
