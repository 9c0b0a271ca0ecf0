"""Schemas of answers: what OpenAPI adds to JSON Schema, and schemathesis leaves out where it reads answers.

- `int32`, `int64` are ranges and `byte` is base64 (OpenAPI format registry);
- `[\\w-.]` is a pattern that ECMA-262 reads, in which the hyphen stands for itself;
- a member that is writeOnly is required of no answer, in whichever branch of an `allOf` it is required.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

_MOST_REFERENCES = 50
BUNDLE = "x-bundled"
"""Where schemathesis keeps the schemas that a schema refers to."""
_SAYS_NOTHING = frozenset(
    {"title", "description", "example", "examples", "deprecated", "default", "externalDocs", "readOnly", "xml"}
)
"""Words of a schema for its reader alone."""
_INTEGERS = {"int32": {"minimum": -(2**31), "maximum": 2**31 - 1}, "int64": {"minimum": -(2**63), "maximum": 2**63 - 1}}
_LITERAL = frozenset({"const", "default", "enum", "example", "examples"})
_HYPHEN = re.compile(r"(\\[dDsSwW])-(?!\])|\\.", re.DOTALL)
"""A class of characters before a hyphen, which then begins no range; any other escape is passed over."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]*={0,2}")
FORMATS: Mapping[str, Callable[[str], bool]] = {"byte": lambda text: _BASE64.fullmatch(text.rstrip()) is not None}
"""Formats of strings that JSON Schema does not know."""


def renamed(node: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - a part of somebody's document
    """A copy in which words of a schema have another name. A property of that name keeps it: its value is an object."""
    if isinstance(node, list):
        return [renamed(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        names[key] if key in names and not isinstance(value, dict) else key: renamed(value, names)
        for key, value in node.items()
    }


def takes_anything(schema: object) -> bool:
    """Is there no schema, or one that says nothing of the value? `binary` is any bytes, as Swagger's `file` is."""
    if not isinstance(schema, dict):
        return schema in (None, True)
    return schema.get("format") == "binary" or all(key in _SAYS_NOTHING or key.startswith("x-") for key in schema)


def is_circle(schema: Any) -> bool:  # noqa: ANN401 - a part of somebody's document
    """Does a schema say no more than where it lies?"""
    node = schema
    for _ in range(_MOST_REFERENCES):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return False
        *_, name = node["$ref"].split("/")
        node = schema.get(BUNDLE, {}).get(name)
    return True


def as_answer(schema: Any) -> Any:  # noqa: ANN401 - a part of somebody's document
    """A copy that holds answers to the format of their integers, and demands no member of them that none may have."""
    bundle = schema.get(BUNDLE, {}) if isinstance(schema, dict) else {}
    return _as_answer(schema, bundle)


def _as_answer(node: Any, bundle: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if isinstance(node, list):
        return [_as_answer(each, bundle) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: value if key in _LITERAL else _as_answer(value, bundle) for key, value in node.items()}
    if isinstance(pattern := made.get("pattern"), str):
        made["pattern"] = _HYPHEN.sub(_escaped, pattern)
    size = made.get("format")
    if isinstance(size, str) and size in _INTEGERS and "$ref" not in made:
        made["allOf"] = [*made.get("allOf", ()), _INTEGERS[size]]
    return _without_hidden(made, bundle) if isinstance(made.get("allOf"), list) else made


def _without_hidden(made: dict[str, Any], bundle: Mapping[str, Any]) -> Any:  # noqa: ANN401
    hidden = frozenset(_hidden(made, bundle, set()))
    return _without({**made, "allOf": [_without(each, hidden) for each in made["allOf"]]}, hidden)


def _escaped(found: re.Match[str]) -> str:
    return rf"{found[1]}\-" if found[1] else found[0]


def _hidden(node: Any, bundle: Mapping[str, Any], seen: set[str]) -> Iterator[str]:  # noqa: ANN401
    """Members that no answer may have by this schema, or by one that holds beside it; each reference is read once."""
    if not isinstance(node, dict):
        return
    properties = node.get("properties")
    if isinstance(properties, dict):
        yield from (name for name, value in properties.items() if value is False or value == {"not": {}})
    reference = node.get("$ref")
    if _is_bundled(reference) and reference not in seen:
        seen.add(reference)
        yield from _hidden(bundle.get(reference.rpartition("/")[2]), bundle, seen)
    branches = node.get("allOf")
    for branch in branches if isinstance(branches, list) else ():
        yield from _hidden(branch, bundle, seen)


def _is_bundled(reference: object) -> TypeGuard[str]:
    return isinstance(reference, str) and reference.startswith(f"#/{BUNDLE}/")


def _without(node: Any, hidden: frozenset[str]) -> Any:  # noqa: ANN401
    """The schema without the demand for those members."""
    if not hidden or not isinstance(node, dict) or not isinstance(node.get("required"), list):
        return node
    required = [name for name in node["required"] if name not in hidden]
    rest = {key: value for key, value in node.items() if key != "required"}
    return {**rest, "required": required} if required else rest
