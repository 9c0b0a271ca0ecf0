"""Whatever a service sends as its OpenAPI document, reading it and collecting tests of it goes on."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.model import OpenApiPath, Service, Target
from harness.probes.exchange import UnfitAnswer, parse_json
from harness.probes.openapi import OpenApi, OpenApiError, load_document
from harness.probes.openapi_servers import is_own_path
from harness.probes.surface import find_surface
from harness.profile_draft.description import login_shape
from tests.scripted_server import Line, ScriptedServer

TEXT = st.text(st.characters(), max_size=20)  # lone surrogates among them
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=15
)
REAL: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "/v1/{x}", "variables": {"x": {"default": "a"}}}],
    "security": [{}],
    "paths": {
        "/items": {
            "parameters": [{"$ref": "#/components/parameters/Page"}],
            "get": {
                "operationId": "list",
                "parameters": [{"name": "q", "in": "query", "required": False}],
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Items"}}},
                    },
                    "4XX": {"description": "no"},
                },
            },
        },
        "/items/{id}": {"get": {"security": [], "responses": {"default": {"description": "ok"}}}, "put": {}},
    },
    "components": {
        "parameters": {"Page": {"name": "page", "in": "query"}},
        "schemas": {
            "Items": {"type": "array", "items": {"type": "object", "required": ["id"], "nullable": True, "minimum": 1}}
        },
    },
}


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(place for key, each in inside for place in places(each, (*at, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """The real document with up to four of its nodes replaced, removed or renamed."""
    document = copy.deepcopy(REAL)
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(places(document)[1:]))
        node: Any = document
        for key in way:
            node = node[key]
        new = draw(JSON | st.sampled_from([{"$ref": "#/paths"}, {"$ref": "#/components/schemas/Items"}, {"$ref": 5}]))
        if isinstance(node, dict) and draw(st.booleans()):
            node[draw(TEXT | st.sampled_from(["//h/x", "http://h/x", "\\\\h\\x", "/\ud800", "/a b", ""]))] = node.pop(
                last
            )
        else:
            node[last] = new
    return document


def use(api: OpenApi) -> None:
    """All that suites ask of a document, for each operation."""
    api.plain_gets()
    api.find("GET", "/v1/a/items/5?x=1")
    for operation in api.operations:
        assert is_own_path(operation.path) or not operation.path.startswith("/")
        operation.path_for("x/y")
        operation.is_open_below("/v1/a/items")
        for status in (200, 404):
            with suppress(OpenApiError):
                api.media_types(operation, status)
                api.mismatches(operation, status, "application/json", [{"id": 1}, None])
            with suppress(OpenApiError):
                login_shape(api)


@given(st.one_of(JSON, mutated()))
@example(REAL | {"servers": [{"url": "/v1/{x}", "variables": {"x": {"default": {"\x1f": None}}}}]})
@example(REAL | {"servers": [{"url": "http://127.0.0.1:8000//elsewhere.test"}]})
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_document_is_read_or_named(document: Any) -> None:
    with suppress(OpenApiError):
        use(load_document(json.dumps(document).encode(), "http://127.0.0.1:8000"))


@given(mutated())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_found_can_be_told_to_workers(document: Any) -> None:
    with ScriptedServer(saying(json.dumps(document).encode())) as server:
        found = find_surface(target(), server.url)
    assert all(is_own_path(path) for path in found.paths)
    msgspec.json.encode((found.paths, found.left_out, found.streams))


@pytest.mark.parametrize(
    "body",
    [
        b'{"openapi":"3.1.0","paths":' + b'{"a":' * 100_000,
        b'{"openapi":"3.1.0","paths":{"/x":{"get":{"responses":' + b"1" * 5000 + b"}}}}",
        b'{"openapi":"3.1.0","paths":{"/x":{"get":{"responses":NaN}}}}',
        b'{"openapi":"3.1.0","paths":{"/\xff":{"get":{}}}}',
        b"\xff\xfe" + '{"openapi":"3.1.0","paths":{}}'.encode("utf-16-le"),
        json.dumps(REAL | {"servers": [{"url": "/x"}] * 10_000}).encode(),
        b'{"openapi":"3.0.0","paths":{"/x":{"get":{"responses":{"200":{"content":{"a/b":{"schema":'
        + b'{"allOf":[' * 900
        + b"{}"
        + b"]}" * 900
        + b"}}}}}}}}",
    ],
)
def test_a_body_that_was_made_to_hurt_is_read_or_named(body: bytes) -> None:
    with suppress(OpenApiError):
        use(load_document(body, "http://127.0.0.1:8000"))
    with suppress(UnfitAnswer):
        parse_json(body, "it")
    with ScriptedServer(saying(body)) as server:
        find_surface(target(), server.url)


def test_of_many_paths_the_same_sample_is_drawn_and_told() -> None:
    paths = {f"/p{number}": {"get": {"responses": {}}} for number in range(60_000)}
    body = json.dumps({"openapi": "3.1.0", "paths": paths}).encode()
    with ScriptedServer(saying(body)) as server:
        first, second = (find_surface(target(), server.url) for _ in range(2))
    assert first == second
    assert len(first.paths) == 40
    assert first.found == 60_000
    assert len({path[:3] for path in first.paths}) > 5, "drawn from all, not the first ones"


def test_paths_that_lead_elsewhere_are_left_out_and_told() -> None:
    wrong = ["http://other.test/abs", "//other.test/x", "\\\\other.test\\x", "/\ud800", "/a\r\nX: 1", "@other.test/x"]
    paths = {path: {"get": {"responses": {}}} for path in [*wrong, "/fine", "/" + "a" * 70_000]}
    body = json.dumps({"openapi": "3.1.0", "paths": paths}).encode()
    with ScriptedServer(saying(body)) as server:
        found = find_surface(target(), server.url)
    assert "/fine" in found.paths
    assert set(found.paths) <= {"/fine", "/"}
    assert "http://other.test/abs" in found.left_out
    assert all(path.isascii() and path.isprintable() for path in found.left_out)


def target() -> Target:
    return Target(
        name="any", source="", service=Service(url="http://127.0.0.1:1"), openapi=OpenApiPath(path="/openapi.json")
    )


def saying(body: bytes):
    def script(line: Line) -> None:
        while line.read():
            line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return script
