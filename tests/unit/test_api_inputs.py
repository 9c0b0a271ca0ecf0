"""Values for schemas of somebody else: bounded, whatever the schema says, and found where it says what it wants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.probes.api.inputs import Sampler, fits_pattern, merged


def sample(schema: dict[str, Any]) -> Any:
    return Sampler(lambda _name: None).of(schema)


def named(schemas: dict[str, Any], first: str = "A0") -> dict[str, Any]:
    return {"$ref": f"#/x-bundled/{first}", "x-bundled": schemas}


def to(name: str) -> dict[str, str]:
    return {"$ref": f"#/x-bundled/{name}"}


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_name_the_next_one_twice_end(word) -> None:
    schemas = {f"A{n}": {word: [to(f"A{n + 1}")] * 2} for n in range(40)}
    assert merged(named(schemas), schemas) is not None
    sample(named(schemas))


@pytest.mark.parametrize(
    "again",
    [
        {"allOf": [to("A0")]},
        {"anyOf": [{"type": "null"}, to("A0")]},
        {"type": "object", "required": ["a"], "properties": {"a": to("A0")}},
        {"type": "array", "items": to("A0")},
        to("A0"),
    ],
    ids=["allOf", "anyOf", "required", "items", "reference"],
)
def test_a_schema_that_holds_itself_ends(again) -> None:
    sample(named({"A0": again}))


def test_an_object_of_many_objects_of_many_is_cut() -> None:
    wide = {"type": "object", "properties": {f"m{n}": to("A0") for n in range(50)}}
    assert len(json.dumps(sample(named({"A0": wide})))) < 500_000


@pytest.mark.parametrize("odd", [None, 5, "x", {}, [None, 5], [[]]])
@pytest.mark.parametrize(
    "word", ["allOf", "anyOf", "oneOf", "properties", "required", "items", "enum", "pattern", "minLength", "minimum"]
)
def test_odd_words_of_a_schema_raise_nothing(word, odd) -> None:
    sample({"type": "object", "properties": {"a": {}}, word: odd})
    sample({"allOf": [{word: odd}, {"properties": {"a": {word: odd}}}]})


def test_texts_and_numbers_are_no_longer_than_somebody_may_send() -> None:
    assert len(sample({"type": "string", "minLength": 10**10})) == 10_000
    assert sample({"type": "integer", "minimum": float("inf")}) == float("inf")


def test_parts_become_one() -> None:
    schemas = {"A0": {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"enum": ["x"]}}}]}}
    assert sample(named(schemas) | {"type": "object"}) == {"a": 1, "b": "x"}
    assert sample({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 7}]}) == 7


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"^[A-Z]{2}$", "DE", True),
        (r"^\d{6}$", "00000", False),
        (r"^(?=.*\d)\p{L}+\d$", "abc1", True),
        (r"(((((((((.*)*)*)*)*)*)*)*)*)*\1x", "00000000", False),
        ("(", "(", False),
    ],
)
def test_a_pattern_of_a_document_is_held_to_a_text_for_a_bounded_time(pattern, text, fits) -> None:
    assert fits_pattern(pattern, text) is fits
