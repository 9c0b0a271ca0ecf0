"""Documents of every dialect and the answers that they describe, each with what its standard says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness.probes.openapi import OpenApi, load_document

URL = "http://127.0.0.1:8000"
INFO = {"title": "t", "version": "1"}
PET = {"type": "object", "required": ["petType"], "properties": {"petType": {"type": "string"}}}
SECRET = {"type": "string", "writeOnly": True}


def reading(document: Mapping[str, Any] | str) -> OpenApi:
    text = document if isinstance(document, str) else json.dumps(document)
    return load_document(text.encode(), URL, "/api/openapi.json")


def answering(schema: Any, version: str = "3.1.0", kind: str = "application/json", **schemas: Any) -> dict[str, Any]:
    """A document with one operation and one answer."""
    answer = {"200": {"description": "d", "content": {kind: {"schema": schema}}}}
    components = {"components": {"schemas": schemas}} if schemas else {}
    return {"openapi": version, "info": INFO, "paths": {"/a": {"get": {"responses": answer}}}, **components}


def swagger(schema: Any, **more: Any) -> dict[str, Any]:
    answer = {"200": {"description": "d", "schema": schema}}
    paths = {"/a": {"get": {"responses": answer}}}
    return {"swagger": "2.0", "info": INFO, "produces": ["application/json"], "paths": paths, **more}


def held(
    document: Mapping[str, Any] | str, body: object, kind: str = "application/json", status: int = 200
) -> bool | None:
    """Does the body keep its schema? None where nothing was checked."""
    api = reading(document)
    found = api.mismatches(api.operations[0], status, kind, body)
    return None if found is None else not found


def member(name: str, schema: Any) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema}}


@pytest.mark.parametrize(
    ("document", "body", "kept"),
    [
        # allOf, discriminators, members that are not described
        (answering({"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}}}]}),
         {"a": 1, "b": 2}, False),
        (answering({"patternProperties": {"^x-": {}}, "additionalProperties": False}), {"x-a": 1}, True),
        (answering({"prefixItems": [{"type": "integer"}], "unevaluatedItems": False}), [1, 2], False),
        (answering({**PET, "discriminator": {"propertyName": "petType"}}, "3.0.3"), {"petType": "Dog"}, True),
        (swagger({"$ref": "#/definitions/Cat"}, definitions={
            "Pet": {**PET, "discriminator": "petType"},
            "Cat": {"allOf": [{"$ref": "#/definitions/Pet"}, member("claws", {"type": "integer"})]},
        }), {"petType": "Cat", "claws": "x"}, False),
        # null
        (answering({"nullable": True, "minLength": 2}, "3.0.3"), None, True),
        (answering({"anyOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "null"}]}, Pet=PET), None, True),
        (answering({"oneOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "null"}]}, Pet=PET), {}, False),
        (swagger(member("a", {"type": "string", "x-nullable": True})), {"a": None}, True),
        # what is only sent, and only answered
        (answering({"type": "array", "items": member("word", SECRET)}, "3.0.3"), [{}], True),
        (answering(member("word", {"$ref": "#/components/schemas/Word"}), Word=SECRET), {}, True),
        (answering({"oneOf": [{**member("word", SECRET), "properties": {"word": SECRET, "kind": {"const": "a"}}},
                              member("kind", {"const": "b"})]}), {"kind": "a"}, True),
        (answering(member("id", {"type": "integer", "readOnly": True}), "3.0.3"), {"id": "x"}, False),
        # numbers
        (answering({"multipleOf": 0.05}), 1.15, True),
        (answering({"multipleOf": 1e-7}), 0.1234567, True),
        (answering({"type": "integer"}), 10**400, True),
        (answering({"type": "integer", "maximum": 100}), 10**400, False),
        (answering({"type": "integer", "format": "int64"}, "3.0.3"), 10**400, False),
        (answering({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, "3.0.3"), 5, False),
        (answering({"type": "integer", "maximum": 10**50}), 5, True),
        (answering({"type": "number", "format": "float"}, "3.0.3"), 0.1, True),
        (answering({"minimum": 0}), -0.0, True),
        (answering({"minLength": 1.0}), "", False),
        (answering({"maxItems": 10**30}), [], True),
        # media types and statuses
        (answering({"type": "integer"}, kind="application/json;version=2"), "x", False),
        (swagger({"type": "integer"}, produces=["application/json;charset=UTF-8"]), "x", False),
        ({"openapi": "3.2.0", "$self": "https://a.example/api", **{key: value for key, value in answering(
            {"$ref": "#/components/schemas/One"}, One={"type": "integer"}).items() if key != "openapi"}}, "x", False),
        # references
        (answering({"$ref": "#/components/schemas/A"}, A={"$ref": "#/components/schemas/B"}, B={"type": "integer"}),
         "x", False),
        (answering({"$ref": "#/components/schemas/A", "description": "one"}, A={"type": "integer"}), 3, True),
        (answering({"items": {"$ref": "#/components/schemas/A/$defs/n"}}, A={"$defs": {"n": {"type": "integer"}}}),
         ["x"], False),
    ],
)  # fmt: skip
def test_an_answer_by_its_schema(document: Any, body: object, *, kept: bool) -> None:
    assert held(document, body) is kept


@pytest.mark.parametrize(
    ("word", "text", "kept"),
    [
        ("date-time", "2026-01-02T03:04:05.123456789Z", True),
        ("date-time", "2026-01-02T03:04:05-00:00", True),
        ("time", "10:00:00", False),
        ("date", "26-01-02", False),
        ("idn-email", "ärger@exämple.example", True),
        ("email", "a+b@c.example", True),
        ("email", "nobody", False),
        ("uri", "http://a.example/x y", False),
        ("uri-template", "/a/{b", False),
        ("json-pointer", "a/b", False),
        ("ipv4-cidr", "10.0.0.0/8", True),
    ],
)
def test_a_format(word: str, text: str, *, kept: bool) -> None:
    assert held(answering({"type": "string", "format": word}), text) is kept
    assert held(swagger({"type": "number", "format": word}), 5) is True


@pytest.mark.parametrize(
    ("pattern", "text", "kept"),
    [
        (r"^(?<year>\d{4})$", "2026", True),
        (r"^(.)\1$", "ab", False),
        ("(?<=a)b", "cb", False),
        (r"^\x41$", "A", True),
        (r"^\u{1F600}$", "😀", True),
        (r"^\p{Script=Greek}+$", "αβγ", True),
        ("^.$", "😀", True),
        (r"^[\d-x]+$", "1-x", True),
        ("^[[]$", "[", True),
        ("^[a&&b]+$", "a&b", True),
        ("a|^b$", "b", True),
        (r"^[\w.\@]+$", "a@b", True),
    ],
)
def test_a_pattern_of_ecma_262(pattern: str, text: str, *, kept: bool) -> None:
    assert held(answering({"type": "string", "pattern": pattern}), text) is kept


@pytest.mark.parametrize(
    ("described", "sent", "judged"),
    [
        ("*/*", "application/vnd.a+json", True),
        ("application/problem+json", "application/problem+json", True),
        ("text/json", "text/json", True),
        ("application/hal+json", "application/json", False),
    ],
)
def test_a_media_type(described: str, sent: str, *, judged: bool) -> None:
    assert held(answering({"type": "integer"}, kind=described), "x", sent) is (False if judged else None)


def test_an_exact_status_comes_before_its_range_and_default() -> None:
    schemas = {"default": "string", "2XX": "string", "200": "integer", "4XX": "integer"}
    answers = {
        status: {"description": "d", "content": {"application/json": {"schema": {"type": kind}}}}
        for status, kind in schemas.items()
    }
    document = {"openapi": "3.0.3", "info": INFO, "paths": {"/a": {"get": {"responses": answers}}}}
    kept = [held(document, "x", status=status) for status in (200, 201, 404, 500)]
    assert kept == [False, True, False, True]


def test_a_status_that_yaml_reads_as_a_number() -> None:
    head = "openapi: 3.0.3\ninfo: {title: t, version: 1.10}\n"
    answer = "{description: d, content: {application/json: {schema: {enum: [2026-01-02, on, no]}}}}"
    api = reading(f"{head}paths: {{/a: {{get: {{responses: {{200: {answer}}}}}}}}}\n")
    found = [api.mismatches(api.operations[0], 200, "application/json", word) for word in ("2026-01-02", "on", "no")]
    assert found == [(), (), ()]


SCHEMA = {"content": {"application/json": {"schema": {"type": "integer"}}}, "description": "d"}
ITEM = {"get": {"responses": {"200": SCHEMA}}}


@pytest.mark.parametrize(
    ("paths", "components"),
    [
        ({"/a": {"get": {"responses": {"200": {"$ref": "#/components/responses/R"}}}}}, {"responses": {"R": SCHEMA}}),
        ({"/a": {"$ref": "#/components/pathItems/A"}}, {"pathItems": {"A": ITEM}}),
    ],
)
def test_references_to_answers_and_path_items(paths: Any, components: Any) -> None:
    document = {"openapi": "3.1.0", "info": INFO, "paths": paths, "components": components}
    assert held(document, "x") is False
    assert held(document, 1) is True


def test_a_reference_into_another_path() -> None:
    pointer = "#/paths/~1b~1%7Bid%7D/get/responses/200/content/application~1json/schema"
    referring = {
        "get": {
            "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"$ref": pointer}}}}}
        }
    }
    named = [{"name": "id", "in": "path", "required": True, "schema": {}}]
    paths = {"/a": referring, "/b/{id}": {"parameters": named, **ITEM}}
    assert held({"openapi": "3.0.3", "info": INFO, "paths": paths}, "x") is False


PLAIN = {"get": {"responses": {"200": {"description": ""}}}}


@pytest.mark.parametrize(
    ("more", "paths"),
    [
        ({"servers": [{"url": f"{URL}/v1?x=1#y"}]}, ["/v1/a"]),
        (
            {"servers": [{"url": "{scheme}://127.0.0.1:8000/v2", "variables": {"scheme": {"default": "http"}}}]},
            ["/v2/a"],
        ),
        ({"servers": []}, ["/a"]),
        ({"servers": [{"url": "https://127.0.0.1:8000/v1"}]}, ["/v1/a"]),
        ({"security": [{"key": []}, {}]}, ["/a"]),
        ({"security": [{"key": []}]}, []),
    ],
)
def test_where_plain_reads_lie(more: Any, paths: list[str]) -> None:
    document = {"openapi": "3.0.3", "info": INFO, "paths": {"/a": PLAIN}, **more}
    assert [one.path for one in reading(document).plain_gets()] == paths


def test_a_host_and_base_path_of_swagger_are_those_that_were_asked() -> None:
    document = swagger({"type": "integer"}, host="api.example.com", basePath="/v2")
    assert [one.path for one in reading(document).plain_gets()] == ["/v2/a"]


@pytest.mark.parametrize(
    ("shared", "own", "is_open"),
    [
        ({"name": "q", "in": "query", "required": True}, {"name": "q", "in": "query", "required": False}, True),
        ({"name": "q", "in": "query"}, {"name": "f", "in": "query", "style": "deepObject", "explode": True}, True),
        ({"name": "q", "in": "query"}, {"name": "sid", "in": "cookie", "required": True}, False),
    ],
)
def test_parameters_of_a_path_and_of_its_operation(shared: Any, own: Any, *, is_open: bool) -> None:
    schema = {"schema": {"type": "object"}}
    item = {"parameters": [shared | schema], "get": {"parameters": [own | schema], **PLAIN["get"]}}
    assert bool(reading({"openapi": "3.0.3", "info": INFO, "paths": {"/a": item}}).plain_gets()) is is_open


@pytest.mark.parametrize("other", [{"webhooks": {"new": {"post": PLAIN["get"]}}}, {"components": {}}])
def test_a_document_without_paths_has_no_operation(other: Any) -> None:
    assert reading({"openapi": "3.1.0", "info": INFO, **other}).operations == ()


def test_other_methods_of_3_2_hide_no_get() -> None:
    item = {"query": PLAIN["get"], "additionalOperations": {"COPY": PLAIN["get"]}, **PLAIN}
    assert "GET /a" in [
        one.name for one in reading({"openapi": "3.2.0", "info": INFO, "paths": {"/a": item}}).operations
    ]


def test_json_in_utf_16() -> None:
    data = json.dumps({"openapi": "3.0.3", "info": INFO, "paths": {"/a": PLAIN}}).encode("utf-16")
    assert len(load_document(data, URL).operations) == 1
