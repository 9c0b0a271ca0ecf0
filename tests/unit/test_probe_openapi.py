"""OpenAPI documents: what they describe, and answers that keep or break the description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.probes.openapi import MAX_BYTES, OpenApi, OpenApiError, load_document

DEAL = {
    "type": "object",
    "required": ["id", "title"],
    "properties": {"id": {"type": "integer"}, "title": {"type": "string"}, "note": {"type": ["string", "null"]}},
    "additionalProperties": False,
}


def document(version: str = "3.1.0", **more: Any) -> OpenApi:
    return load_document(json.dumps({"openapi": version, "info": {}, "paths": paths(), **more}).encode())


def paths() -> dict[str, Any]:
    ok = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Deal"}}}}
    return {
        "/deals": {
            "get": {"responses": {"200": ok, "4XX": {"$ref": "#/components/responses/Problem"}}},
            "post": {
                "requestBody": {"content": {"application/json": {}}},
                "security": [{"bearer": []}],
                "responses": {"default": {"description": ""}},
            },
        },
        "/deals/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {"operationId": "read", "responses": {"200": ok}},
        },
        "/deals/top": {"get": {"responses": {}}},
        "/search": {"get": {"parameters": [{"name": "q", "in": "query", "required": True}], "responses": {}}},
        "/me": {"get": {"security": [{"bearer": []}], "responses": {}}},
        "/maybe": {"get": {"security": [{"bearer": []}, {}], "responses": {}}},
    }


COMPONENTS = {
    "schemas": {"Deal": DEAL, "Loop": {"$ref": "#/components/schemas/Loop"}},
    "parameters": {"Id": {"name": "id", "in": "path", "required": True}},
    "responses": {"Problem": {"content": {"application/problem+json": {"schema": {"required": ["status"]}}}}},
}


@pytest.fixture
def api() -> OpenApi:
    return document(components=COMPONENTS)


def test_operations_and_what_they_need(api: OpenApi) -> None:
    found = {each.name: each for each in api.operations}
    assert set(found) == {
        "GET /deals", "POST /deals", "GET /deals/{id}", "GET /deals/top", "GET /search", "GET /me", "GET /maybe",
    }  # fmt: skip
    assert found["GET /deals/{id}"].required == ("id",)
    assert found["GET /deals/{id}"].operation_id == "read"
    assert found["POST /deals"].needs_login
    assert found["POST /deals"].has_body
    assert not found["POST /deals"].is_safe
    assert found["GET /deals"].statuses == ("200", "4XX")


def test_plain_gets_need_neither_parameter_nor_login(api: OpenApi) -> None:
    assert [each.path for each in api.plain_gets()] == ["/deals", "/deals/top", "/maybe"]


def test_a_login_demanded_of_all_is_demanded_of_each() -> None:
    api = document(components=COMPONENTS, security=[{"bearer": []}])
    assert [each.path for each in api.plain_gets()] == ["/maybe"]


def test_the_concrete_path_wins_over_the_template(api: OpenApi) -> None:
    assert api.find("get", "/deals/top?x=1") == next(each for each in api.operations if each.path == "/deals/top")
    assert api.find("GET", "/deals/7").path == "/deals/{id}"  # type: ignore[union-attr]
    assert api.find("GET", "/deals/7/x") is None
    assert api.find("PUT", "/deals") is None


def test_media_types_of_a_status_its_class_and_default(api: OpenApi) -> None:
    get, post = api.find("GET", "/deals"), api.find("POST", "/deals")
    assert get is not None
    assert post is not None
    assert api.media_types(get, 200) == ("application/json",)
    assert api.media_types(get, 404) == ("application/problem+json",)
    assert api.media_types(get, 500) is None
    assert api.media_types(post, 500) == ()


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"id": 1, "title": "x", "note": None}, []),
        ({"id": "1", "title": "x"}, ["$.id"]),
        ({"id": 1}, ["$"]),
        ({"id": 1, "title": "x", "password_hash": "leak"}, ["$"]),
        ([], ["$"]),
    ],
)
def test_an_answer_against_its_schema(api: OpenApi, body: object, at: list[str]) -> None:
    operation = api.find("GET", "/deals/1")
    assert operation is not None
    found = api.mismatches(operation, 200, "application/json", body)
    assert found is not None
    assert [each.at for each in found] == at


def test_what_is_not_described_is_not_judged(api: OpenApi) -> None:
    operation = api.find("GET", "/deals")
    assert operation is not None
    assert api.mismatches(operation, 500, "application/json", {}) is None
    assert api.mismatches(operation, 200, "text/html", {}) is None


def test_a_described_error_is_judged_too(api: OpenApi) -> None:
    operation = api.find("GET", "/deals")
    assert operation is not None
    assert [each.says for each in api.mismatches(operation, 404, "application/problem+json", {}) or ()] == [
        '"status" is a required property'
    ]


def schema_of(schema: dict[str, Any], version: str, **schemas: Any) -> Any:
    api = load_document(
        json.dumps(
            {
                "openapi": version,
                "components": {"schemas": schemas},
                "paths": {"/x": {"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}}},
            }
        ).encode()
    )
    operation = api.operations[0]
    return lambda body: api.mismatches(operation, 200, "application/json", body)


def test_the_words_of_3_0() -> None:
    check = schema_of({"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True}, "3.0.3")
    assert check(None) == ()
    assert check(1) == ()
    assert len(check(0)) == 1
    strict = schema_of({"type": "string", "nullable": True}, "3.1.0")
    assert len(strict(None)) == 1  # 3.1 dropped the word


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "#/components/schemas/Loop"}, "itself without end"),
        ({"$ref": "#/components/schemas/Gone"}, "leads nowhere"),
        ({"$ref": "https://example.org/schema.json"}, "leads out of the document"),
        ({"type": "object", "required": 5}, "cannot be used"),
    ],
)
def test_a_schema_that_cannot_be_used_is_no_verdict(schema: dict[str, Any], says: str) -> None:
    check = schema_of(schema, "3.1.0", Loop={"$ref": "#/components/schemas/Loop"})
    with pytest.raises(OpenApiError, match=says):
        check({"a": 1})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "found no object"),
        (b'{"swagger": "1.2"}', "found swagger = '1.2'"),
        (b'{"info": {}}', "found openapi = None"),
        (b'{"openapi": "4.0.0"}', r"found openapi = '4\.0\.0'"),
        (b'{"openapi": "3.1.0", "paths": []}', "/paths: an object"),
        (b" " * (MAX_BYTES + 1), "longer than"),
    ],
)
def test_a_document_that_is_none_is_named(data: bytes, says: str) -> None:
    with pytest.raises(OpenApiError, match=says):
        load_document(data)


@pytest.mark.parametrize(
    ("path", "operation", "below"),
    [
        ("/deals", "/deals/{id}", True),
        ("/deals", "/deals/{id}/prices", True),
        ("/deals", "/deals/{id}/prices/{day}", False),
        ("/deals", "/deals", False),
        ("/deal", "/deals/{id}", False),
    ],
)
def test_an_operation_lies_below_a_list(path, operation, below):
    document = {"openapi": "3.1.0", "paths": {operation: {"get": {"responses": {}}}}}
    (found,) = load_document(json.dumps(document).encode()).operations
    assert found.is_open_below(path) is below


def test_what_needs_more_than_an_identifier_is_not_open_below():
    login = {"responses": {}, "security": [{"bearer": []}]}
    query = {"responses": {}, "parameters": [{"name": "q", "in": "query", "required": True}]}
    document = {"openapi": "3.1.0", "paths": {"/a/{id}": {"get": login, "put": {}}, "/b/{id}": {"get": query}}}
    found = load_document(json.dumps(document).encode()).operations
    assert [one.name for one in found if one.is_open_below("/a") or one.is_open_below("/b")] == []
    assert found[0].path_for("a/b") == "/a/a%2Fb"


@pytest.mark.parametrize(
    ("servers", "url", "at"),
    [
        (None, "", "/pets"),
        ([], "", "/pets"),
        ("/v1", "", "/pets"),
        ([{"url": "/"}], "", "/pets"),
        ([{"url": "/v1"}], "", "/v1/pets"),
        ([{"url": "/v1/"}], "", "/v1/pets"),
        ([{"url": "v1"}], "", "/v1/pets"),
        ([{"url": "https://api.example.org/v1"}], "http://127.0.0.1:8000", "/v1/pets"),
        ([{"url": "https://api.example.org/v1"}, {"url": "/v2"}], "http://127.0.0.1:8000", "/v2/pets"),
        ([{"url": "/v2"}, {"url": "http://127.0.0.1:8000/v1"}], "http://127.0.0.1:8000", "/v1/pets"),
        ([{"url": "/v1"}], "http://127.0.0.1:8000/v1", "/pets"),
        ([{"url": "/v1/eu"}], "http://127.0.0.1:8000/v1", "/eu/pets"),
        ([{"url": "/v10"}], "http://127.0.0.1:8000/v1", "/v10/pets"),
        ([{"url": "/{version}", "variables": {"version": {"default": "v3"}}}], "", "/v3/pets"),
        ([{"url": "/{version}"}], "", "/pets"),
        ([{"url": 5}, "x", {}], "", "/pets"),
        ([{"url": "http://["}], "", "/pets"),
        ([{"url": "http://[/v9"}, {"url": "/v1"}], "", "/v1/pets"),
    ],
)
def test_paths_lie_below_the_path_of_the_server(servers, url, at):
    document = {"openapi": "3.1.0", "paths": {"/pets": {"get": {"responses": {}}}}}
    api = load_document(json.dumps(document | ({} if servers is None else {"servers": servers})).encode(), url)
    assert [operation.path for operation in api.operations] == [at]
    assert api.find("GET", f"{at}?limit=1") == api.operations[0]


def test_the_nearest_servers_count():
    def answered(**more):
        return {"responses": {"200": {"description": ""}}} | more

    item = {"get": answered(servers=[{"url": "/a"}]), "put": answered(), "servers": [{"url": "/b"}]}
    paths = {"/x": item, "/y": {"get": answered()}}
    api = load_document(json.dumps({"openapi": "3.1.0", "paths": paths, "servers": [{"url": "/c"}]}).encode())
    assert {operation.name for operation in api.operations} == {"GET /a/x", "PUT /b/x", "GET /c/y"}
    found = api.find("GET", "/a/x")
    assert found is not None
    assert api.media_types(found, 200) == ()
