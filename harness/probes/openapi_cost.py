"""How much work it is to hold a value to a schema, found without doing it.

Forty schemas that each name the next one twice are a short document, and a trillion visits for a validator, whose
native code nothing interrupts. Here each pair of a schema and a part of the value is looked at once, whatever leads
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.probes.openapi_schema import BUNDLE

MOST_VISITS = 20_000_000
"""About two seconds of a validator."""
_MOST_PAIRS = 1_000_000
_LISTS = {"allOf": 1, "anyOf": 2, "oneOf": 2}
"""How often a validator goes through the branches: where none fits, once more to say why."""
_SINGLE = {"not": 1, "if": 1, "then": 1, "else": 1}
_EACH = ("additionalProperties", "unevaluatedProperties", "items", "additionalItems", "unevaluatedItems", "contains")
_BEGUN = -1


class TooMuchWork(Exception):  # noqa: N818 - a state of the schema
    """More than `MOST_VISITS`, or without end."""


def check_work(schema: object, value: object) -> None:
    """Raises `TooMuchWork` if a validator would take too long, or for ever."""
    bundle = schema.get(BUNDLE, {}) if isinstance(schema, Mapping) else {}
    try:
        if _Count(bundle).visits(schema, value) > MOST_VISITS:
            raise TooMuchWork
    except RecursionError as error:
        raise TooMuchWork from error


class _Count:
    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self._bundle = bundle
        self._known: dict[tuple[int, int], int] = {}

    def visits(self, schema: object, value: object) -> int:
        if not isinstance(schema, Mapping):
            return 1
        key = (id(schema), id(value))
        if (known := self._known.get(key)) is not None:
            if known == _BEGUN:
                raise TooMuchWork
            return known
        if len(self._known) > _MOST_PAIRS:
            raise TooMuchWork
        self._known[key] = _BEGUN
        here = 1 + sum(times * self.visits(each, value) for each, times in self._beside(schema))
        self._known[key] = total = here + sum(self.visits(each, part) for each, part in _below(schema, value))
        return total

    def _beside(self, schema: Mapping[str, Any]) -> Iterator[tuple[object, int]]:
        """Schemas that hold for the same value."""
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield self._bundle.get(reference.rpartition("/")[2]), 1
        again = 2 if schema.keys() & {"unevaluatedProperties", "unevaluatedItems"} else 1
        for word, times in _LISTS.items():
            branches = schema.get(word)
            yield from ((each, again * times) for each in (branches if isinstance(branches, list) else ()))
        yield from ((schema[word], again * times) for word, times in _SINGLE.items() if word in schema)
        dependent = schema.get("dependentSchemas")
        yield from ((each, again) for each in (dependent.values() if isinstance(dependent, Mapping) else ()))


def _below(schema: Mapping[str, Any], value: object) -> Iterator[tuple[object, object]]:
    """Schemas with the parts of the value that they may hold for."""
    for_each = [schema[word] for word in _EACH if isinstance(schema.get(word), Mapping)]
    if isinstance(value, Mapping):
        named = schema.get("properties")
        patterns = schema.get("patternProperties")
        for_each += patterns.values() if isinstance(patterns, Mapping) else ()
        if isinstance(named, Mapping):
            yield from ((named[name], part) for name, part in value.items() if name in named)
        parts = list(value.values())
    elif isinstance(value, list):
        for word in ("prefixItems", "items"):
            places = schema.get(word)
            yield from zip(places if isinstance(places, list) else (), value, strict=False)
        parts = value
    else:
        return
    yield from ((each, part) for each in for_each for part in parts)
