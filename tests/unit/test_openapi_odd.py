"""Documents as tools and people write them, and the answers that they describe: odd, and real."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.probes.exchange import UnfitAnswer, parse_json
from harness.probes.openapi import OpenApi, load_document
from harness.probes.openapi_schema import as_answer

OK = {"responses": {"200": {"description": "ok"}}}
HIDDEN = {"type": "object", "properties": {"word": {"type": "string", "writeOnly": True}, "id": {"type": "integer"}}}
YAML = (
    "openapi: 3.0.3\ninfo: {title: t, version: 1}\npaths:\n  /a: {get: {responses: {'200': {description: ok, content: "
)


def reading(*paths: str, url: str = "http://h", **more: Any) -> OpenApi:
    items = {path: {"get": OK} for path in paths}
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": items, **more}
    return load_document(json.dumps(document).encode(), url, "/openapi.json")


def holds(schema: Any, body: object, version: str = "3.0.3", **schemas: Any) -> bool | None:
    """Does the body keep the schema? None where the schema says nothing of it."""
    response = {"description": "ok", "content": {"application/json": {"schema": schema}}}
    described = {"paths": {"/a": {"get": {"responses": {"200": response}}}}, "components": {"schemas": schemas}}
    document = {"openapi": version, "info": {"title": "t", "version": "1"}, **described}
    api = load_document(json.dumps(document).encode())
    found = api.mismatches(api.operations[0], 200, "application/json", body)
    return None if found is None else not found


@pytest.mark.parametrize(
    ("schema", "body", "kept"),
    [
        ({"type": "integer", "format": "int32"}, 2**31 - 1, True),
        ({"type": "integer", "format": "int32"}, 2**31, False),
        ({"type": "integer", "format": "int64"}, 2**53 + 1, True),
        ({"type": "integer", "format": "int64"}, 2**63, False),
        ({"type": "integer", "maximum": 2**53}, 2**53 + 1, False),
        ({"type": "array", "items": {"format": "int32"}}, [-(2**31) - 1], False),
        ({"type": "object", "properties": {"format": {"type": "string"}}}, {"format": "int32"}, True),
        ({"type": "string", "format": "byte"}, "aGk=", True),
        ({"type": "string", "format": "byte"}, "aGk_", True),
        ({"type": "string", "format": "byte"}, "a!", False),
        ({"type": "string", "format": "binary"}, {"a": 1}, None),
        ({"title": "t", "description": "d", "example": 1, "x-order": 1}, 1, None),
        ({"title": "t", "type": "string"}, 1, False),
        ({"type": "string", "pattern": r"^[\w-.]+$"}, "a-b.c", True),
        ({"type": "string", "pattern": r"^[\w-.]+$"}, "a b", False),
        ({"type": "string", "pattern": r"^[\\d-x]+$"}, r"\h", True),
        ({"type": "string", "pattern": r"^\d-\d$"}, "1-2", True),
        ({"type": "object", "properties": {"pattern": {"type": "integer"}}}, {"pattern": "x"}, False),
        # the member is hidden in one branch, and required by another
        ({"allOf": [HIDDEN, {"required": ["word", "id"]}]}, {"id": 1}, True),
        ({"allOf": [{"$ref": "#/components/schemas/Hidden"}], "required": ["word"]}, {"id": 1}, True),
        ({"allOf": [{"$ref": "#/components/schemas/Hidden"}, {"required": ["word", "id"]}]}, {}, False),
    ],
)
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_what_openapi_adds_to_the_schema_of_an_answer(schema: Any, body: object, *, kept: bool, version: str) -> None:
    assert holds(schema, body, version, Hidden=HIDDEN) is kept


def test_references_that_double_are_each_read_once() -> None:
    doubled = {f"S{n}": {"allOf": [{"$ref": f"#/$defs/S{n + 1}"}] * 2} for n in range(60)}
    bundle = json.loads(json.dumps(doubled).replace("$defs", "x-bundled")) | {"S60": {"properties": {"a": False}}}
    read = as_answer({"allOf": [{"$ref": "#/x-bundled/S0"}], "required": ["a"], "x-bundled": bundle})
    assert "required" not in read


@pytest.mark.parametrize(
    ("words", "body", "kept"),
    [
        ("NO, SE", "NO", True),
        ("on, off", "on", True),
        ("12:30, 01:05", "12:30", True),
        ("1_000", "1_000", True),
        ("2024-01-01", "2024-01-01", True),
        ("0123", 123, True),
        ("0o14", 12, True),
        ("0x1F", 31, True),
        ("1e3", 1000, True),
        ("12:30", 750, False),
    ],
)
def test_yaml_is_that_of_1_2(words: str, body: object, *, kept: bool) -> None:
    api = load_document(f"{YAML}{{application/json: {{schema: {{enum: [{words}]}}}}}}}}}}}}}}\n".encode())
    found = api.mismatches(api.operations[0], 200, "application/json", body)
    assert (found == ()) is kept


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + f"{YAML}{{}}}}}}}}}}\n".encode(),
        b"\xef\xbb\xbf" + json.dumps({"openapi": "3.0.3", "paths": {"/a": {"get": OK}}}).encode(),
        f"{YAML}{{}}}}}}}}}}\n".replace("\n", "\r\n").encode(),
        f"{YAML}{{}}}}}}}}}}\n".replace("3.0.3", "3.1").encode(),
        json.dumps({"openapi": "3.0", "paths": {"x-note": {"by": "a tool"}, "/a": {"get": OK}}}).encode(),
    ],
)
def test_a_document_with_odd_bytes_or_words(data: bytes) -> None:
    api = load_document(data)
    assert [each.name for each in api.operations] == ["GET /a"]
    assert api.left_out == ()


@pytest.mark.parametrize(
    ("asked", "paths", "found"),
    [
        ("/users/me", ("/users/{id}", "/users/me"), "/users/me"),
        ("/r/a.json", ("/r/{id}", "/r/{id}.json"), "/r/{id}.json"),
        ("/v1/a:cancel", ("/v1/{id}", "/v1/{id}:cancel"), "/v1/{id}:cancel"),
        ("/a/b/c", ("/{y}/b/c", "/a/{x}/c"), "/a/{x}/c"),
        ("/f/a%2Fb", ("/f/{p}", "/f/{p}/b"), "/f/{p}"),
        ("/a%20b", ("/a b",), "/a b"),
        ("/caf%C3%A9/1", ("/café/{id}",), "/café/{id}"),
        ("/a%20b", ("/a%20b",), "/a%20b"),
    ],
)
def test_the_most_concrete_path_is_the_operation(asked: str, paths: tuple[str, ...], found: str) -> None:
    operation = reading(*paths).find("GET", asked)
    assert operation is not None
    assert operation.written == found


@pytest.mark.parametrize(
    ("url", "servers", "path"),
    [
        ("https://h", [{"url": "https://other/x"}, {"url": "https://h:443/api"}], "/api/a"),
        ("http://[::1]:80", [{"url": "http://o/x"}, {"url": "http://[::1]/api"}], "/api/a"),
        ("http://h", [{"url": "{scheme}://{host}"}], "/a"),
        ("http://h", [{"url": "http://h:port/v1"}], "/v1/a"),
    ],
)
def test_the_server_that_was_asked(url: str, servers: Any, path: str) -> None:
    assert [each.path for each in reading("/a", url=url, servers=servers).operations] == [path]


def test_a_base_path_without_its_slash() -> None:
    document = {"swagger": "2.0", "host": "h", "basePath": "v2/", "paths": {"/a": {"get": OK}}}
    assert [each.path for each in load_document(json.dumps(document).encode(), "http://h").operations] == ["/v2/a"]


@pytest.mark.parametrize("body", ["utf-16", "utf-32", "latin-1"])
def test_json_is_utf_8(body: str) -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "it") == {"a": 1}
    with pytest.raises(UnfitAnswer, match="codec can't decode"):
        parse_json('{"a": "\u00e9"}'.encode(body), "it")
