"""What an operation takes, and sound values for it: examples and defaults of the description, then what fits a schema.

Free text is made unique, so that it is known again wherever it comes back.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

MARK = "hx"
"""What every text that we made up begins with."""
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
_DEEPEST = 5
_MOST_NESTED = 20
"""Levels of one value, where each requires the next."""
_MOST_PARTS, _MOST_MEMBERS = 500, 5000
"""Schemas that are merged into one, and members of one value: a short document can name a billion of either."""
_FORMATS = {
    "date": "2031-05-06",
    "date-time": "2031-05-06T07:08:09Z",
    "time": "07:08:09Z",
    "ipv4": "192.0.2.7",
    "hostname": "www.example.org",
    "uri": "https://www.example.org/",
    "url": "https://www.example.org/",
    "binary": "text",
}
_FREE = re.compile(r"name|title|text|note|body|content|message|description|comment|subject|label")
_TRIED = ("Hx1234567", "12345678", "1234", "hx-name", "HX-1234", "ABC123", "2031-05-06", "+4912345678", "12345", "DE")
"""Texts that may fit somebody's pattern."""
_MOST_STEPS_BACK = 100_000
_LONGEST = 10_000
"""A text is made no longer, whatever the schema asks for."""
Known = Callable[[str], object | None]
"""The name of a member or parameter -> a value that the service gave under that name; None if it gave none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter beside the body; `where` is path, query, header or cookie."""

    name: str
    where: str
    required: bool
    schema: Mapping[str, Any]
    example: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One kind of body that an operation takes."""

    media_type: str
    schema: Mapping[str, Any]
    example: object

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """The schemas of its members, by name."""
        bundle = self.schema.get("x-bundled", {})
        found = merged(self.schema, bundle).get("properties")
        return {str(key): merged(each, bundle) for key, each in found.items()} if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that an operation takes; `words` are its id, its summary and its tags."""

    parameters: tuple[Parameter, ...]
    bodies: tuple[Body, ...]
    words: str

    @property
    def query(self) -> tuple[Parameter, ...]:
        """Its parameters of the query."""
        return tuple(each for each in self.parameters if each.where == "query")

    @property
    def body(self) -> Body | None:
        """The kind of body to send: JSON before forms, XML if there is nothing else."""
        for kind in (JSON, "+json", FORM, MULTIPART, "xml"):
            for each in self.bodies:
                if each.media_type.endswith(kind):
                    return each
        return None


@dataclass(frozen=True, slots=True)
class Sampler:
    """Makes values that fit schemas; `all_members` also those that are not required."""

    known: Known
    all_members: bool = True

    def of(self, schema: Mapping[str, Any], name: str = "") -> Any:  # noqa: ANN401 - JSON is anything
        """A value for a schema whose references lie inside itself."""
        return self._of(schema, schema.get("x-bundled", {}), name, 0, iter(range(_MOST_MEMBERS)))

    def _of(self, schema: Any, bundle: Mapping[str, Any], name: str, depth: int, room: Iterator[int]) -> Any:  # noqa: ANN401
        if depth > _MOST_NESTED or next(room, None) is None:
            return None
        schema = merged(schema, bundle)
        if (known := self.known(name)) is not None and fits_type(known, schema):
            return known
        given = _given(schema)
        match kind_of(schema):
            case "object":
                return self._members(schema, bundle, name, depth, room)
            case "array" if not given:
                return [] if depth >= _DEEPEST else [self._of(schema.get("items", {}), bundle, name, depth + 1, room)]
            case "string":
                return sample_text(schema, name, given)
            case _ if given is not None:
                return given
            case "boolean":
                return False
            case kind:
                return _number(schema, kind)

    def _members(
        self, schema: Mapping[str, Any], bundle: Mapping[str, Any], name: str, depth: int, room: Iterator[int]
    ) -> Mapping[str, Any]:
        members, given = schema.get("properties"), _given(schema)
        if not isinstance(members, Mapping) or not members:
            return given if isinstance(given, Mapping) else {}
        required = schema.get("required")
        required = required if isinstance(required, list) else ()
        is_whole = self.all_members and depth < _DEEPEST
        return {
            key: self._of(each, bundle, _reference(name, key), depth + 1, room)
            for key, each in members.items()
            if key in required or (is_whole and not merged(each, bundle).get("readOnly"))
        }


def _reference(name: str, key: str) -> str:
    """By what name a member is known: the `id` of `project` is `project_id`."""
    return f"{name}_{key}" if name and key.lower() == "id" else key


def merged(schema: Any, bundle: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a part of somebody's document
    """A schema with its reference followed, its `allOf` in one, and the first real one of its alternatives."""
    return _merged(schema, bundle, 0, iter(range(_MOST_PARTS)))


def _merged(schema: Any, bundle: Mapping[str, Any], depth: int, room: Iterator[int]) -> dict[str, Any]:  # noqa: ANN401
    schema, steps = _followed(schema, bundle)
    if not isinstance(schema, Mapping) or depth > _MOST_NESTED or next(room, None) is None:
        return {}
    whole = dict(schema)
    for part in _branches(schema, "allOf") if steps < _DEEPEST else ():
        whole = _both(whole, _merged(part, bundle, depth + 1, room))
    for word in ("oneOf", "anyOf"):
        real = _alternative(_merged(each, bundle, depth + 1, room) for each in _branches(schema, word))
        if real is not None and "type" not in whole:
            whole = {**real, **{key: value for key, value in whole.items() if key != word}}
    return whole


def _branches(schema: Mapping[str, Any], word: str) -> list[Any]:
    branches = schema.get(word)
    return branches if isinstance(branches, list) else []


def _followed(schema: Any, bundle: Mapping[str, Any]) -> tuple[Any, int]:  # noqa: ANN401
    """What a schema's reference leads to, and after how many steps."""
    steps = 0
    while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and steps < _DEEPEST:
        schema = bundle.get(schema["$ref"].rpartition("/")[2], {})
        steps += 1
    return schema, steps


def _both(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    named = [each["properties"] for each in (whole, part) if isinstance(each.get("properties"), Mapping)]
    properties = {name: member for each in named for name, member in each.items()}
    return {**part, **whole, **({"properties": properties} if properties else {})}


def _alternative(schemas: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The first of them that does not stand for nothing."""
    return next((each for each in schemas if each.get("type") != "null"), None)


def kind_of(schema: Mapping[str, Any]) -> str:
    """The type of JSON that a schema describes; text where it says nothing."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), None)
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def fits_type(value: object, schema: Mapping[str, Any]) -> bool:
    """May a value that was seen stand where the schema is: by its type and its list of values?"""
    kind = kind_of(schema)
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        return False
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in ("integer", "number")
    return isinstance(value, str) and kind == "string"


def sample_text(schema: Mapping[str, Any], name: str = "", given: object = None) -> str:
    """A text for a schema: unique where it may be anything."""
    plain, pattern = name.lower(), pattern_of(schema)
    unique = uuid.uuid4().hex[:12]
    if schema.get("enum") or "const" in schema:
        return str(given)
    if styled := _styled(schema.get("format"), plain, pattern, unique):
        return styled
    if isinstance(given, str) and (pattern or not _FREE.search(plain)):
        return given
    if pattern:
        return _fitting(pattern, unique)
    if plain.endswith(("url", "uri", "link", "href")):
        return _FORMATS["uri"]
    return _of_length(f"{MARK}{unique}", schema.get("minLength"), schema.get("maxLength"))


def _of_length(text: str, shortest: object, longest: object) -> str:
    text = text[:longest] if isinstance(longest, int) else text
    return text.ljust(min(shortest, _LONGEST) if isinstance(shortest, int) else 0, "x")


def _styled(style: object, name: str, pattern: str, unique: str) -> str:
    """A text of a form that has a name; "" where neither the format nor the member's name says which."""
    if style == "email" or ("email" in name and not pattern):
        return f"{MARK}{unique}@example.org"
    if style == "uuid":
        return str(uuid.uuid4())
    if "password" in name:
        return f"Hx-{unique}7a!"
    return _FORMATS.get(style, "") if isinstance(style, str) else ""


def pattern_of(schema: Mapping[str, Any]) -> str:
    """The pattern of a text as the document has it; "" if it has none."""
    pattern = schema.get("pattern", schema.get("x-written-pattern"))
    return pattern if isinstance(pattern, str) else ""


def _fitting(pattern: str, unique: str) -> str:
    own = f"{MARK}{unique}"
    return next((text for text in (own, *_TRIED) if fits_pattern(pattern, text)), own)


def fits_pattern(pattern: str, text: str) -> bool:
    """Does a text fit the pattern of a document? It does not fit one that cannot be read, or that takes too long."""
    import jsonschema_rs

    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS_BACK)
    try:
        return jsonschema_rs.is_valid({"pattern": pattern}, text, pattern_options=options)
    except ValueError:
        return False


def _given(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
    for word in ("const", "example", "default"):
        if schema.get(word) is not None:
            return schema[word]
    for word in ("examples", "enum"):
        listed = schema.get(word)
        if isinstance(listed, list) and listed:
            return listed[0]
    return None


def _number(schema: Mapping[str, Any], kind: str) -> int | float:
    least, most = schema.get("minimum"), schema.get("maximum")
    value: int | float = 1
    if isinstance(least, int | float) and least > value:
        value = least
    if isinstance(most, int | float) and most < value:
        value = most
    return int(value) if kind == "integer" and math.isfinite(value) else value


def is_number(value: object) -> TypeGuard[int | float]:
    """Is it a number of JSON? Python's truths are numbers too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:  # noqa: ANN401
    """Each value of nested JSON that is no object or list, and the way to it."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from leaves(each, (*way, str(key)))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value[:200]):
            yield from leaves(each, (*way, number))
    else:
        yield way, value


def objects(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    """Each object of nested JSON, outer ones first."""
    if isinstance(value, Mapping):
        yield value
    if isinstance(value, Mapping | list):
        for each in list(value.values() if isinstance(value, Mapping) else value)[:500]:
            yield from objects(each)


def is_plain(value: object) -> TypeGuard[str | int]:
    """Is it a text or a whole number, by which a thing may be called?"""
    return isinstance(value, str | int) and not isinstance(value, bool)


def members(value: Any) -> Iterator[tuple[str, str | int, Mapping[str, Any]]]:  # noqa: ANN401
    """Each text and whole number among the members of the objects in nested JSON: its name, itself and the object."""
    for thing in objects(value):
        yield from ((name, each, thing) for name, each in thing.items() if is_plain(each))


def replaced(value: Any, way: tuple[str | int, ...], new: Any) -> Any:  # noqa: ANN401
    """Nested JSON with another value at that place; objects on the way are made where they are missing."""
    if not way:
        return new
    first, *rest = way
    if isinstance(first, int) and isinstance(value, list):
        return [replaced(each, tuple(rest), new) if number == first else each for number, each in enumerate(value)]
    members = dict(value) if isinstance(value, Mapping) else {}
    return {**members, str(first): replaced(members.get(str(first)), tuple(rest), new)}


def plain_name(name: str) -> str:
    """A name as it is compared: `orderId`, `order_id` and `order-id` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
