"""That a schema which branches without end is noticed before a validator is given it, and a plain one is not."""

from __future__ import annotations

import json

import pytest

from harness.probes.openapi import UnreadDocument, load_document
from harness.probes.openapi_cost import TooMuchWork, check_work

DEEP = 40


def twice(word: str) -> dict[str, object]:
    """Schemas that each name the next one twice."""
    named = {f"A{n}": {word: [{"$ref": f"#/x-bundled/A{n + 1}"}] * 2} for n in range(DEEP)}
    return {"$ref": "#/x-bundled/A0", "x-bundled": {**named, f"A{DEEP}": {"type": "object"}}}


def below(*words: str) -> dict[str, object]:
    """A schema of a node and of its children, reached by each of the words."""
    node = {"properties": {"child": {"$ref": "#/x-bundled/Node"}}}
    return {"$ref": "#/x-bundled/Node", "x-bundled": {"Node": {word: [node, node] for word in words}}}


def nested(depth: int) -> dict[str, object]:
    return {"child": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_doubles_forty_times_is_too_much(word) -> None:
    with pytest.raises(TooMuchWork):
        check_work(twice(word), {})


def test_one_that_doubles_at_each_level_is_too_much_for_a_deep_value_alone() -> None:
    check_work(below("allOf"), nested(10))
    with pytest.raises(TooMuchWork):
        check_work(below("allOf"), nested(40))


def test_one_that_holds_for_itself_is_too_much() -> None:
    with pytest.raises(TooMuchWork):
        check_work({"$ref": "#/x-bundled/A", "x-bundled": {"A": {"allOf": [{"$ref": "#/x-bundled/A"}, {}]}}}, 1)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"allOf": None, "anyOf": 5, "properties": [], "items": [None], "$ref": 7},
        {"type": "array", "items": {"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]}},
        {"patternProperties": {"^a": {"prefixItems": [{}, {}]}}, "unevaluatedProperties": {"not": {}}},
    ],
)
def test_plain_and_odd_schemas_are_not(schema) -> None:
    check_work(schema, [{"a": [1, 2], "b": None}] * 5000)
    check_work(schema, {"a": [1, 2], "b": {}})


def test_a_document_that_branches_without_end_is_unread_in_that_one_operation() -> None:
    schemas = {f"A{n}": {"allOf": [{"$ref": f"#/components/schemas/A{n + 1}"}] * 2} for n in range(DEEP)}
    schemas[f"A{DEEP}"] = {"type": "object"}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/A0"}}}
    get = {"responses": {"200": {"description": "ok", "content": content}}}
    said = {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {"/x": {"get": get}},
        "components": {"schemas": schemas},
    }
    described = load_document(json.dumps(said).encode())
    (operation,) = described.operations
    with pytest.raises(UnreadDocument, match="branches too often"):
        described.mismatches(operation, 200, "application/json", {})
